"""The arrow table of notices: what is remembered and seen, and who is told what of it."""

from dataclasses import replace

import pytest

from rampguard.core.ask import GateKind, Leave, OnFailure, Target
from rampguard.core.decide import decide
from rampguard.core.model import (
    Because,
    Finding,
    Observation,
    Pending,
    RollbackRecord,
    Soaked,
    State,
    Verdict,
)
from rampguard.core.notices import planned_to, unannounced
from rampguard.core.outbox import (
    GRAFANA,
    LIFE,
    MOST,
    Delivery,
    Kind,
    Letter,
    NextDecision,
    Notice,
    Notify,
    Recipient,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import ConditionType, Reason
from rampguard.core.require import Window
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T,
    applying,
    before,
    judged,
    lagging,
    look,
    over,
    pair,
    plan,
    restoring,
    seen,
    soaking,
    stamp,
    state,
    told,
    workload,
)

TEAM = (Notify("team"),)
CHANNELS = ("mail", "team")
NEW = State()
BREACHED, NO_DATA = Verdict.BREACHED, Verdict.NO_DATA
PLANNED, STARTED, FOUND = Kind.RAMP_PLANNED, Kind.RAMP_STARTED, Kind.FINDING_RECORDED
BLOCKED, CONTESTED = Kind.BLOCKED, Kind.CONTESTED


def ask(**asked: object) -> Plan:
    return plan(**({"notify": TEAM} | asked))


def sees(*workloads: object, **facts: object) -> Observation:
    return seen(*workloads, **({"channels": CHANNELS} | facts))


def about_to_start(**facts: object) -> Observation:
    return before(**({"channels": CHANNELS} | facts))


def announced(of: Plan, **facts: object) -> State:
    """Return a ramp before its start whose RampPlanned was delivered."""
    first = decide(of, NEW, about_to_start()).state
    (letter,) = first.outbox
    tried = tuple(
        Delivery(key=letter.notice.key, channel=one.channel, at=T + MINUTE) for one in letter.to
    )
    after = decide(of, first, about_to_start(deliveries=tried, signals=None)).state
    return replace(after, **facts)


def kinds(letters: tuple[Letter, ...]) -> list[Kind]:
    return [one.notice.kind for one in letters]


