"""The forms of a report for people: one HTML page without anything from outside, and Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rampguard.cli.facts import Facts
from rampguard.cli.symbols import verdict_words
from rampguard.cli.text import safe
from rampguard.core.ask import GuardrailType

ROWS = 12  # of the table beside a picture
PARTS = {"history": "against the time before", "concurrent": "between the arms", "drop": ""}
TITLES = {
    GuardrailType.EXPOSURE_BALANCE: "share of new assignments that went to treatment",
    GuardrailType.RELATIVE_DROP: "starts per new user, treatment over control",
    GuardrailType.ERROR_RATE: "errors per request, as a ratio",
    GuardrailType.THRESHOLD: "the sample of its query",
}
MARKUP = re.compile(r"[\\`*\[<|~&#$]|(?<![^\W_])_|_(?![^\W_])|^[-+>]|^\d{1,9}(?=[.)](?:\s|$))")
# What would become a link or a mention: an empty comment parts it, and does not show.
LINKING = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=www)\.|@")


@dataclass(frozen=True, slots=True)
class Figure:
    """A curve as the page shows it; svg: from `plots`, and no one else."""

    guardrail: str
    title: str
    described: str
    svg: Markup
    rows: tuple[tuple[str, str, str, str], ...]  # instant, value, interval, limit


def html(facts: Facts, pictures: Sequence[str], why_none: str) -> str:
    """Return the page; pictures[i]: svg of the curve i, () where why_none says why."""
    curves = facts["curves"] if pictures else ()
    figures = [_figure(*pair) for pair in zip(curves, pictures, strict=True)]
    env = _environment(autoescape=True)
    template = env.get_template("report.html.jinja")
    return template.render(facts, figures=figures, why_none=safe(why_none))


def markdown(facts: Facts) -> str:
    """Return the report as Markdown, as GitHub and GitLab understand it."""
    env = _environment(autoescape=False, finalize=_plain)
    env.filters["code"] = code
    return env.get_template("report.md.jinja").render(facts)


def _environment(**more: Any) -> Environment:
    env = Environment(  # noqa: S701 - HTML is escaped by autoescape, Markdown by finalize
        loader=PackageLoader("rampguard.cli.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **more,
    )
    env.filters |= {"when": when, "words": verdict_words}
    return env


def when(instant: str | None) -> str:
    """Return an instant as people read it."""
    return "" if instant is None else f"{instant[:10]} {instant[11:19]} UTC"


def _figure(curve: Facts, svg: str) -> Figure:
    kind = GuardrailType(curve["type"])
    points = [one for one in curve["points"] if one[1] is not None]
    part = PARTS.get(curve["part"], curve["part"])
    title = ", ".join(filter(None, (TITLES[kind], part)))
    rows = tuple(_row(kind, one) for one in _some(points))
    at, value, interval, limit = rows[-1]
    since = f"From {when(points[0][0])} to {at}, {len(points)} looks."
    told = (
        f"At the end {value}{interval and f', interval {interval}'}{limit and f', limit {limit}'}."
    )
    return Figure(curve["guardrail"], title, f"{since} {told}", Markup(svg), rows)  # noqa: S704 - our own picture


def _some(points: Sequence[Any]) -> list[Any]:
    """Return at most ROWS of the points, the first and the last among them."""
    if len(points) <= ROWS:
        return list(points)
    return [points[round(i * (len(points) - 1) / (ROWS - 1))] for i in range(ROWS)]


def _row(kind: GuardrailType, point: Sequence[Any]) -> tuple[str, str, str, str]:
    at, value, low, high, floor, ceiling = point
    shown = {n: _number(kind, n) for n in (value, low, high, floor, ceiling) if n is not None}
    interval = f"{shown.get(low, '0')} .. {shown.get(high, 'any')}" if low is not None else ""
    least, most = (shown.get(n, "") for n in (floor, ceiling))
    limit = f"{least} .. {most}" if least and most else least or most
    return when(at), shown[value], interval, limit


def _number(kind: GuardrailType, told: float) -> str:
    """Return a number in the unit of a kind of guardrail."""
    match kind:
        case GuardrailType.EXPOSURE_BALANCE:
            return f"{told:.1%}"
        case GuardrailType.THRESHOLD:
            return f"{told:.4g}"
        case _:
            return f"x{told:.3g}"


def _plain(value: object) -> object:
    """Return what Markdown shows as these very words; what is Markdown already stays as it is."""
    return value if isinstance(value, Markup) else escaped(str(value))


def escaped(words: str) -> str:
    """Return Markdown that shows a text as it is, in one line: no markup, link or mention."""
    plain = MARKUP.sub(_escape, " ".join(words.split()))
    return LINKING.sub(lambda found: f"{found[0]}<!-- -->", plain)


def _escape(found: re.Match[str]) -> str:
    # Of a number it is what follows it that makes a list.
    return f"{found[0]}<!-- -->" if found[0].isdigit() else f"\\{found[0]}"


def code(words: str | None) -> Markup:
    """Return a Markdown code span that shows a text, also in a cell of a table."""
    plain = " ".join(str(words or "").split())
    fence = "`" * (max(map(len, re.findall("`+", plain)), default=0) + 1)
    room = " " if "`" in plain else ""
    cell = plain.replace("|", "\\|")
    return Markup(f"{fence}{room}{cell}{room}{fence}" if plain else "")  # noqa: S704 - Markdown, not HTML
