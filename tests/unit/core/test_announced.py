"""A start that waits until its plan was delivered to everybody whom it names."""

from dataclasses import replace

import pytest

from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import Because, Decision, Observation, State
from rampguard.core.notices import planned_to, unannounced
from rampguard.core.outbox import LIFE, MOST, Delivery, Kind, Letter, Notice, Notify, Recipient
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.require import Override, Require, Required, Window
from scenes import DAY, HOUR, MINUTE, T, before, pair, plan, seen, soaking, told

NEW = State()
PLANNED, BLOCKED = Kind.RAMP_PLANNED, Kind.BLOCKED


def about_to_start(**facts: object) -> Observation:
    return before(**({"channels": ("mail", "team"), "required": Required()} | facts))


def kinds(letters: tuple[Letter, ...]) -> list[Kind]:
    return [one.notice.kind for one in letters]


def newer(key: str, channel: str = "team") -> Letter:
    """Return a notice that waits, of the same weight as the plan but younger."""
    notice = Notice(
        kind=BLOCKED, key=key, at=T + DAY, text="t", experiment="e", env="E",
        origin=10, to=50,
    )  # fmt: skip
    return Letter(notice, (Recipient(channel=channel),))


def required(**asked: object) -> Plan:
    """Return a ramp that has to be announced to team, which does not ask for plans, and to mail."""
    deaf = Notify("team", frozenset({Kind.BLOCKED}))
    return plan(**({"notify": (deaf, Notify("mail")), "require": Require(announced=True)} | asked))


def answers(of: Plan, **failed: str) -> tuple[Delivery, ...]:
    """Return what came of telling each channel of the plan; failed: why, by channel."""
    key = decide(of, NEW, about_to_start()).state.outbox[0].notice.key
    return tuple(
        Delivery(key=key, channel=one, at=T + MINUTE, failed=failed.get(one, ""))
        for one in planned_to(of)
    )


def after(of: Plan, *tries: Delivery, **facts: object) -> Decision:
    """Return what follows when the plan was put down, and then tried."""
    first = decide(of, NEW, about_to_start()).state
    return decide(of, first, about_to_start(deliveries=tries, **facts))


def test_a_plan_that_must_be_announced_goes_to_every_channel_whatever_it_chose() -> None:
    assert planned_to(required()) == ("team", "mail")
    first = decide(required(), NEW, about_to_start())
    assert [one.channel for one in first.state.outbox[0].to] == ["team", "mail"]
    free = decide(plan(notify=required().ask.notify), NEW, about_to_start())
    assert [one.channel for one in free.state.outbox[0].to] == ["mail"]


def test_a_start_waits_until_every_channel_has_the_plan() -> None:
    of = required()
    both = answers(of)
    started = after(of, *both)
    assert started.actions
    assert [one.channel for one in started.state.outbox[0].to] == ["mail"]  # of all but the plan
    for missing in both:
        some = tuple(one for one in both if one is not missing)
        assert not after(of, *some).actions
        assert not after(of, *some, now=T + DAY).actions
        failed = replace(missing, failed="refused")
        assert not after(of, *some, failed).actions


def test_it_starts_at_once_when_the_last_channel_takes_it() -> None:
    of = required()
    held = after(of, *answers(of, mail="refused"))
    assert held.because == Because(
        Reason.NOT_ANNOUNCED, "RampPlanned is not delivered to mail: see condition Notified"
    )
    later = tuple(one for one in answers(of) if one.channel == "mail")
    assert decide(of, held.state, about_to_start(deliveries=later)).actions


def test_a_start_that_is_just_announced_is_not_blocked() -> None:
    first = decide(required(), NEW, about_to_start())
    assert (first.because.reason, first.state.stage.blocked) == (Reason.PENDING, False)
    hangs = decide(required(), first.state, about_to_start(now=T + HOUR))
    assert (hangs.because.reason, hangs.state.stage.blocked) == (Reason.NOT_ANNOUNCED, True)


def test_that_nothing_could_be_announced_is_an_event_and_no_notice() -> None:
    of = required()
    held = after(of, *answers(of, mail="refused"))
    (event,) = told(held, Reason.NOT_ANNOUNCED)
    assert event.warning
    assert event.message == held.because.message
    assert (kinds(held.state.outbox), told(held, Reason.BLOCKED)) == ([PLANNED], ())
    again = decide(of, held.state, about_to_start())
    assert told(again, Reason.NOT_ANNOUNCED) == ()


