"""How each target stands against the value it should carry, and the writes that are missing."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from rampguard.core.ask import EnvValue
from rampguard.core.model import (
    Because,
    Entry,
    EntryKind,
    Observation,
    Original,
    RollingBack,
    State,
    Workload,
    Write,
)
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason

SHOWN = 128  # characters of a value
GITOPS_MANAGERS = frozenset({"argocd-controller", "kustomize-controller", "helm-controller"})


class Standing(Enum):
    """How a target stands."""

    WANTED = auto()  # carries the value
    BEFORE = auto()  # carries a value that this write replaces
    TAKEN = auto()  # somebody else's value
    GONE = auto()  # its Deployment or container is gone, or another has its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One target of a started ramp: the value it should carry, and how it stands now."""

    original: Original
    wanted: EnvValue | None  # None: the variable should be absent
    workload: Workload | None
    standing: Standing


def advance(
    plan: Plan, state: State, seen: Observation, step: int, written: tuple[str, ...]
) -> tuple[Place, ...]:
    """Return every target against the value of a step; before: that of the step before it."""
    return tuple(
        _place(plan, o, seen, _Change(plan.literal(step), {_before(plan, o, step)}), written)
        for o in state.originals
    )


def restoration(
    plan: Plan, state: State, seen: Observation, stage: RollingBack
) -> tuple[Place, ...]:
    """Return every target against its original, last one first; before: a value of ours."""
    ours = stage.ours or tuple(EnvValue(str(value)) for value in plan.values)
    change = tuple((o, _Change(o.value, ours)) for o in reversed(state.originals))
    return tuple(_place(plan, o, seen, one, stage.written) for o, one in change)


def missing_write(plan: Plan, place: Place) -> Write | None:
    """Return the write that a target needs; None: it carries the value, or is not ours."""
    if place.standing is not Standing.BEFORE or place.workload is None:
        return None
    return Write(
        original=place.original,
        value=place.wanted,
        expect=place.workload.entry,
        cause=cause(plan, place.original, place.wanted),
    )


def carried(places: tuple[Place, ...], written: tuple[str, ...]) -> tuple[str, ...]:
    """Return the targets that were ever seen to carry their value, in a stable order."""
    now = {p.original.target for p in places if p.standing is Standing.WANTED}
    return tuple(sorted(now.union(written)))


def cause(plan: Plan, original: Original, value: EnvValue | None) -> str:
    """Return the change-cause of a write: each ramp and value has its own."""
    back = "back to " if value == original.value else "to "
    return f"rampguard {plan.ask.ref} ({plan.ask.uid[:8]}): {plan.ask.env} {back}{show(value)}"


def taken(plan: Plan, places: tuple[Place, ...]) -> Because | None:
    """Say who took a target out of our hands; None: nobody did."""
    lost = next((p for p in places if p.standing in {Standing.TAKEN, Standing.GONE}), None)
    if lost is None:
        return None
    name, env = lost.original.deployment, plan.ask.env
    if lost.workload is None:
        text = f"Deployment {name} was deleted or replaced while the ramp held {env} on it"
        return Because(Reason.TARGET_REPLACED, text)
    manager = holder(lost.workload)
    reason = Reason.GITOPS_REVERTED if manager in GITOPS_MANAGERS else Reason.OVERWRITTEN
    text = f"{manager or 'somebody'} set {env} on {name} to {_entry(lost.workload.entry)}"
    return Because(reason, f"{text}, the ramp had set {show(lost.wanted)}")


def holder(workload: Workload) -> str:
    """Return the field manager that owns the value; empty: unknown."""
    owners = [o.manager for o in workload.owners if o.value]
    return next((m for m in owners if m != "rampguard"), owners[0] if owners else "")


def show(value: EnvValue | None) -> str:
    """Return a value for people."""
    return "absent" if value is None else short(value) or '""'


def short(value: str) -> str:
    """Return a value cut to what people read: somebody else's may be of any length."""
    return value if len(value) <= SHOWN else f"{value[: SHOWN - 1]}…"


def show_entry(entry: Entry) -> str:
    """Return what a variable carries, for people."""
    literal = entry.kind in {EntryKind.LITERAL, EntryKind.ABSENT}
    return show(entry.value) if literal else str(entry.kind)


def find(original: Original, seen: Observation) -> Workload | None:
    """Return the very Deployment that an original was read from; None: it is gone."""
    return next(
        (
            w
            for w in seen.workloads
            if w is not None
            and (w.deployment, w.container, w.uid)
            == (original.deployment, original.container, original.uid)
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class _Change:
    """The value that should stand, and those that it may replace."""

    wanted: EnvValue | None
    before: Collection[EnvValue | None]


def _place(
    plan: Plan, original: Original, seen: Observation, change: _Change, written: tuple[str, ...]
) -> Place:
    workload = find(original, seen)
    if workload is None:
        standing = Standing.GONE
    elif carries(workload.entry, change.wanted):
        standing = Standing.WANTED
    elif original.target in written or workload.cause == cause(plan, original, change.wanted):
        # Our write was there, remembered or by the cause that it left: this value came after it.
        standing = Standing.TAKEN
    elif any(carries(workload.entry, value) for value in change.before):
        standing = Standing.BEFORE
    else:
        standing = Standing.TAKEN
    return Place(original=original, wanted=change.wanted, workload=workload, standing=standing)


def carries(entry: Entry, value: EnvValue | None) -> bool:
    """Say whether a variable stands at a value; None: whether it is absent."""
    if value is None:
        return entry.kind is EntryKind.ABSENT
    return entry.kind is EntryKind.LITERAL and entry.value == value


def _before(plan: Plan, original: Original, step: int) -> EnvValue | None:
    return plan.literal(step - 1) if step else original.value


def _entry(entry: Entry) -> str:
    match entry.kind:
        case EntryKind.LITERAL | EntryKind.ABSENT:
            return show(entry.value)
        case EntryKind.VALUE_FROM:
            return "valueFrom"
        case EntryKind.DUPLICATE:
            return "several entries"
        case other:
            assert_never(other)
