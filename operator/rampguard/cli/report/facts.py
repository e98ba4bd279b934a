"""What a report tells: facts of rampguard.dev/cli/v1, from which each form is made. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from rampguard.api.apply import MANAGER
from rampguard.api.raw import Json, items, part
from rampguard.cli import explain
from rampguard.cli.facts import Facts, at_text, of_explanation, of_link
from rampguard.cli.record import Record, read
from rampguard.cli.report.course import Course, Curve, Hole, Point, Watch
from rampguard.cli.symbols import ASCII, phase_mark, verdict_words
from rampguard.cli.text import Tone, lasting, safe
from rampguard.core.links import Link

ALL = "all exposures: "  # how a judgement begins to tell of cookies
STAYS = "Users keep the arm that they were assigned until their cookie ends"

NOBODY = "Nothing was changed: nobody has a new arm."


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that a report is made of. course: or a text that says why there is none.

    prometheus: the address of one that answers the queries; "": not given. at: when it is written.
    """

    ramp: Json
    course: Course | str
    at: datetime
    links: tuple[Link, ...] = ()  # given beside those of the status
    prometheus: str = ""


def facts(known: Known) -> Facts:
    """Return the facts of a report."""
    record, spec = read(known.ramp), part(known.ramp, "spec")
    told = of_explanation(record, known.at)
    course = known.course if isinstance(known.course, Course) else None
    return {
        **told,
        "kind": "RampReport",
        "writtenAt": at_text(known.at),
        "verdict": _verdict(record),
        "change": _change(record, spec, course),
        "conditions": [one for one in told["conditions"] if one["type"] not in _SAID],
        "guardrails": [_guardrail(one, spec, known, record) for one in told["guardrails"]],
        "timeline": _timeline(told["timeline"], course),
        "users": _users(record, spec, course),
        "undo": _undo(record),
        "links": [*told["links"], *(of_link(_safe(one)) for one in known.links)],
        "record": _recorded(known.course),
        "soaks": [_watch(one) for one in course.watches] if course else [],
        "curves": [_curve(one) for one in course.curves] if course else [],
        "gaps": [_hole(one) for one in course.holes] if course else [],
    }


def _safe(one: Link) -> Link:
    return Link(safe(one.name), safe(one.url))


_SAID = frozenset({"Ready", "Reconciling", "Stalled"})  # by the verdict


def _verdict(record: Record) -> Facts:
    words = " ".join(re.findall("[A-Z]+[a-z]*", record.phase)) or record.phase
    unwatched = record.phase == "Completed" and record.watched is False
    tone = phase_mark(ASCII, record.phase).tone
    if unwatched or record.reason == "CompletedInconclusive":
        tone = Tone.PLAIN
    text = explain.why(record)
    return {
        "word": words.capitalize(),
        "tone": str(tone) or "plain",
        "reason": explain.reason(record),
        "text": f"{text}; nothing was watched: this is no evidence" if unwatched else text,
        "blind": record.blind or None,
    }


def _change(record: Record, spec: Json, course: Course | None) -> Facts:
    steps = [one for one in spec.get("steps") or () if isinstance(one, int)]
    before = course.final.decision.state.originals if course else ()
    return {
        "experiment": safe(spec.get("experiment")),
        "env": record.env,
        "shares": [record.origin, *steps, record.to],
        "soak": safe(spec.get("soak")) or None,
        "stepSoak": (steps and safe(spec.get("stepSoak"))) or None,
        "arms": {key: safe(name) for key, name in part(spec, "arms").items()},
        "owner": safe(spec.get("owner")) or None,
        "requestedBy": record.requested_by or None,
        "abort": record.abort or None,
        "abortReason": record.abort_reason or None,
        "writtenBy": MANAGER,
        "writtenBefore": sorted({safe(one.manager) for one in before if one.manager}),
        "startedAt": at_text(record.started_at),
        "phaseSince": at_text(record.since),
        "targets": [
            {
                "deployment": one.deployment,
                "container": one.container or None,
                "before": one.original or None,
                "now": one.observed or None,
                "pods": one.pods or None,
            }
            for one in record.targets
        ],
    }


def _guardrail(one: Facts, spec: Json, known: Known, record: Record) -> Facts:
    return {
        **one,
        "verdictWords": verdict_words(one["verdict"]) or record.unjudged,
        "graph": _graph(known, one["query"], record),
        "selectors": list(_selectors(one, spec)),
    }