PLAIN = ask()
ASKED = ask(gates=frozenset({GateKind.START}))
HELD = ask(on_failure=OnFailure.HOLD)
RECORD = RollbackRecord(because=Because(Reason.GUARDRAIL_BREACHED, "share 38%"), started_at=T)
BACK = state(restoring(), rollback=RECORD)
# fmt: off
ARROWS: dict[str, tuple[Plan, State, Observation, list[Kind]]] = {
    "a new ramp is announced, and does not start yet": (
        PLAIN, NEW, about_to_start(), [PLANNED]),
    "a ramp that is blocked is announced, and says why it waits": (
        PLAIN, NEW, about_to_start(workloads=pair(20)), [PLANNED, BLOCKED]),
    "a ramp that was announced starts": (
        PLAIN, announced(PLAIN), about_to_start(), [STARTED]),
    "a ramp that has nothing to do tells nobody": (
        PLAIN, NEW, about_to_start(workloads=pair(50)), []),
    "a ramp that is aborted before it was seen tells nobody": (
        ask(abort=Leave.ROLLBACK), NEW, about_to_start(), []),
    "a gate asks": (
        ASKED, announced(ASKED), about_to_start(), [BLOCKED]),
    "a cause that goes on is told once": (
        PLAIN,
        replace(announced(PLAIN), told=(
            *announced(PLAIN).told, f"Blocked/{Reason.FROM_MISMATCH}/1 to team")),
        about_to_start(workloads=pair(20)), []),
    "another cause is told anew": (
        PLAIN, replace(announced(PLAIN), told=(
            *announced(PLAIN).told, f"Blocked/{Reason.FROM_MISMATCH}/1 to team")),
        about_to_start(workloads=pair(10, paused=True)), [BLOCKED]),
    "a lost status is contested": (
        PLAIN, NEW, about_to_start(workloads=pair(50, stamp=stamp())), [CONTESTED]),
    "a step is no start": (
        ask(steps=(25,)), state(soaking()),
        sees(*pair(25), looks=(look(HOUR),), after=HOUR + MINUTE), [FOUND]),
    "a step that is being written is no start": (
        ask(steps=(25,)), state(applying()), sees(*pair(25, coverage=lagging())), []),
    "a proven step is no notice": (
        PLAIN, state(applying()), sees(), []),
    "a soak that goes on tells nothing": (
        PLAIN, state(soaking()), sees(looks=(look(MINUTE),)), []),
    "a finding is told": (
        PLAIN, state(soaking()), sees(looks=(look(HOUR),), after=HOUR + MINUTE), [FOUND]),
    "findings of a late operator are told one by one": (
        PLAIN, state(soaking()),
        sees(looks=(look(HOUR), look(6 * HOUR)), after=7 * HOUR), [FOUND, FOUND]),
    "a soak that passed succeeds": (
        PLAIN, state(soaking()), sees(looks=(look(DAY),), after=DAY + MINUTE),
        [FOUND, FOUND, FOUND, Kind.RAMP_SUCCEEDED]),
    "harm is told with its rollback to come": (
        PLAIN, state(soaking()), sees(looks=(look(MINUTE, BREACHED),)),
        [Kind.GUARDRAIL_BREACHED]),
    "harm of two guardrails is told of each": (
        PLAIN, state(soaking()), sees(looks=(look(MINUTE, BREACHED, BREACHED),)),
        [Kind.GUARDRAIL_BREACHED, Kind.GUARDRAIL_BREACHED]),
    "harm that a person decides on asks as well": (
        HELD, state(soaking()), sees(looks=(look(MINUTE, BREACHED),)),
        [Kind.GUARDRAIL_BREACHED, BLOCKED]),
    "a rollback that is under way tells nothing new": (
        PLAIN, BACK, sees(*pair(50)), []),
    "a rollback that is proven is told": (
        PLAIN, BACK, sees(*pair(10)), [Kind.ROLLBACK_VERIFIED]),
    "a rollback that stands still needs a person": (
        PLAIN, BACK, sees(*pair(50, coverage=lagging(0)), after=HOUR), [BLOCKED]),
    "a revert ends contested, and what was ours is back": (
        PLAIN, replace(BACK, stage=restoring(Reason.OVERWRITTEN, ends_contested=True)),
        sees(*pair(10)), [Kind.ROLLBACK_VERIFIED, CONTESTED]),
    "blindness beyond maxHold needs a person": (
        PLAIN,
        state(replace(soaking(), evidence=replace(soaking().evidence, blind_since=T))),
        sees(look_failed="no answer", after=3 * HOUR), [BLOCKED]),
    "a later step that cannot be taken needs a person": (
        ask(steps=(25,)), state(soaking()),
        sees(*pair(25, paused=True), looks=(look(HOUR),), after=HOUR + MINUTE),
        [FOUND, BLOCKED]),
    "an ended ramp tells nothing": (PLAIN, state(over()), sees(), []),
    "an aborted ramp that keeps its value tells nothing": (
        ask(abort=Leave.KEEP), state(soaking()), sees(), []),
    "a cluster that cannot be read tells nothing of a soak": (
        PLAIN, state(soaking()), sees(unreadable="403"), []),
    "without a channel nothing is told": (
        plan(), state(soaking()), sees(looks=(look(MINUTE, BREACHED),)), []),
}
# fmt: on


@pytest.mark.parametrize(("of", "was", "saw", "due"), ARROWS.values(), ids=ARROWS)
def test_each_arrow_tells_what_it_says(of, was, saw, due) -> None:
    assert kinds(decide(of, was, saw).state.outbox) == due