OTHER_CAUSES = {
    "the pre-flight": ({}, {"workloads": pair(20)}, Reason.FROM_MISMATCH),
    "a signal": ({}, {"signals": ("no series",)}, Reason.SIGNALS_MISSING),
    "the window": ({"window": Window(not_before=T + DAY)}, {}, Reason.OUTSIDE_WINDOW),
    "an alert": (
        {"require": Require(announced=True, no_firing_alerts='a="b"')}, {}, Reason.ALERTS_FIRING),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "facts", "reason"), OTHER_CAUSES.values(), ids=OTHER_CAUSES)
def test_another_cause_is_told_before_it_and_by_a_notice(asked, facts, reason) -> None:
    of = required(**asked)
    first = decide(of, NEW, about_to_start(**facts))
    assert (first.because.reason, "RampPlanned" in first.because.message) == (reason, False)
    held = after(of, *answers(of, mail="refused"), **facts)
    assert held.because.reason is reason
    assert held.because.message.endswith(
        "; RampPlanned is not delivered to mail: see condition Notified"
    )
    assert BLOCKED in kinds(held.state.outbox)


def test_an_override_starts_once_each_channel_was_tried() -> None:
    of = required(require=Require(announced=True, override=Override("@mia", "mail is down")))
    assert planned_to(of) == ("team", "mail")
    assert not decide(of, NEW, about_to_start()).actions
    made = after(of, *answers(of, mail="refused"))
    assert made.actions
    assert made.state.vouched == ("NotAnnounced overridden by @mia: mail is down",)
    assert after(of, *answers(of)).state.vouched == ()


def test_a_plan_that_changes_must_be_announced_anew() -> None:
    of = required()
    known = after(of, *answers(of), signals=None).state
    assert decide(of, known, about_to_start()).actions
    assert not decide(required(to=40), known, about_to_start()).actions
    moved = required(window=Window(not_before=T, not_after=T + HOUR))
    assert unannounced(moved, known) == ("team", "mail")


def test_what_a_start_waits_for_is_never_given_up() -> None:
    of = required()
    was = after(of, *answers(of, mail="refused")).state
    late = decide(of, was, about_to_start(now=T + 2 * LIFE))
    assert (unannounced(of, late.state), kinds(late.state.outbox)) == (("mail",), [PLANNED])
    free = plan(notify=of.ask.notify)
    gone = decide(free, was, about_to_start(now=T + 2 * LIFE))
    assert PLANNED not in kinds(gone.state.outbox)


def test_what_was_given_up_before_it_was_required_goes_out_once_more() -> None:
    of, free = required(), plan(notify=(Notify("team"), Notify("mail")))
    was = after(free, *answers(free, mail="refused"), signals=None).state
    lost = decide(free, was, about_to_start(now=T + 2 * LIFE, signals=None)).state
    assert (unannounced(of, lost), kinds(lost.outbox)) == (("mail",), [])
    again = decide(of, lost, about_to_start(now=T + 2 * LIFE))
    assert [one.to for one in again.state.outbox] == [(Recipient(channel="mail"),)]
    waits = decide(of, again.state, about_to_start(now=T + 2 * LIFE + MINUTE))
    assert (waits.actions, waits.state.outbox) == ((), again.state.outbox)
    taken = tuple(one for one in answers(of) if one.channel == "mail")
    assert decide(of, waits.state, about_to_start(now=T + 3 * LIFE, deliveries=taken)).actions


def test_another_notice_on_its_way_is_not_the_plan_that_was_given_up() -> None:
    of = required()
    first = decide(of, NEW, about_to_start()).state
    others = (newer("Blocked/a", "mail"), newer("Success/a", "mail"))
    again = decide(of, replace(first, outbox=others), about_to_start()).state
    assert kinds(again.outbox) == [BLOCKED, BLOCKED, PLANNED]
    assert [one.channel for one in again.outbox[2].to] == ["team", "mail"]


