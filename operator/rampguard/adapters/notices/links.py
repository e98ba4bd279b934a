"""Links of a notice: addresses with fields in braces, filled in and quoted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from rampguard.core.ask import Ref
from rampguard.core.outbox import Notice

OF_A_GUARDRAIL = frozenset({"query", "guardrail"})
FIELDS = OF_A_GUARDRAIL | {
    *("namespace", "name", "experiment", "env", "kind"),
    *("start", "end", "start_ms", "end_ms", "range"),
}
FIELD = re.compile(r"\{(\w+)\}")
BEFORE = timedelta(hours=1)  # shown where no soak began


@dataclass(frozen=True, slots=True)
class Link:
    """An address and what people call it."""

    name: str
    url: str


def links(templates: Mapping[str, str], ramp: Ref, notice: Notice) -> tuple[Link, ...]:
    """Return all links of a notice; one for each query where a template names it."""
    return tuple(link for name, one in templates.items() for link in _of(name, one, ramp, notice))


def _of(name: str, template: str, ramp: Ref, notice: Notice) -> Iterator[Link]:
    facts = _facts(ramp, notice)
    if not OF_A_GUARDRAIL.intersection(FIELD.findall(template)):
        yield Link(name, _filled(template, facts))
        return
    for guardrail, query in notice.queries:
        told = {"guardrail": guardrail, "query": query}
        yield Link(f"{name} ({guardrail})", _filled(template, facts | told))


def _facts(ramp: Ref, notice: Notice) -> dict[str, str]:
    start = notice.since if notice.since and notice.since < notice.at else notice.at - BEFORE
    seconds = max(round((notice.at - start).total_seconds()), 60)
    return {
        "namespace": ramp.namespace,
        "name": ramp.name,
        "experiment": notice.experiment,
        "env": notice.env,
        "kind": str(notice.kind),
        "start": _utc(start),
        "end": _utc(notice.at),
        "start_ms": str(round(start.timestamp() * 1000)),
        "end_ms": str(round(notice.at.timestamp() * 1000)),
        "range": f"{seconds}s",
    }


def _filled(template: str, facts: Mapping[str, str]) -> str:
    return FIELD.sub(lambda found: quote(facts[found[1]], safe=""), template)


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