def test_every_kind_that_can_be_chosen_is_told_by_an_arrow() -> None:
    told_by = {kind for *_, due in ARROWS.values() for kind in due}
    assert told_by == set(Kind) - {Kind.CHANGE, Kind.ROLLBACK}


def letter_of(decision: object) -> Letter:
    (letter,) = decision.state.outbox
    return letter


def test_a_channel_gets_what_it_chose() -> None:
    some = (Notify("team", frozenset({Kind.FINDING_RECORDED})), Notify("mail"))
    saw = sees(looks=(look(MINUTE, BREACHED),))
    (recipient,) = letter_of(decide(ask(notify=some), state(soaking()), saw)).to
    assert recipient.channel == "mail"


MARKED = {
    "a change": (announced(PLAIN), about_to_start(), {Kind.CHANGE}),
    "a breach and its rollback": (
        state(soaking()),
        sees(looks=(look(MINUTE, BREACHED),)),
        {Kind.GUARDRAIL_BREACHED, Kind.ROLLBACK},
    ),
    "a finding is none": (state(soaking()), sees(looks=(look(HOUR),), after=HOUR + MINUTE), set()),
}


@pytest.mark.parametrize(("was", "saw", "marks"), MARKED.values(), ids=MARKED)
def test_grafana_gets_changes_breaches_and_rollbacks_of_every_ramp(was, saw, marks) -> None:
    saw = replace(saw, channels=(GRAFANA,))
    letters = decide(plan(), was, saw).state.outbox
    assert {one.notice.kind for one in letters} == marks
    assert all(one.to == (Recipient(channel=GRAFANA),) for one in letters)


# --- before the start ---


def test_nothing_is_written_until_the_plan_was_tried_on_every_channel() -> None:
    of = ask(notify=(Notify("team"), Notify("mail")))
    first = decide(of, NEW, about_to_start())
    assert (type(first.state.stage), first.actions) == (Pending, ())
    assert first.look_again_in < 5 * SECOND
    key = letter_of(first).notice.key
    one = (Delivery(key=key, channel="team", at=T + MINUTE),)
    second = decide(of, first.state, about_to_start(deliveries=one))
    assert second.actions == ()
    two = (Delivery(key=key, channel="mail", at=T + MINUTE, failed="refused"),)
    assert decide(of, second.state, about_to_start(deliveries=two)).actions


def test_a_channel_that_hangs_holds_a_start_for_half_a_minute_only() -> None:
    first = decide(PLAIN, NEW, about_to_start()).state
    at = about_to_start().now
    assert not decide(PLAIN, first, about_to_start(now=at + 29 * SECOND)).actions
    assert decide(PLAIN, first, about_to_start(now=at + 30 * SECOND)).actions
    assert decide(PLAIN, first, about_to_start(now=at + HOUR)).actions


@pytest.mark.parametrize("key", ["Blocked/a", "Success/a"])
def test_a_start_waits_for_no_other_notice(key: str) -> None:
    was = announced(PLAIN, outbox=(waits(at=about_to_start().now, key=key),))
    assert decide(PLAIN, was, about_to_start()).actions


def test_a_start_waits_for_no_channel_that_does_not_hear_of_plans() -> None:
    of = ask(notify=(Notify("team", frozenset({Kind.BLOCKED})),))
    assert decide(of, NEW, about_to_start()).actions


def test_a_plan_that_changes_before_the_start_is_announced_again_under_another_key() -> None:
    first = decide(PLAIN, NEW, about_to_start(workloads=pair(20))).state
    other = decide(ask(to=40), first, about_to_start(workloads=pair(20))).state
    keys = [one.notice.key for one in other.outbox if one.notice.kind is PLANNED]
    assert len(set(keys)) == 2
    same = decide(ask(paused=True), first, about_to_start(workloads=pair(20))).state
    assert kinds(same.outbox) == kinds(first.outbox)


def test_a_plan_keeps_its_key_from_one_version_of_the_operator_to_the_next() -> None:
    """Else an upgrade would announce each ramp that waits once more, and hold some for that."""
    assert letter_of(decide(PLAIN, NEW, about_to_start())).notice.key == "RampPlanned/28fe05d4"


