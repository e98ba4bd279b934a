"""What must hold before the first write, target by target: pure rules, one function each."""

from collections.abc import Callable, Iterator
from typing import assert_never

from rampguard.core.ask import GitopsPolicy, Target
from rampguard.core.model import Because, EntryKind, Observation, Workload
from rampguard.core.outbox import GRAFANA
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from rampguard.core.targets import short

# What says nothing of the pods: their signals are asked all the same, and told beside it.
BESIDE = frozenset(
    {
        Reason.FROM_MISMATCH,
        Reason.VALUE_NOT_DECLARED,
        Reason.DECLARED_IN_GIT,
        Reason.ANOTHER_RAMP_ACTIVE,
        Reason.UNKNOWN_CHANNEL,
    }
)
Rule = Callable[[Plan, Target, Workload], Because | None]


def preflight(plan: Plan, seen: Observation) -> tuple[Because, ...]:
    """Return every reason why the first write must not happen; empty: it may."""
    return (*_unmet(plan, seen, RULES), *_unknown_channels(plan, seen))


def step_preflight(plan: Plan, seen: Observation) -> tuple[Because, ...]:
    """Return every reason why a later step must wait; our own value and stamp are expected."""
    return tuple(_unmet(plan, seen, STEP_RULES))


def at_goal(plan: Plan, seen: Observation) -> bool:
    """Say whether every target already carries the goal."""
    goal = plan.literal(plan.last)
    return bool(seen.workloads) and all(
        w is not None and w.entry.kind is EntryKind.LITERAL and w.entry.value == goal
        for w in seen.workloads
    )


def _unmet(plan: Plan, seen: Observation, rules: tuple[Rule, ...]) -> Iterator[Because]:
    for target, workload in zip(plan.ask.targets, seen.workloads, strict=True):
        if workload is None:
            yield Because(
                Reason.TARGET_NOT_FOUND,
                f"Deployment {plan.ask.ref.namespace}/{target.name} does not exist",
            )
            continue
        known = workload.container is not None  # else nothing is known of its entry
        asked = rules if known else (one for one in rules if one is not _entry)
        yield from (b for rule in asked if (b := rule(plan, target, workload)) is not None)


def _unknown_channels(plan: Plan, seen: Observation) -> Iterator[Because]:
    known = ", ".join(one for one in seen.channels if one != GRAFANA) or "none"
    for one in plan.ask.notify:
        if one.channel not in seen.channels:
            text = (
                f"spec.notify names the channel {one.channel}; the operator's configuration"
                f" has {known}"
            )
            yield Because(Reason.UNKNOWN_CHANNEL, text)


def _deleting(plan: Plan, target: Target, seen: Workload) -> Because | None:
    if not seen.deleting:
        return None
    return Because(Reason.TARGET_DELETING, f"Deployment {target.name} is being deleted")


def _container(plan: Plan, target: Target, seen: Workload) -> Because | None:
    if seen.container is not None:
        return None
    have = ", ".join(seen.containers)
    if target.container is None:
        text = f"Deployment {target.name} has several containers ({have}): name one in targets"
    else:
        text = f"Deployment {target.name} has no container {target.container}; it has {have}"
    return Because(Reason.CONTAINER_NOT_FOUND, text)


def _claimed(plan: Plan, target: Target, seen: Workload) -> Because | None:
    stamp = seen.stamp
    if stamp is None or stamp.uid == plan.ask.uid:
        return None
    if seen.stamp_live:
        text = f"ramp {stamp.name} holds {plan.ask.env} on {target.name}; wait for it or abort it"
    else:
        text = (
            f"{target.name} carries the stamp of ramp {stamp.name}, which no longer exists; "
            f"the value before it was {_show(stamp.original)}: restore it, then remove the stamp"
        )
    return Because(Reason.ANOTHER_RAMP_ACTIVE, text)


def _entry(plan: Plan, target: Target, seen: Workload) -> Because | None:
    env, name = plan.ask.env, target.name
    match seen.entry.kind:
        case EntryKind.VALUE_FROM:
            text = f"{env} on {name} comes from valueFrom; only a literal value can be ramped"
            return Because(Reason.VALUE_FROM_SOURCE, text)
        case EntryKind.DUPLICATE:
            text = f"{env} stands more than once in {name}; leave one entry"
            return Because(Reason.DUPLICATE_ENTRY, text)
        case EntryKind.ABSENT:
            if plan.origin is None:
                return None
            hint = f" (it may come from {', '.join(seen.env_from)})" if seen.env_from else ""
            text = (
                f"{env} is not declared on {name}{hint}; "
                "declare it, or set fromAbsent: true if the app runs without it"
            )
            return Because(Reason.VALUE_NOT_DECLARED, text)
        case EntryKind.LITERAL:
            if seen.entry.value == plan.origin:
                return None
            text = f"{name} runs {env}={_show(seen.entry.value)}, spec.from wants {_from(plan)}"
            return Because(Reason.FROM_MISMATCH, text)
        case other:
            assert_never(other)


def _git(plan: Plan, target: Target, seen: Workload) -> Because | None:
    if not seen.declared_by or plan.ask.gitops is GitopsPolicy.IGNORE:
        return None
    text = (
        f"{plan.ask.env} on {target.name} is declared in Git: {seen.declared_by}; "
        "take the variable out of Git, or set gitops.policy: Ignore"
    )
    return Because(Reason.DECLARED_IN_GIT, text)


def _managed(plan: Plan, target: Target, seen: Workload) -> Because | None:
    if seen.managed:
        return None
    text = f"Deployment {target.name} has no managedFields, so ownership cannot be seen"
    return Because(Reason.MANAGED_FIELDS_MISSING, text)


def _paused(plan: Plan, target: Target, seen: Workload) -> Because | None:
    if not seen.paused:
        return None
    text = f"Deployment {target.name} is paused: kubectl rollout resume deployment/{target.name}"
    return Because(Reason.DEPLOYMENT_PAUSED, text)


def _rolling(plan: Plan, target: Target, seen: Workload) -> Because | None:
    if not seen.rolling_out:
        return None
    text = f"Deployment {target.name} is in the middle of another rollout"
    return Because(Reason.ROLLOUT_IN_PROGRESS, text)


def _pods(plan: Plan, target: Target, seen: Workload) -> Because | None:
    if seen.desired > 0 or target.min_pods == 0:
        return None
    text = (
        f"Deployment {target.name} wants 0 pods and none prove nothing; "
        "scale it up, or set minPods: 0 on the target"
    )
    return Because(Reason.NO_PODS, text)


def _refused(plan: Plan, target: Target, seen: Workload) -> Because | None:
    if not seen.refused:
        return None
    return Because(Reason.WRITE_REFUSED, f"a dry run on {target.name} was refused: {seen.refused}")


def _show(value: str | None) -> str:
    return "nothing" if value is None else f'"{short(value)}"'


def _from(plan: Plan) -> str:
    return "the variable absent" if plan.origin is None else f'"{plan.origin}"'


RULES: tuple[Rule, ...] = (
    _deleting,
    _container,
    _claimed,
    _entry,
    _git,
    _managed,
    _paused,
    _rolling,
    _pods,
    _refused,
)
STEP_RULES: tuple[Rule, ...] = (_deleting, _container, _git, _paused, _rolling, _pods, _refused)
