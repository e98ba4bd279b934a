"""No notice is lost, and no key ever stands for two texts, whatever the channels do."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from property.test_decisions import GOOD, WALKS, Turn, Walk
from rampguard.api import engine
from rampguard.core.decide import decide
from rampguard.core.model import Note, Observation, Write
from rampguard.core.outbox import (
    GRAFANA,
    LIFE,
    LONGEST,
    MOST,
    Delivery,
    Kind,
    Notice,
    Notify,
    due,
    pause,
    waiting,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.require import Override, Require
from scenes import MINUTE, SECOND, plan

CHANNELS = ("mail", "team", GRAFANA)
PLANS = st.builds(
    lambda **asked: plan(
        steps=(20, 30),
        step_soak=5 * MINUTE,
        soak=10 * MINUTE,
        findings=tuple(i * MINUTE for i in range(1, 11)),
        notify=(Notify("mail"), Notify("team")),
        **asked,
    ),
    owner=st.sampled_from((None, "@mia")),
    to=st.sampled_from((50, 40)),
)
# What each try of a pass comes to: delivered, failed, or lost with the process that made it.
LUCK = st.lists(st.sampled_from(("delivered", "failed", "lost")), min_size=1, max_size=7)
JUMPS = st.sampled_from((timedelta(0), timedelta(0), timedelta(hours=3), timedelta(hours=25)))


@dataclass
class Post(Walk):
    """A walk whose notices go out; keeps who was promised what, and what became of it."""

    texts: dict[str, Notice] = field(default_factory=dict)
    promised: set[tuple[str, str]] = field(default_factory=set)
    got: list[tuple[str, str]] = field(default_factory=list)
    given_up: int = 0
    took: set[tuple[str, str]] = field(default_factory=set)  # key, channel
    tried: tuple[Delivery, ...] = ()

    def seen(self, turn: Turn) -> Observation:
        return replace(super().seen(turn), channels=CHANNELS, deliveries=self.tried)

    def post(self, turn: Turn, luck: list[str]) -> None:
        """Make a pass, then try all that is due."""
        seen = self.seen(turn)
        before = {(n.key, r.channel) for n, r in waiting(self.state.outbox)}
        made = decide(self.plan, self.state, seen)
        self.state = engine.read(engine.write(made.state))  # as the next process finds it
        self.writes = tuple(a for a in made.actions if isinstance(a, Write))
        self._look(before, made.notes)
        outcomes = zip(due(self.state.outbox, self.now), luck * 20, strict=False)
        self.tried = tuple(
            Delivery(key=n.key, channel=c, at=self.now, failed="" if came == "delivered" else "no")
            for (n, c), came in outcomes
            if came != "lost"
        )
        self.took |= {(d.key, d.channel) for d in self.tried if not d.failed}

    def hears_of_the_plan(self, channel: str) -> bool:
        """Say whether a channel took RampPlanned of the plan as it is now."""
        ask = self.plan.ask
        return any(
            (key, channel) in self.took
            for key, one in self.texts.items()
            if one.kind is Kind.RAMP_PLANNED and (one.to, one.owner) == (ask.to, ask.owner)
        )

    def _look(self, before: set[tuple[str, str]], notes: tuple[Note, ...]) -> None:
        delivered = {(d.key, d.channel) for d in self.tried if not d.failed} & before
        self.got.extend(delivered)
        now = {(n.key, r.channel) for n, r in waiting(self.state.outbox)}
        for notice, _ in waiting(self.state.outbox):
            assert self.texts.setdefault(notice.key, notice) == notice
        new = now - before
        assert not new & self.promised, "put down twice"
        self.promised |= new
        lost = [n for n in notes if n.reason is Reason.NOTIFY_FAILED and "gave up" in n.message]
        gone = before - now - delivered
        # What had no room is told though it never stood in the status.
        assert len(gone) <= len(lost)
        assert bool(gone) <= bool(lost)
        assert len({n.key for n, _ in waiting(self.state.outbox)}) <= MOST


@given(PLANS, PLANS, WALKS, LUCK, JUMPS)
def test_every_notice_waits_or_arrived_or_was_given_up_aloud(
    of: Plan, then: Plan, turns: list[Turn], luck: list[str], jump: timedelta
) -> None:
    walk = Post(plan=of)
    for i, turn in enumerate(turns):
        if i == 1 and not walk.state.originals:
            walk.plan = then  # somebody edits the ramp before it starts
        walk.post(turn, luck[i % len(luck) :] or luck)
        if i == len(turns) - 2:
            walk.now += jump
    assert len(walk.got) == len(set(walk.got)), "counted twice"
    assert walk.state.delivered == len(walk.got)


REQUIRED = Require(announced=True)
OVERRIDDEN = replace(REQUIRED, override=Override("@mia", "mail is down"))
DEAF = (Notify("mail", frozenset({Kind.BLOCKED})), Notify("team"))


def must_announce(of: Plan, require: Require = REQUIRED) -> Plan:
    return replace(of, ask=replace(of.ask, require=require, notify=DEAF))


@given(PLANS, PLANS, WALKS, LUCK, JUMPS)
def test_nothing_is_written_while_a_channel_lacks_the_plan(
    of: Plan, then: Plan, turns: list[Turn], luck: list[str], jump: timedelta
) -> None:
    walk = Post(plan=must_announce(of))
    for i, turn in enumerate(turns):
        if i == 1 and not walk.state.originals:
            walk.plan = must_announce(then)
        heard = all(map(walk.hears_of_the_plan, ("mail", "team")))
        walk.post(turn, luck[i % len(luck) :] or luck)
        assert heard or not walk.state.originals
        if i == len(turns) - 2:
            walk.now += jump


@given(PLANS, st.integers(0, 30), st.sampled_from(("failed", "lost")))
def test_once_all_channels_take_the_plan_the_ramp_starts_however_long_they_did_not(
    of: Plan, hours: int, came: str
) -> None:
    walk = Post(plan=must_announce(of))
    for _ in range(hours + 1):
        walk.post(replace(GOOD, later=timedelta(hours=1)), [came])
        assert not walk.state.originals
    walk.now += LONGEST
    walk.post(GOOD, ["delivered"])
    walk.post(GOOD, ["delivered"])
    assert walk.state.originals


@given(PLANS, st.sampled_from(("failed", "lost", "delivered")))
def test_an_override_starts_whatever_the_channels_do(of: Plan, came: str) -> None:
    walk = Post(plan=must_announce(of, OVERRIDDEN))
    for _ in range(3):
        walk.post(replace(GOOD, later=MINUTE), [came])
    assert walk.state.originals
    assert any("NotAnnounced" in line for line in walk.state.vouched) is (came != "delivered")


@given(PLANS, WALKS, LUCK)
def test_once_the_channels_take_them_all_notices_arrive_and_the_outbox_is_empty(
    of: Plan, turns: list[Turn], luck: list[str]
) -> None:
    walk = Post(plan=of)
    for turn in turns:
        walk.post(turn, luck)
    for _ in range(3):
        walk.now += LONGEST
        walk.post(replace(turns[-1], later=timedelta(0)), ["delivered"])
    walk.tried, waits = (), tuple(waiting(walk.state.outbox))
    assert all(r.tries == 0 and r.due is None for _, r in waits)
    assert all(n.at > walk.now - 2 * LONGEST for n, _ in waits), "one that others overtook"


@given(st.integers(min_value=1, max_value=200))
def test_the_pauses_of_a_day_add_up_to_some_thirty_tries(tries: int) -> None:
    assert 30 * SECOND <= pause(tries) <= pause(tries + 1) <= LONGEST
    assert 24 <= _tries_in(LIFE) <= 40


def _tries_in(span: timedelta) -> int:
    at, tries = timedelta(0), 1
    while (at := at + pause(tries)) < span:
        tries += 1
    return tries