def test_who_was_told_is_remembered_of_the_latest_hundred() -> None:
    was = State(told=tuple(f"k{i} to team" for i in range(100)))
    made = decide(PLAIN, was, about_to_start())
    key = letter_of(made).notice.key
    assert made.state.told == (*was.told[1:], f"{key} to team")


def test_a_channel_that_is_named_later_hears_of_the_plan_alone() -> None:
    both = ask(notify=(*TEAM, Notify("mail")))
    (letter,) = decide(both, announced(PLAIN), about_to_start()).state.outbox
    assert letter.to == (Recipient(channel="mail"),)


def test_unannounced_names_who_has_not_got_the_plan_as_it_is() -> None:
    of = ask(notify=(Notify("team"), Notify("mail")))
    first = decide(of, NEW, about_to_start()).state
    assert unannounced(of, first) == ("team", "mail") == planned_to(of)
    key = letter_of(decide(of, NEW, about_to_start())).notice.key
    tried = (
        Delivery(key=key, channel="team", at=T),
        Delivery(key=key, channel="mail", at=T, failed="refused"),
    )
    second = decide(of, first, about_to_start(deliveries=tried, signals=None)).state
    assert unannounced(of, second) == ("mail",)
    assert unannounced(of, announced(of)) == ()
    changed = ask(notify=of.ask.notify, to=40)
    assert unannounced(changed, announced(of)) == ("team", "mail")


def test_an_unknown_channel_blocks_and_the_known_ones_hear_of_it() -> None:
    of = ask(notify=(Notify("team"), Notify("pager")))
    made = decide(of, NEW, about_to_start(channels=(GRAFANA, *CHANNELS)))
    assert made.because.reason is Reason.UNKNOWN_CHANNEL
    assert made.because.message == (
        "spec.notify names the channel pager; the operator's configuration has mail, team"
    )
    assert [one.channel for letter in made.state.outbox for one in letter.to] == ["team", "team"]
    many = decide(of, NEW, about_to_start(channels=("911", GRAFANA, *CHANNELS)))
    assert "configuration has 911, mail, team" in many.because.message
    none = decide(of, NEW, about_to_start(channels=()))
    assert "has none" in none.because.message
    assert none.state.outbox == ()


def test_a_channel_that_is_unknown_after_the_start_fails_and_is_told() -> None:
    of = ask(notify=(Notify("pager"),))
    saw = sees(looks=(look(MINUTE, BREACHED),))
    assert letter_of(decide(of, state(soaking()), saw)).to == (Recipient(channel="pager"),)


# --- what a notice says ---


def said(decision: object, kind: Kind) -> Notice:
    (found,) = (one.notice for one in decision.state.outbox if one.notice.kind is kind)
    return found


def test_the_plan_says_the_way_the_watch_and_the_decision() -> None:
    decision = NextDecision(analysis_window="a week", go_no_go="2026-12-02")
    of = ask(steps=(25,), decision=decision, owner="@mia")
    notice = said(decide(of, NEW, about_to_start()), PLANNED)
    assert notice.text == "ROLLOUT goes 10 -> 25 -> 50 on api, worker"
    assert notice.details == (
        "watched for 24h, 1h at each step before",
        "findings at 1h, 6h, 24h",
        "guardrails: share, p95",
        "analysis window: a week",
        "go/no-go: 2026-12-02",
    )
    assert (notice.owner, notice.experiment, notice.env) == ("@mia", "tree", "ROLLOUT")
    assert (notice.origin, notice.to, notice.since) == (10, 50, None)


WINDOWS = {
    "both ends": (Window(not_before=T, not_after=T + HOUR),
        "may start from 2026-11-23T12:00:00Z until 2026-11-23T13:00:00Z"),
    "a beginning": (Window(not_before=T), "may start from 2026-11-23T12:00:00Z"),
    "an end": (Window(not_after=T + HOUR), "may start until 2026-11-23T13:00:00Z"),
}  # fmt: skip


