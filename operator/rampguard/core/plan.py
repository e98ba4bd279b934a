"""What a ramp will do, worked out from what is asked: values, soaks, findings, instants."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.core.ask import Ask, EnvValue, Guardrail, GuardrailType, PromQL
from rampguard.core.model import Finding, Soaking
from rampguard.core.promql import without_cohort

DEFAULT_FINDINGS = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How often the operator looks. scrape: the scrape interval of Prometheus."""

    look: timedelta = timedelta(seconds=30)
    scrape: timedelta = timedelta(seconds=15)
    lag: timedelta = timedelta(minutes=2)  # from an assignment to the start that it leads to
    history: timedelta = timedelta(hours=1)  # the shortest baseline that is compared with
    caused: timedelta = timedelta(minutes=30)  # later harm of all alike may be another's
    recheck: timedelta = timedelta(seconds=30)  # blocked and waiting starts
    proving: timedelta = timedelta(seconds=2)  # pods while a change is being proven


@dataclass(frozen=True, slots=True)
class Family:
    """The series of one selector, counted in a soak from so long after its T0."""

    selector: PromQL
    skip: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One ramp, step by step; values, soaks and findings run in parallel, one entry a step.

    families: everything that is counted, each once.
    """

    ask: Ask
    tempo: Tempo
    values: tuple[int, ...]
    soaks: tuple[timedelta, ...]
    findings: tuple[tuple[timedelta, ...], ...]
    families: tuple[Family, ...] = ()

    def literal(self, step: int) -> EnvValue:
        """Return the value of a step as the variable carries it."""
        return EnvValue(str(self.values[step]))

    @property
    def origin(self) -> EnvValue | None:
        """The literal that must stand before the ramp; None: the variable must be absent."""
        return None if self.ask.from_absent else EnvValue(str(self.ask.origin))

    @property
    def last(self) -> int:
        """Index of the step at the goal."""
        return len(self.values) - 1


def make_plan(ask: Ask, tempo: Tempo) -> Plan:
    """Work out the steps, their soaks and the instants of their findings."""
    values = (*ask.steps, ask.to)
    soaks = (*(ask.step_soak for _ in ask.steps), ask.soak)
    return Plan(
        ask=ask,
        tempo=tempo,
        values=values,
        soaks=soaks,
        findings=tuple(schedule(ask.findings, soak) for soak in soaks),
        families=tuple(
            dict.fromkeys(f for g in ask.guardrails for f in families_of(ask, g, tempo))
        ),
    )


def families_of(ask: Ask, guardrail: Guardrail, tempo: Tempo) -> tuple[Family, ...]:
    """Return what a guardrail counts.

    ExposureBalance: new assignments, then all exposures where they can be told apart.
    RelativeDrop: starts and assignments, both once a start can belong to a new assignment.
    ErrorRate: errors and requests.
    """
    match guardrail.type:
        case GuardrailType.EXPOSURE_BALANCE if ask.metrics:
            new = ask.metrics.assignments
            every = without_cohort(new, ask.experiment)
            return (Family(new),) if every == new else (Family(new), Family(every))
        case GuardrailType.RELATIVE_DROP if ask.metrics and guardrail.metric:
            new = ask.metrics.assignments
            return Family(guardrail.metric, tempo.lag), Family(new, tempo.lag)
        case GuardrailType.ERROR_RATE if guardrail.metric and guardrail.requests:
            return Family(guardrail.metric), Family(guardrail.requests)
        case _:
            return ()


def schedule(asked: tuple[timedelta, ...] | None, soak: timedelta) -> tuple[timedelta, ...]:
    """Return when findings of one soak are due, after its start.

    Asked ones as far as they fit; by default 1 h, 6 h, 24 h as far as they fit, and the end.
    """
    if asked is None:
        return tuple(sorted({*(f for f in DEFAULT_FINDINGS if f <= soak), soak}))
    return tuple(sorted({f for f in asked if f <= soak}))


def soak_end(plan: Plan, stage: Soaking) -> datetime:
    """Return when the soak of the current step may end."""
    return stage.since + plan.soaks[stage.step]


def due_findings(
    plan: Plan, stage: Soaking, recorded: tuple[Finding, ...], until: datetime
) -> tuple[timedelta, ...]:
    """Return the findings of the current soak due by an instant and not yet recorded."""
    share = plan.values[stage.step]
    have = {f.after for f in recorded if f.share == share}
    return tuple(
        after
        for after in plan.findings[stage.step]
        if after not in have and stage.since + after <= until
    )


def next_finding(plan: Plan, stage: Soaking, recorded: tuple[Finding, ...]) -> datetime | None:
    """Return when the next finding of the current soak is due; None: all are recorded."""
    due = due_findings(plan, stage, recorded, soak_end(plan, stage))
    return stage.since + due[0] if due else None


def look_instants(
    plan: Plan, stage: Soaking, recorded: tuple[Finding, ...], now: datetime
) -> tuple[datetime, ...]:
    """Return the settled instants to judge in this pass, oldest first.

    A settled instant lies one scrape interval back, so that asking again gives the same answer.
    Findings and the end of the soak are judged at their own instants, the rest on a grid from T0.
    While not every pod is proven neither is due: but what needs no count is still looked at.
    """
    settled = now - plan.tempo.scrape
    steps = (settled - stage.since) // plan.tempo.look
    sure = min(settled, stage.evidence.unproven_since or settled)
    instants = {stage.since + after for after in due_findings(plan, stage, recorded, sure)}
    end = soak_end(plan, stage)
    if stage.since < end <= sure:
        instants.add(end)
    if steps > 0:
        instants.add(stage.since + steps * plan.tempo.look)
    return tuple(sorted(at for at in instants if at > stage.evidence.counted_to))


def until_next_look(plan: Plan, stage: Soaking, now: datetime) -> timedelta:
    """Return how long until the next look is worth taking."""
    settled = now - plan.tempo.scrape
    done = (settled - stage.since) // plan.tempo.look
    nexts = [stage.since + max(done + 1, 1) * plan.tempo.look]
    end = soak_end(plan, stage)
    if end > settled:
        nexts.append(end)
    pause = min(nexts) - settled
    return max(pause, timedelta(milliseconds=100))
