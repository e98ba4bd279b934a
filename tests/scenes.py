"""Short words for the tables of the state machine: what is asked, remembered and seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rampguard.core.applying import rules
from rampguard.core.ask import (
    Arms,
    Ask,
    EnvName,
    EnvValue,
    Guardrail,
    GuardrailType,
    Metrics,
    PromQL,
    Ref,
    Target,
)
from rampguard.core.decide import decide
from rampguard.core.model import (
    Applying,
    Because,
    Coverage,
    Decision,
    Ended,
    Entry,
    EntryKind,
    Evidence,
    Gate,
    Judgement,
    Lag,
    Look,
    Measured,
    Note,
    Observation,
    Original,
    Outcome,
    Owner,
    Progress,
    RollingBack,
    Soaking,
    Stamp,
    State,
    Verdict,
    Workload,
)
from rampguard.core.plan import Plan, Tempo, make_plan
from rampguard.core.reasons import Reason

T = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TEMPO = Tempo()
SHARE = Guardrail(name="share", type=GuardrailType.EXPOSURE_BALANCE, tolerance=5.0)
SPEED = Guardrail(name="p95", type=GuardrailType.THRESHOLD, query=PromQL("p95"), maximum=0.8)
ASK = Ask(
    ref=Ref("app", "tree-50"),
    uid="uid-of-the-ramp",
    generation=1,
    created_at=T - MINUTE,
    experiment="tree",
    env=EnvName("ROLLOUT"),
    targets=(Target("api"), Target("worker")),
    origin=10,
    to=50,
    arms=Arms("tree", "list"),
    metrics=Metrics(assignments=PromQL("assignments_total")),
    guardrails=(SHARE, SPEED),
)


def plan(**asked: object) -> Plan:
    """Plan the ramp 10 -> 50 of api and worker, with other wishes."""
    return make_plan(replace(ASK, **asked), TEMPO)


def literal(value: int | str) -> Entry:
    return Entry(EntryKind.LITERAL, EnvValue(str(value)))


def read(text: str) -> str:
    """Return an equal text that is another object, as when it was read from the API server."""
    return "".join(text)


ABSENT = Entry(EntryKind.ABSENT)
OURS = (Owner(read("rampguard"), "Apply", value=True),)


def covered(proven: int = 4, desired: int = 4, **facts: object) -> Coverage:
    return replace(Coverage(desired=desired, proven=proven, others=0), **facts)


def workload(name: str = "api", value: int | str | Entry = 50, **facts: object) -> Workload:
    entry = value if isinstance(value, Entry) else literal(value)
    return replace(
        Workload(
            deployment=name,
            uid=f"uid-{name}",
            version="7",
            containers=(name,),
            container=name,
            entry=entry,
            owners=OURS,
            coverage=covered(),
            template="t1",
        ),
        **facts,
    )


def pair(value: int | str | Entry = 50, **facts: object) -> tuple[Workload, Workload]:
    """Return both targets at one value."""
    return workload("api", value, **facts), workload("worker", value, **facts)


def stamp(seq: int = 1, uid: str = ASK.uid, **facts: object) -> Stamp:
    told = Stamp(
        uid=read(uid),
        name=read("tree-50"),
        original=EnvValue("10"),
        origin=10,
        to=50,
        process="p",
        seq=seq,
    )
    return replace(told, **facts)


ORIGINALS = tuple(
    Original(deployment=n, uid=f"uid-{n}", container=n, value=EnvValue("10"))
    for n in ("api", "worker")
)
STARTED = State(started_at=T, originals=ORIGINALS, seq=1)


def applying(step: int = 0, **facts: object) -> Applying:
    """Return a write that every target is seen to carry."""
    told = Applying(
        since=T,
        step=step,
        progress=Progress(began=T, grew=T),
        written=tuple(o.target for o in ORIGINALS),
    )
    return replace(told, **facts)


def soaking(step: int = 0, **facts: object) -> Soaking:
    told = Soaking(
        since=T,
        step=step,
        evidence=Evidence(t0=T, counted_to=T),
        templates=("t1", "t1"),
        rules=rules(plan()),
    )
    return replace(told, **facts)


def restoring(reason: Reason = Reason.GUARDRAIL_BREACHED, **facts: object) -> RollingBack:
    told = RollingBack(
        since=T,
        because=Because(reason, "why"),
        from_step=0,
        progress=Progress(began=T, grew=T),
    )
    return replace(told, **facts)


def over(outcome: Outcome = Outcome.COMPLETED, reason: Reason = Reason.COMPLETED) -> Ended:
    return Ended(since=T, outcome=outcome, because=Because(reason, "why"), share=50)


def state(stage: object, **facts: object) -> State:
    """Return what is remembered of a started ramp in a stage."""
    return replace(STARTED, stage=stage, **facts)


def judged(
    verdict: Verdict = Verdict.WITHIN_TOLERANCE, name: str = "share", **facts: object
) -> Judgement:
    told = Judgement(
        name=name,
        type=GuardrailType.EXPOSURE_BALANCE,
        verdict=verdict,
        value="49%",
        limit="45% .. 55%",
        why="why",
    )
    return replace(told, **facts)


def look(
    after: timedelta,
    share: Verdict = Verdict.WITHIN_TOLERANCE,
    speed: Verdict = Verdict.WITHIN_TOLERANCE,
    **facts: object,
) -> Look:
    """Return a look some time after T."""
    told = Look(
        at=T + after,
        evidence=Evidence(t0=T, counted_to=T),
        judgements=(judged(share), judged(speed, "p95")),
    )
    return replace(told, **facts)


def unanswered(one: Look) -> Look:
    """Return a look of which a question failed."""
    return replace(one, measured=Measured(unanswered=True))


def seen(*workloads: Workload | None, after: timedelta = MINUTE, **facts: object) -> Observation:
    """Return what is seen some time after T; without workloads both run 50 and are proven."""
    told = Observation(now=T + after, workloads=workloads or pair())
    return replace(told, **facts)


def before(**facts: object) -> Observation:
    """Return what a ramp that may start sees."""
    both = pair(10, owners=(Owner("kubectl", "Update", value=True),), coverage=None)
    return replace(seen(*both, signals=()), **facts)


def lagging(proven: int = 3, why: str = "Pending: Unschedulable") -> Coverage:
    return covered(proven, 4, others=1, lagging=(Lag("api-x", why),))


def gate(name: str, generation: int = 1, *, about: tuple[str, ...] = ()) -> Gate:
    return Gate(name=name, since=T, why="why", generation=generation, about=about)


def watch(
    *looks: Look, of: Plan | None = None, was: State | None = None, **facts: object
) -> Decision:
    """Make one pass over a soak, right after the last look."""
    after = facts.pop("after", looks[-1].at - T if looks else MINUTE)
    both = facts.pop("both", pair())
    saw = seen(*both, looks=looks, after=after, **facts)
    return decide(of or plan(), was or state(soaking()), saw)


def stage_of(decision: Decision) -> Soaking:
    stage = decision.state.stage
    assert isinstance(stage, Soaking)
    return stage


def told(decision: Decision, reason: Reason) -> tuple[Note, ...]:
    return tuple(one for one in decision.notes if one.reason is reason)


def judging(after: timedelta, *judgements: Judgement) -> Look:
    return replace(look(after), judgements=judgements)
