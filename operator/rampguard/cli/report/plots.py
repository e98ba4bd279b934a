"""Pictures of a ramp's curves as SVG that takes its colours from the page. Needs matplotlib.

No word of anybody else's is in a picture: the page carries the names.
"""

import io
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rampguard.cli.report.course import Curve, Hole, Mark, Point
from rampguard.core.ask import GuardrailType

SIZE = (6.0, 3.2)  # inches of 72 points: readable at the width of a phone
# Colours that stand for those of the page, which knows dark, light and paper.
INK, FAINT, LINE, LIMIT, HOLE = "#010203", "#010204", "#010205", "#010206", "#010207"
OF_THE_PAGE = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    LINE: "var(--line)",
    LIMIT: "var(--limit)",
    HOLE: "var(--hole)",
}
STYLE = {
    "svg.fonttype": "none",  # letters stay letters: they can be found and read aloud
    "svg.hashsalt": "rampguard",
    "font.family": ["sans-serif"],
    "font.size": 12,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.color": HOLE,
    "hatch.linewidth": 1.2,
}
ROOM = 0.7  # of the height between the limits is shown beyond each
FAR = 4  # times that height: what is farther away is cut off
CLOSE = 0.16  # of the width of a picture: what is as near stands in another line
LINES = 3
FOREIGN = r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>"  # a style is the whole page's
NARROWEST = 0.006  # of the width of a picture: a shorter hole is drawn so wide, to be seen


def picture(curve: Curve, holes: Sequence[Hole], marks: Sequence[Mark], name: str) -> str:
    """Return an svg element; name: begins all its ids, so that a page can hold many."""
    with rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        figure.patch.set_alpha(0)
        _draw(figure.subplots(), curve, holes, marks)
        out = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(out, metadata=nothing)
    return _inline(out.getvalue(), name)


def _draw(axis: Any, curve: Curve, holes: Sequence[Hole], marks: Sequence[Mark]) -> None:
    points = curve.points
    first, last = points[0].at, max(points[-1].at, points[0].at + timedelta(minutes=1))
    bottom, top = _reach(curve)
    axis.patch.set_alpha(0)
    axis.set_xlim(first, last)
    axis.set_ylim(bottom, top)
    for hole in holes:
        if hole.hides(curve.guardrail):
            _shade(axis, hole, first, last)
    times = [one.at for one in points]
    low, high = (_column(points, end, bottom, top) for end in ("low", "high"))
    axis.fill_between(times, low, high, color=LINE, alpha=0.18, lw=0)
    axis.plot(times, _column(points, "value", -math.inf, math.inf), color=LINE, lw=1.8)
    for end in ("floor", "ceiling"):
        limits = _column(points, end, -math.inf, math.inf)
        axis.plot(times, limits, color=LIMIT, lw=1.4, ls=(0, (5, 3)))
    if len(seen := [one for one in points if one.value is not None]) == 1:
        _alone(axis, seen[0], bottom, top)
    if broken := [one for one in points if one.breached and one.value is not None]:
        axis.plot([broken[0].at], [broken[0].value], "X", color=LIMIT, ms=9, clip_on=False)
    _marks(axis, marks, first, last)
    _axes(axis, curve.type)


def _alone(axis: Any, one: Point, bottom: float, top: float) -> None:
    """Draw the only point that was measured: a line needs two."""
    low, high = (_column([one], end, bottom, top) for end in ("low", "high"))
    axis.vlines([one.at], low, high, color=LINE, lw=1.8, clip_on=False)
    axis.plot([one.at], [one.value], "o", color=LINE, ms=6, clip_on=False)
    for limit in (one.floor, one.ceiling):
        if limit is not None:
            axis.axhline(limit, color=LIMIT, lw=1.4, ls=(0, (5, 3)))


def _shade(axis: Any, hole: Hole, first: datetime, last: datetime) -> None:
    since, until = max(hole.since, first), min(hole.until, last)
    if since >= until:
        return
    until = max(until, since + (last - first) * NARROWEST)
    axis.axvspan(since, until, facecolor="none", edgecolor=HOLE, hatch="////", lw=0)


def _column(points: Sequence[Point], name: str, bottom: float, top: float) -> list[float]:
    """Return one number of each point, cut to a range; NaN, which breaks a line, for none."""
    told = (getattr(one, name) if one.value is not None else None for one in points)
    return [math.nan if n is None else min(max(n, bottom), top) for n in told]


def _reach(curve: Curve) -> tuple[float, float]:
    """Return bottom and top: the limits with room, what was measured last, and at a breach."""
    limits = [n for one in curve.points for n in (one.floor, one.ceiling) if n is not None]
    values = [one.value for one in curve.points if one.value is not None]
    even = [1.0] if curve.type in {GuardrailType.RELATIVE_DROP, GuardrailType.ERROR_RATE} else []
    core = [*limits, *even] or values
    span = (max(core) - min(core)) or abs(core[0]) or 1.0
    last = curve.last
    ends = [last.value, last.low, last.high] if last else []
    broken = [one.value for one in curve.points if one.breached]
    seen = values if curve.type is GuardrailType.THRESHOLD else []
    told = [n for n in (*ends, *broken, *seen) if n is not None and math.isfinite(n)]
    bottom = min((*core, *(max(n, min(core) - FAR * span) for n in told))) - ROOM * span
    top = max((*core, *(min(n, max(core) + FAR * span) for n in told))) + ROOM * span
    lowest = 0.0 if min(core) >= 0 else -math.inf
    highest = 1.0 if curve.type is GuardrailType.EXPOSURE_BALANCE else math.inf
    return max(bottom, lowest), min(top, highest)


def _marks(axis: Any, marks: Sequence[Mark], first: datetime, last: datetime) -> None:
    before, line = -CLOSE, 0
    for mark in sorted(marks, key=lambda one: one.at):
        if not first <= mark.at <= last:
            continue
        colour = LIMIT if mark.bad else FAINT
        axis.axvline(mark.at, color=colour, lw=1, ls=":")
        place = (mark.at - first) / (last - first)
        line = (line + 1) % LINES if place - before < CLOSE else 0  # words do not overlap
        before, late = place, place > 1 - CLOSE
        axis.annotate(
            mark.words,
            (mark.at, 1),
            (-3 if late else 3, -3 - 12 * line),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=LIMIT if mark.bad else INK,
            fontsize=10,
            va="top",
            ha="right" if late else "left",
        )


def _axes(axis: Any, kind: GuardrailType) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=6, tz=UTC)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _number(y, kind)))
    axis.grid(visible=True, axis="y", color=FAINT, alpha=0.35, lw=0.6)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _number(number: float, kind: GuardrailType) -> str:
    match kind:
        case GuardrailType.EXPOSURE_BALANCE:
            return f"{number * 100:.4g}%"
        case GuardrailType.THRESHOLD:
            return f"{number:.4g}"
        case _:
            return f"x{number:.4g}"


def _inline(svg: str, name: str) -> str:
    """Return the svg element alone, as a page can hold it beside others."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(FOREIGN, "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'<svg\b[^>]*?(viewBox="[^"]*")[^>]*>', _head, svg, count=1)
    for colour, ours in OF_THE_PAGE.items():
        svg = svg.replace(colour, ours)
    return svg.strip()


def _head(found: re.Match[str]) -> str:
    return f'<svg {found[1]} aria-hidden="true" focusable="false">'