@pytest.mark.parametrize(("window", "words"), WINDOWS.values(), ids=WINDOWS)
def test_the_plan_names_its_window(window: Window, words: str) -> None:
    assert said(decide(ask(window=window), NEW, about_to_start()), PLANNED).details[0] == words


def test_a_plan_without_findings_says_none() -> None:
    notice = said(decide(ask(findings=()), NEW, about_to_start()), PLANNED)
    assert notice.details == ("watched for 24h", "guardrails: share, p95")


def test_success_says_the_findings_and_what_is_to_be_decided() -> None:
    of = ask(decision=NextDecision(go_no_go="2026-12-02"))
    saw = sees(looks=(look(DAY),), after=DAY + MINUTE)
    notice = said(decide(of, state(soaking()), saw), Kind.RAMP_SUCCEEDED)
    assert notice.text == "completed at 50%: 24h soak passed, every guardrail within tolerance"
    assert notice.details == ("go/no-go: 2026-12-02", *(
        f"{after} at 50%: WithinTolerance" for after in ("1h", "6h", "24h")
    ))  # fmt: skip
    only = ask(decision=NextDecision(analysis_window="a week"))
    assert (
        "analysis window: a week"
        in said(decide(only, state(soaking()), saw), Kind.RAMP_SUCCEEDED).details
    )


def test_a_finding_comes_with_its_numbers_and_its_queries() -> None:
    judgements = (judged(query="up"), judged(name="p95", verdict=BREACHED, query="p95"))
    at = replace(look(HOUR), judgements=judgements)
    was = state(soaking(), findings=(Finding(
        after=MINUTE, at=T, share=50, verdict=NO_DATA, evidence="", details=("old",)),
    ))  # fmt: skip
    made = decide(HELD, was, sees(looks=(at,), after=HOUR + MINUTE))
    notice = said(made, FOUND)
    assert notice.text.startswith("1h finding at 50%: Breached")
    assert notice.key == told(made, Reason.FINDING_RECORDED)[0].key
    assert notice.queries == (("p95", "p95"), ("share", "up"))
    assert notice.since == T
    assert said(made, Kind.GUARDRAIL_BREACHED).text.startswith("p95 breached")


def test_a_breach_comes_with_the_numbers_of_its_record() -> None:
    from rampguard.core.model import Part  # noqa: PLC0415 - of this test alone

    part = Part(name="upper", verdict=BREACHED, value="38%")
    at = replace(look(MINUTE), judgements=(judged(BREACHED, parts=(part,)), judged(name="p95")))
    notice = said(decide(PLAIN, state(soaking()), sees(looks=(at,))), Kind.GUARDRAIL_BREACHED)
    assert [line.partition(":")[0] for line in notice.details] == ["share upper"]


def test_a_rollback_says_why_and_how_long_it_took() -> None:
    was = replace(BACK, soaked=Soaked(since=T - HOUR, until=T, cut=True))
    notice = said(decide(PLAIN, was, sees(*pair(10), after=90 * SECOND)), Kind.ROLLBACK_VERIFIED)
    assert notice.text.startswith("8 of 8 pods run 10 again")
    assert notice.details == (
        "because: share 38%",
        "began 2026-11-23T12:00:00Z, took 1m30s",
    )
    assert notice.since == T - HOUR


def test_a_notice_has_an_end() -> None:
    names = tuple(Target("t" * 250) for _ in range(10))
    of = ask(targets=names, owner="@mia")
    both = tuple(workload("t" * 250, 20) for _ in names)
    made = decide(of, NEW, about_to_start(workloads=both))
    notice = said(made, PLANNED)
    assert (len(notice.text), notice.text[-1]) == (1024, "…")
    long = tuple(judged(name=f"g{i}", query="q" * n) for i, n in enumerate((600, 425, 424, 1)))
    at = replace(look(HOUR), judgements=long)
    found = said(decide(PLAIN, state(soaking()), sees(looks=(at,), after=HOUR + MINUTE)), FOUND)
    assert found.queries == (("g0", "q" * 600), ("g2", "q" * 424))