def test_what_a_start_waits_for_has_room_in_an_outbox_that_is_full() -> None:
    of = required()
    was = after(of, *answers(of, mail="refused")).state
    others = tuple(newer(f"k{i}") for i in range(MOST))
    full = replace(was, outbox=(*was.outbox, *others))
    held = decide(of, full, about_to_start())
    assert unannounced(of, held.state) == ("mail",)
    keys = [one.notice.key for one in held.state.outbox if one.notice.kind is not PLANNED]
    assert keys == [f"k{i}" for i in range(1, MOST)]
    assert len(held.state.outbox) == MOST


def test_after_an_overridden_start_the_plan_is_given_up_like_all_else() -> None:
    of = required()
    was = replace(after(of, *answers(of, mail="refused")).state, stage=soaking())
    assert PLANNED not in kinds(decide(of, was, seen(after=2 * LIFE)).state.outbox)


CONDITIONS: dict[str, tuple[dict[str, str], Override | None, str, Reason, str]] = {
    "one channel lacks it": (
        {"mail": "refused"}, None, "False", Reason.NOT_ANNOUNCED,
        "RampPlanned is not delivered to mail: see condition Notified"),
    "both lack it": (
        {"mail": "refused", "team": "refused"}, None, "False", Reason.NOT_ANNOUNCED,
        "RampPlanned is not delivered to team, mail: see condition Notified"),
    "all have it": (
        {}, None, "True", Reason.MET, "RampPlanned was delivered to team, mail"),
    "an override": (
        {"mail": "refused"}, Override("@mia", "mail is down"), "True", Reason.OVERRIDDEN,
        ("NotAnnounced overridden by @mia: mail is down;"
        " RampPlanned is not delivered to mail: see condition Notified")),
}  # fmt: skip


@pytest.mark.parametrize("row", CONDITIONS.values(), ids=CONDITIONS)
def test_the_condition_says_who_lacks_it(
    row: tuple[dict[str, str], Override | None, str, Reason, str],
) -> None:
    failed, override, *says = row
    of = required(require=Require(announced=True, override=override))
    made = after(of, *answers(of, **failed))
    shown, _ = render(of, about_to_start(), made)
    (one,) = (c for c in shown.conditions if c.type == "PreconditionsMet")
    assert [one.status, one.reason, one.message] == says


def test_a_soak_asks_for_it_no_more() -> None:
    of = required()
    made = decide(of, replace(NEW, stage=soaking(), started_at=T), seen(required=Required()))
    assert Reason.NOT_ANNOUNCED not in made.state.stage.unmet
    shown, _ = render(of, seen(required=Required()), made)
    (one,) = (c for c in shown.conditions if c.type == "PreconditionsMet")
    assert (one.status, "RampPlanned" in one.message) == ("True", False)


OWNERS = pytest.mark.parametrize("owners", [("@mia", "@noa"), ("@noa", "@mia")])


@OWNERS
def test_a_plan_that_arrives_after_an_edit_is_not_the_plan_as_it_is(owners) -> None:
    window = Window(not_before=T + DAY)
    first, second = (required(owner=one, window=window) for one in owners)
    edited = decide(second, decide(first, NEW, about_to_start()).state, about_to_start()).state
    late = decide(second, edited, about_to_start(deliveries=answers(first))).state
    assert late.delivered == edited.delivered + len(answers(first))
    assert unannounced(second, late) == ("team", "mail")


@OWNERS
def test_who_got_another_plan_since_is_told_the_first_one_again(owners: tuple[str, str]) -> None:
    window = Window(not_before=T + DAY)  # nobody starts while the plan is edited
    first, second = (required(owner=one, window=window) for one in owners)
    state = after(first, *answers(first)).state
    assert unannounced(first, state) == ()
    state = decide(second, state, about_to_start()).state
    assert unannounced(first, state) == (), "an edit alone tells nobody anything"
    late = decide(second, state, about_to_start(deliveries=answers(first))).state
    assert unannounced(second, late) == ("team", "mail"), "the first plan is not the second"
    state = decide(second, state, about_to_start(deliveries=answers(second))).state
    assert unannounced(second, state) == ()
    assert len(state.announced) == len(planned_to(second)), "it does not grow with each edit"
    back = decide(first, state, about_to_start())
    assert unannounced(first, back.state) == ("team", "mail")
    assert back.state.outbox[-1].notice.key == answers(first)[0].key
    again = decide(first, back.state, about_to_start(deliveries=answers(first)))
    assert unannounced(first, again.state) == ()
