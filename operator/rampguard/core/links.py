"""Links: addresses of the operator's configuration, with fields in braces that are filled in here.

One place for all who show them: notices, the status and, from there, the report.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from rampguard.core.ask import Ref

OF_A_GUARDRAIL = frozenset({"query", "guardrail"})
FIELDS = OF_A_GUARDRAIL | {
    *("namespace", "name", "experiment", "env", "kind"),
    *("start", "end", "start_ms", "end_ms", "range"),
}
FIELD = re.compile(r"\{(\w+)\}")
WEB = re.compile(r"(?i)https?://[^\s/?#@\\]+([/?#]\S*)?")
MOST, LONGEST, ROOM = 16, 4096, 16_384  # links, characters of one, of all together
SHORTEST = timedelta(minutes=1)  # that a graph shows
PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
LETTERS = tuple(chr(one) if one in PLAIN else f"%{one:02X}" for one in range(256))
Templates = tuple[tuple[str, str], ...]  # name, address


@dataclass(frozen=True, slots=True)
class Link:
    """An address and what people call it."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Span:
    """A time that is looked at."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Graph:
    """What a guardrail asked, over a time."""

    guardrail: str
    query: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What links are about. kind: of a notice, else Ramp or Rollback."""

    ramp: Ref
    experiment: str
    env: str
    kind: str
    span: Span
    graphs: tuple[Graph, ...] = ()


def links(templates: Templates, about: Subject) -> tuple[Link, ...]:
    """Return the links that there is room for: pages, then a graph for each query, in order."""
    return tuple(link for _, link in _kept(templates, about))


def left_out(templates: Templates, about: Subject) -> tuple[str, ...]:
    """Return the names of templates of which a link is too long, or one too many."""
    kept = tuple(_kept(templates, about))
    return tuple(dict.fromkeys(one[0] for one in _all(templates, about) if one not in kept))


def is_web(url: str) -> bool:
    """Say whether an address is safe to follow: http or https, a host, and no user in it."""
    return url.isprintable() and WEB.fullmatch(url) is not None


def _kept(templates: Templates, about: Subject) -> Iterator[tuple[str, Link]]:
    left, room = MOST, ROOM
    for name, link in _all(templates, about):
        size = len(link.url)
        if left and size <= min(LONGEST, room) and is_web(link.url):
            left, room = left - 1, room - size
            yield name, link


def _all(templates: Templates, about: Subject) -> Iterator[tuple[str, Link]]:
    """Yield every link with the name of its template."""
    graphs = tuple(one for one in templates if OF_A_GUARDRAIL.intersection(FIELD.findall(one[1])))
    facts = _facts(about) | _times(about.span)
    for name, template in templates:
        if (name, template) not in graphs:
            yield name, Link(name, _filled(template, facts))
    for name, template in graphs:
        for one in about.graphs:
            told = {"guardrail": one.guardrail, "query": one.query, **_times(one.span)}
            yield name, Link(f"{name} ({one.guardrail})", _filled(template, facts | told))


def _facts(about: Subject) -> dict[str, str]:
    return {
        "namespace": about.ramp.namespace,
        "name": about.ramp.name,
        "experiment": about.experiment,
        "env": about.env,
        "kind": about.kind,
    }


def _times(span: Span) -> dict[str, str]:
    seconds = round(max(span.until - span.since, SHORTEST).total_seconds())
    return {
        "start": _utc(span.since),
        "end": _utc(span.until),
        "start_ms": _milliseconds(span.since),
        "end_ms": _milliseconds(span.until),
        "range": f"{seconds}s",
    }


def _filled(template: str, facts: Mapping[str, str]) -> str:
    return FIELD.sub(lambda found: quoted(facts.get(found[1], "")), template)


def quoted(words: str) -> str:
    """Return words as any part of a URL takes them (RFC 3986, 2.1)."""
    return "".join(map(LETTERS.__getitem__, words.encode(errors="replace")))


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _milliseconds(at: datetime) -> str:
    return str(round(at.timestamp() * 1000))