def test_a_text_that_just_fits_is_not_cut() -> None:
    name = "t" * (1024 - len("ROLLOUT goes 10 -> 50 on "))
    of = ask(targets=(Target(name),))
    saw = about_to_start(workloads=(workload(name, 20),))
    assert said(decide(of, NEW, saw), PLANNED).text.endswith(name)


@pytest.mark.parametrize(("more", "lines"), [(0, 2), (1, 1)])
def test_details_end_where_there_is_no_room(more: int, lines: int) -> None:
    rest = "because: " + "began 2026-11-23T12:00:00Z, took 1m30s"
    why = Because(Reason.GUARDRAIL_BREACHED, "w" * (1024 - len(rest) + more))
    was = replace(BACK, rollback=replace(RECORD, because=why))
    notice = said(decide(PLAIN, was, sees(*pair(10), after=90 * SECOND)), Kind.ROLLBACK_VERIFIED)
    assert len(notice.details) == lines


# --- deliveries ---


def waits(tries: int = 0, at: object = T, channel: str = "team", key: str = "k") -> Letter:
    notice = Notice(
        kind=FOUND, key=key, at=at, text="t", experiment="e", env="E", origin=10, to=50
    )  # fmt: skip
    due = T + HOUR if tries else None
    return Letter(notice, (Recipient(channel=channel, tries=tries, due=due, why="no"),))


def tried(failed: str = "", channel: str = "team", key: str = "k") -> Delivery:
    return Delivery(key=key, channel=channel, at=T + MINUTE, failed=failed)


def test_what_is_delivered_waits_no_more_and_counts() -> None:
    made = decide(PLAIN, state(soaking(), outbox=(waits(),)), sees(deliveries=(tried(),)))
    assert (made.state.outbox, made.state.delivered) == ((), 1)
    assert made.notes == ()
    again = decide(PLAIN, made.state, sees(deliveries=(tried(),)))
    assert again.state.delivered == 1
    two = state(soaking(), outbox=(waits(key="a"), waits(key="b")))
    three = tuple(tried(key=key) for key in ("nobody waits for it", "a", "b"))
    after = decide(PLAIN, two, sees(deliveries=three)).state
    assert (after.outbox, after.delivered) == ((), 2)


def test_a_channel_that_begins_to_fail_is_told_once() -> None:
    was = state(soaking(), outbox=(waits(key="a"), waits(key="b"), waits(key="c", channel="mail")))
    both = (tried("refused", key="a"), tried("refused", key="b"))
    made = decide(PLAIN, was, sees(deliveries=both))
    (note,) = told(made, Reason.NOTIFY_FAILED)
    assert note.message == "team does not take notices: refused; it is tried again"
    assert note.warning
    assert [r.tries for letter in made.state.outbox for r in letter.to] == [1, 1, 0]


def test_a_failure_is_tried_again_later_even_of_a_ramp_that_is_over() -> None:
    made = decide(PLAIN, state(over(), outbox=(waits(),)), sees(deliveries=(tried("no"),)))
    ((recipient,),) = (letter.to for letter in made.state.outbox)
    assert recipient.due == T + MINUTE + 30 * SECOND
    assert made.look_again_in == 30 * SECOND


def test_after_a_day_it_is_given_up_and_said() -> None:
    was = state(over(), outbox=(waits(tries=9), waits(key="new")))
    assert decide(PLAIN, was, sees(after=LIFE - SECOND)).state.outbox == was.outbox
    made = decide(PLAIN, was, sees(after=LIFE))
    assert [letter.notice.key for letter in made.state.outbox] == ["new"]
    (note,) = told(made, Reason.NOTIFY_FAILED)
    assert note.message == (
        "gave up on team: FindingRecorded of 2026-11-23T12:00:00Z: not delivered within 24h; no"
    )
    assert note.warning
    assert made.state.unheard == ("team: FindingRecorded of 2026-11-23T12:00:00Z",)


