"""What no sequence of observations can make a ramp do."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rampguard.core.ask import EnvValue, Leave
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Coverage,
    Ended,
    Look,
    Measured,
    Observation,
    Outcome,
    Pending,
    Soaking,
    State,
    Verdict,
    Workload,
    Write,
)
from rampguard.core.plan import Plan
from scenes import MINUTE, OURS, T, covered, judged, plan, stamp, workload

PLAN = plan(steps=(20, 30), step_soak=5 * MINUTE, soak=10 * MINUTE)
NAMES = ("api", "worker")
FINE = Verdict.WITHIN_TOLERANCE


@dataclass(frozen=True)
class Turn:
    """What one pass meets. lands: the writes of the pass before took effect."""

    later: timedelta
    lands: bool
    pods: str  # proven | lagging | unreadable | unknown
    looks: tuple[Verdict, Verdict] | None  # None: no look could be taken
    answered: bool
    unreadable: bool
    signals: tuple[str, ...] | None


TURNS = st.builds(
    Turn,
    later=st.sampled_from((timedelta(seconds=2), MINUTE, 11 * MINUTE)),
    lands=st.booleans() | st.just(value=True),
    pods=st.sampled_from(("proven", "proven", "proven", "lagging", "unreadable", "unknown")),
    looks=st.sampled_from(((FINE, FINE), (FINE, FINE), (FINE, Verdict.INCONCLUSIVE)))
    | st.none()
    | st.tuples(st.sampled_from(Verdict), st.sampled_from(Verdict)),
    answered=st.booleans(),
    unreadable=st.sampled_from((False,) * 7 + (True,)),
    signals=st.sampled_from(((), (), (), None, ("no series",))),
)
WALKS = st.lists(TURNS, min_size=5, max_size=40)
GOOD = Turn(
    later=timedelta(seconds=2),
    lands=True,
    pods="proven",
    looks=None,
    answered=True,
    unreadable=False,
    signals=(),
)


@dataclass
class Walk:
    """A ramp in a world in which its writes land or not."""

    plan: Plan = PLAN
    state: State = State()  # noqa: RUF009 - frozen
    now: datetime = T
    values: tuple[str, ...] = ("10", "10")
    writes: tuple[Write, ...] = ()

    def seen(self, turn: Turn) -> Observation:
        self.now += turn.later
        if turn.lands:
            for write in self.writes:
                index = NAMES.index(write.original.deployment)
                listed = list(self.values)
                listed[index] = str(write.value)
                self.values = tuple(listed)
        self.writes = ()
        return Observation(
            now=self.now,
            workloads=tuple(map(self._workload, NAMES, self.values, (turn, turn))),
            unreadable="no answer" if turn.unreadable else "",
            looks=self._looks(turn),
            look_failed="" if turn.looks else "no answer",
            signals=turn.signals,
            finalizer=True,
        )

    def go(self, turn: Turn) -> tuple[State, Observation, State]:
        before, seen = self.state, self.seen(turn)
        decision = decide(self.plan, before, seen)
        self.state, _ = render(self.plan, seen, decision)
        self.writes = tuple(a for a in decision.actions if isinstance(a, Write))
        return before, seen, self.state

    def _workload(self, name: str, value: str, turn: Turn) -> Workload:
        started = bool(self.state.originals)
        pods = covered() if self._wanted(value) else covered(0, off_value_ready=("p",), others=4)
        pods = {
            "proven": pods,
            "lagging": replace(pods, proven=0, others=1),
            "unreadable": Coverage(desired=4, proven=0, others=0, unreadable="no answer"),
            "unknown": None,
        }[turn.pods]
        mark = stamp(self.state.seq) if started else None
        return workload(name, value, coverage=pods, owners=OURS, stamp=mark)

    def _wanted(self, value: str) -> bool:
        stage = self.state.stage
        if isinstance(stage, Applying | Soaking):
            return value == self.plan.literal(stage.step)
        return value == "10"

    def _looks(self, turn: Turn) -> tuple[Look, ...]:
        stage = self.state.stage
        if turn.looks is None or not isinstance(stage, Soaking):
            return ()
        told = (judged(turn.looks[0]), judged(turn.looks[1], "p95"))
        measured = Measured(unanswered=not turn.answered)
        return (Look(at=self.now, evidence=stage.evidence, judgements=told, measured=measured),)


def step(state: State) -> int:
    return getattr(state.stage, "step", -1)


def is_forward(before: State, after: State) -> bool:
    """Say whether a ramp went on: it started, took a step, began a soak or completed."""
    new, old = after.stage, before.stage
    if isinstance(new, Ended):
        return new.outcome is Outcome.COMPLETED and not isinstance(old, Ended)
    if isinstance(new, Applying | Soaking):
        return type(new) is not type(old) or step(after) > step(before)
    return False


@given(WALKS)
def test_an_unknown_never_advances_a_ramp(turns) -> None:
    walk = Walk()
    for turn in turns:
        before, seen, after = walk.go(turn)
        if not is_forward(before, after):
            continue
        assert not seen.unreadable
        if isinstance(before.stage, Pending):
            assert seen.signals == ()
        if isinstance(before.stage, Applying):
            assert turn.pods == "proven"
        if isinstance(before.stage, Soaking):
            assert turn.pods != "unknown"
            assert seen.looks
            assert turn.looks is not None
            assert not {Verdict.NO_DATA, Verdict.BREACHED} & set(turn.looks)


@given(WALKS)
def test_no_step_is_skipped_or_overshot(turns) -> None:
    walk = Walk()
    for turn in turns:
        before, _, after = walk.go(turn)
        if isinstance(after.stage, Applying | Soaking):
            assert step(after) - step(before) in {0, 1}
            wanted = {walk.plan.literal(step(after))}
        else:
            wanted = {EnvValue("10")}
        assert {write.value for write in walk.writes} <= wanted
        assert len({w.original.target for w in walk.writes}) == len(walk.writes)


@given(WALKS)
def test_no_write_without_its_original_in_memory(turns) -> None:
    walk = Walk()
    for turn in turns:
        walk.go(turn)
        assert {w.original for w in walk.writes} <= set(walk.state.originals)
        assert all(o.value == "10" for o in walk.state.originals)


@given(WALKS)
def test_an_end_is_for_good(turns) -> None:
    walk = Walk()
    for turn in turns:
        before, _, after = walk.go(turn)
        if isinstance(before.stage, Ended):
            assert after.stage == before.stage
            assert walk.writes == ()


@given(WALKS)
def test_a_rollback_ends_with_every_original_back(turns) -> None:
    walk = Walk()
    for turn in turns:
        walk.go(turn)
    if isinstance(walk.state.stage, Ended):
        return
    walk.plan = plan(steps=(20, 30), step_soak=5 * MINUTE, soak=10 * MINUTE, abort=Leave.ROLLBACK)
    for _ in range(5):
        walk.go(GOOD)
    stage = walk.state.stage
    assert isinstance(stage, Ended)
    assert stage.outcome in {Outcome.ROLLED_BACK, Outcome.ABORTED}
    assert walk.values == ("10", "10")
