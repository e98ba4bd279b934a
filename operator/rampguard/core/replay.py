"""One pass, kept with all that went into it, and worked out once more from that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace

from rampguard.core.ask import Ask
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.judging import judge
from rampguard.core.model import Decision, Look, Observation, Soaking, State
from rampguard.core.plan import Plan, Tempo, make_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one pass was given, and what came of it; the decision holds the state as remembered."""

    ask: Ask
    tempo: Tempo
    before: State
    seen: Observation
    decision: Decision


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that comes out otherwise than it was recorded; None: it is not there."""

    path: str
    recorded: object
    recomputed: object


def replayed(record: Record) -> Record:
    """Return what this version makes of the same facts: its judgements, and its decision on them.

    What was measured, observed and asked of Prometheus is taken over, for it cannot be worked out.
    A look that was not taken in a soak has nothing to be judged by, and stays as it is.
    """
    plan = make_plan(record.ask, record.tempo)
    looks = tuple(_judged(plan, record.before, look) for look in record.seen.looks)
    seen = replace(record.seen, looks=looks)
    decision = decide(plan, record.before, seen)
    remembered, _ = render(plan, seen, decision)
    return replace(record, seen=seen, decision=replace(decision, state=remembered))


def _judged(plan: Plan, state: State, look: Look) -> Look:
    if not isinstance(state.stage, Soaking):
        return look
    judgements = judge(plan, state.stage, state.baselines, look.at, look.measured)
    asked = {one.name: one.query for one in look.judgements}
    return replace(
        look,
        judgements=tuple(replace(one, query=asked.get(one.name, one.query)) for one in judgements),
    )


def differences(recorded: object, recomputed: object, path: str = "") -> Iterator[Difference]:
    """Yield every field in which two values differ, each by its path; NaN is as good as NaN."""
    if _same(recorded, recomputed):
        return
    if type(recorded) is type(recomputed):
        ours, theirs = _parts(recorded), _parts(recomputed)
        if ours is not None and theirs is not None:
            for key in {**ours, **theirs}:
                yield from differences(ours.get(key), theirs.get(key), f"{path}{key}")
            return
    yield Difference(path.lstrip("."), recorded, recomputed)


def _same(one: object, other: object) -> bool:
    return one == other or (one != one and other != other)  # noqa: PLR0124 - only NaN is not itself


def _parts(value: object) -> dict[str, object] | None:
    """Return what a value is made of, by how it is reached; None: it is one thing."""
    if is_dataclass(value):
        return {f".{one.name}": getattr(value, one.name) for one in fields(value)}
    if isinstance(value, Mapping):
        return {f"[{key}]": part for key, part in value.items()}
    if isinstance(value, tuple):
        return {f"[{_index(i, part)}]": part for i, part in enumerate(value)}
    return None


def _index(i: int, part: object) -> str:
    """Name an item as people do where it has a name; the number keeps two of one name apart."""
    name = getattr(part, "name", None)
    return f"{i} {name}" if isinstance(name, str) and name else str(i)