def test_of_what_was_given_up_the_latest_ten_are_remembered() -> None:
    many = tuple(waits(tries=9, key=f"k{i}", at=T + i * SECOND) for i in range(12))
    made = decide(PLAIN, state(over(), outbox=many), sees(after=LIFE + MINUTE))
    assert [line[-3:] for line in made.state.unheard] == [f"{i:02}Z" for i in range(2, 12)]
    assert len(told(made, Reason.NOTIFY_FAILED)) == 12


def test_what_was_never_tried_is_tried_however_late() -> None:
    was = state(over(), outbox=(waits(),))
    assert decide(PLAIN, was, sees(after=9 * LIFE)).state.outbox == was.outbox


def test_an_outbox_that_is_full_gives_up_the_oldest_finding_and_says_so() -> None:
    first = waits(key="first", at=T - DAY)
    kept = replace(first, notice=replace(first.notice, key="kept", kind=BLOCKED, at=T - 2 * DAY))
    full = (kept, first, *(waits(key=f"k{i}") for i in range(MOST - 2)))
    saw = sees(looks=(look(MINUTE, BREACHED),))
    made = decide(HELD, state(soaking(), outbox=full), saw)
    keys = [letter.notice.key for letter in made.state.outbox]
    assert len(keys) == MOST
    assert keys[:2] == ["kept", "k1"]
    lost = [note.message for note in told(made, Reason.NOTIFY_FAILED)]
    assert len(lost) == 2
    assert all("too many wait" in words for words in lost)
    assert len(made.state.unheard) == 2


# --- the condition ---


def shown(was: State, saw: Observation) -> object:
    from rampguard.core.conditions import render  # noqa: PLC0415 - of these tests alone

    after, _ = render(PLAIN, saw, decide(PLAIN, was, saw))
    return next((c for c in after.conditions if c.type == ConditionType.NOTIFIED), None)


def test_notified_tells_what_is_delivered_and_what_is_not() -> None:
    assert shown(state(soaking()), sees()) is None
    assert shown(state(soaking(), outbox=(waits(),)), sees()) is None
    good = shown(state(soaking(), outbox=(waits(),)), sees(deliveries=(tried(),)))
    assert (good.status, good.reason, good.message) == ("True", "Delivered", "1 delivered")
    bad = shown(state(soaking(), outbox=(waits(),)), sees(deliveries=(tried("refused"),)))
    assert (bad.status, bad.reason) == ("False", "DeliveryFailing")
    assert bad.message == "team: FindingRecorded (try 1): refused"
    lost = shown(state(over(), outbox=(waits(tries=9),), delivered=3), sees(after=LIFE))
    assert lost.message == "given up on team: FindingRecorded of 2026-11-23T12:00:00Z"


# --- the last words of a ramp that is deleted ---


def test_a_deleted_ramp_stays_until_its_notices_were_tried_a_minute_at_most() -> None:
    of = ask(deleting=True)
    both = pair(10, stamp=stamp())
    was = state(over(), outbox=(waits(),))
    stays = decide(of, was, sees(*both, finalizer=True, after=59 * SECOND))
    assert stays.actions == ()
    for after in (MINUTE, 2 * MINUTE):
        assert decide(of, was, sees(*both, finalizer=True, after=after)).actions
    failed = sees(*both, finalizer=True, after=SECOND, deliveries=(tried("no"),))
    assert decide(of, was, failed).actions
    assert decide(PLAIN, was, sees(*both, finalizer=True, after=SECOND)).actions


def test_a_time_without_a_rollback_is_told_by_the_event_alone() -> None:
    bare = replace(BACK, rollback=None)
    notice = said(decide(PLAIN, bare, sees(*pair(10))), Kind.ROLLBACK_VERIFIED)
    assert notice.details[0] == "because: why"
