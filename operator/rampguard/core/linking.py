"""What the links of a ramp, of its rollback and of a notice are about."""

from datetime import datetime, timedelta

from rampguard.core.ask import Ref
from rampguard.core.links import Graph, Span, Subject
from rampguard.core.model import Applying, Judgement, Soaking, State, Verdict
from rampguard.core.outbox import Notice
from rampguard.core.plan import Plan, soak_end

BEFORE = timedelta(hours=1)  # shown where no soak began
LEAD = timedelta(minutes=10)  # shown of the time before harm began


def of_ramp(plan: Plan, state: State) -> Subject:
    """Return the ramp over its soak, the whole of it while it runs; before one, the hour before."""
    stage = state.stage
    if isinstance(stage, Soaking):
        span = Span(stage.since, soak_end(plan, stage))
    elif state.soaked:
        span = Span(state.soaked.since, state.soaked.until)
    else:
        at = stage.since or plan.ask.created_at  # never now: each pass would write another status
        span = Span(at - BEFORE, at)
    graphs = tuple(Graph(one.name, one.query, span) for one in broken_first(state) if one.query)
    return _subject(plan, "Ramp", span, graphs)


def of_rollback(plan: Plan, state: State, now: datetime) -> Subject:
    """Return a rollback that begins; what broke is shown over the time of its harm."""
    since = state.stage.since if isinstance(state.stage, Soaking) else None
    span = Span(since or now - BEFORE, now)
    graphs = tuple(
        Graph(one.name, one.query, _harm(one, span)) for one in broken_first(state) if one.query
    )
    return _subject(plan, "Rollback", span, graphs)


def of_notice(ramp: Ref, notice: Notice) -> Subject:
    """Return a notice, from the start of the soak that it is about."""
    since = notice.since if notice.since and notice.since < notice.at else notice.at - BEFORE
    span = Span(since, notice.at)
    return Subject(
        ramp=ramp,
        experiment=notice.experiment,
        env=notice.env,
        kind=notice.kind,
        span=span,
        graphs=tuple(Graph(name, query, span) for name, query in notice.queries),
    )


def broken_first(state: State) -> tuple[Judgement, ...]:
    """Return the latest judgements of a stage, what broke before the rest."""
    stage = state.stage
    judged: tuple[Judgement, ...] = (
        stage.killed if isinstance(stage, Applying) else getattr(stage, "judged", ())
    )
    return tuple(sorted(judged, key=lambda one: one.verdict is not Verdict.BREACHED))


def _harm(one: Judgement, span: Span) -> Span:
    if one.verdict is not Verdict.BREACHED or one.onset is None:
        return span
    return Span(one.onset - LEAD, span.until)


def _subject(plan: Plan, kind: str, span: Span, graphs: tuple[Graph, ...]) -> Subject:
    ask = plan.ask
    return Subject(
        ramp=ask.ref,
        experiment=ask.experiment,
        env=ask.env,
        kind=kind,
        span=span,
        graphs=graphs,
    )