def _selectors(one: Facts, spec: Json) -> Iterator[Facts]:
    """Yield what a guardrail counts, as the manifest names it."""
    for rule in items(spec.get("guardrails")):
        if safe(rule.get("name")) != one["name"]:
            continue
        event = rule.get("event")
        typed = rule.get("type") in {"ExposureBalance", "RelativeDrop"} and not event
        asked = {
            **{what: safe(rule.get(what)) for what in ("metric", "event", "requests", "query")},
            "assignments": safe(part(spec, "metrics").get("assignments")) if typed else "",
        }
        for what, selector in asked.items():
            if selector and selector != one["query"]:
                yield {"what": what, "selector": selector}


def _graph(known: Known, query: str, record: Record) -> str | None:
    """Return where a Prometheus draws a query over the time of the ramp."""
    if not (known.prometheus and query):
        return None
    until = (record.since if record.ended else None) or known.at
    since = record.started_at or until
    asked = {
        "g0.expr": query,
        "g0.tab": "0",
        "g0.range_input": f"{max(3600, round((until - since).total_seconds()))}s",
        "g0.end_input": f"{until:%Y-%m-%d %H:%M:%S}",
    }
    return f"{known.prometheus.rstrip('/')}/graph?{urlencode(asked)}"


def _timeline(known: list[Facts], course: Course | None) -> list[Facts]:
    """Return the lines of the status, which keeps the latest, after those of the record."""
    told = course.timeline if course else ()
    lines = [{"at": at_text(one.at), "text": safe(one.text)} for one in told]
    first = min((one["at"] for one in known), default=None)
    earlier = [one for one in lines if first is None or str(one["at"]) <= first]
    return [*(one for one in earlier if one not in known), *known]


def _users(record: Record, spec: Json, course: Course | None) -> Facts:
    """Return who keeps an arm: those assigned while it was watched, and by cookie before."""
    counted = [one.counted for one in course.watches if one.counted] if course else []
    new = {
        "control": round(sum(one.control for one in counted)),
        "treatment": round(sum(one.treatment for one in counted)),
    }
    cookies = (
        detail[detail.index(ALL) + len(ALL) :]
        for one in record.guardrails
        for detail in one.details
        if ALL in detail
    )
    names = part(spec, "arms")
    started = record.started_at is not None
    treated = safe(names.get("treatment")) or "treatment"
    told = f": {new['treatment']} new assignments to {treated} were counted" if counted else ""
    back = "; a rollback does not change that" if record.rollback else ""
    return {
        "text": f"{STAYS}{told}{back}."
        if started
        else "Nothing was changed: nobody has a new arm.",
        "assigned": new if counted else None,
        "allExposures": next(cookies, None),
    }


def _undo(record: Record) -> Facts:
    """Return how a person goes back without the operator; commands in order, () where none."""
    ended = [explain.to_original(record, one) for one in reversed(record.targets)]
    back = record.rollback is not None and record.rollback.proven_at is not None
    if record.started_at is None:
        return _way("Nothing was changed: there is nothing to undo.")
    if back and record.phase == "Contested":
        return _way("What the ramp still held is back; what somebody else set stays as it is.")
    if back:
        return _way("The originals are back on every pod: there is nothing to undo.")
    if record.ended:
        return _way(
            "The ramp is over and holds nothing. To go back, set the originals:",
            [one for one in ended if one],
        )
    return _way(
        f"With the operator: kubectl ramp abort {record.name} -n {record.namespace}."
        " Should it be gone, these undo the ramp by hand:",
        list(explain.by_hand(record)),
    )


def _way(text: str, commands: list[str] | None = None) -> Facts:
    return {"text": text, "commands": commands or []}


def _recorded(course: Course | str) -> Facts:
    if isinstance(course, str):
        return {"why": safe(course)}
    return {
        "why": None,
        "from": at_text(course.first),
        "to": at_text(course.last),
        "records": course.records,
        "looks": course.looks,
        "versions": [safe(one) for one in course.versions],
    }


def _watch(one: Watch) -> Facts:
    return {
        "since": at_text(one.since),
        "until": at_text(one.until),
        "lasted": lasting(one.until - one.since),
        "share": one.share,
    }


def _hole(one: Hole) -> Facts:
    return {
        "since": at_text(one.since),
        "until": at_text(one.until),
        "lasted": lasting(one.until - one.since) if one.since < one.until else None,
        "why": safe(one.why),
        "guardrails": [safe(name) for name in one.guardrails],
    }


def _curve(one: Curve) -> Facts:
    """Return a curve; points are [at, value, low, high, floor, ceiling], null where unbounded."""
    return {
        "guardrail": safe(one.guardrail),
        "part": safe(one.part),
        "type": str(one.type),
        "points": [_point(point) for point in one.points],
    }


def _point(one: Point) -> list[str | float | None]:
    numbers = (one.value, one.low, one.high, one.floor, one.ceiling)
    finite = (None if n is None or abs(n) == float("inf") else n for n in numbers)
    return [at_text(one.at), *finite]
