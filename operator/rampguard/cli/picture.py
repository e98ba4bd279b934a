"""A picture of what the traffic can show: the smallest visible harm over time, by guardrail.

The only module that needs matplotlib, the extra `pictures`.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from rampguard.cli.effects import Shown, shown
from rampguard.cli.exits import Exit, Told
from rampguard.cli.text import safe
from rampguard.core.backtest import Backtest
from rampguard.core.durations import show_duration
from rampguard.core.plan import Plan
from rampguard.core.remarks import effect_text, limit_text

HOUR = timedelta(hours=1)
SEEN, UNSURE, ALLOWED, INK = "#1b7f4d", "#9ccfb2", "#c0392b", "#333333"
WIDTH, HEIGHT = 7.5, 2.8  # inches, of a panel
SIDE_BY_SIDE = 3  # panels; more stand in two columns
LOWEST, TALLEST = 3.0, 10.0  # times the limit: what is larger is cut off
MARKS = tuple(timedelta(minutes=n) for n in (5, 15, 60, 360, 1440, 4320, 10080, 43200))


def draw(plan: Plan, told: Backtest, path: str) -> None:
    """Write a picture of a simulated ramp; a Told says why it cannot be written."""
    panels = tuple(part for one in told.tried for part in shown(one))
    if not panels:
        raise Told("there is nothing to draw: no guardrail is a test", Exit.REFUSED)
    with rc_context({"svg.hashsalt": "rampguard", "font.size": 9, "axes.edgecolor": "#999999"}):
        figure = _figure(plan, panels)
        canvas = FigureCanvasSVG(figure) if path.endswith(".svg") else FigureCanvasAgg(figure)
        dated = {"metadata": {"Date": None}} if path.endswith(".svg") else {}
        try:
            with Path(path).open("wb") as out:
                canvas.print_figure(out, format=path[-3:], dpi=130, **dated)
        except OSError as error:
            raise Told(f"cannot write {safe(path)}: {error.strerror}", Exit.REFUSED) from error


def _figure(plan: Plan, panels: Sequence[Shown]) -> Figure:
    wide = 2 if len(panels) > SIDE_BY_SIDE else 1
    high = math.ceil(len(panels) / wide)
    figure = Figure(figsize=(WIDTH * wide, 0.9 + HEIGHT * high), layout="constrained")
    figure.suptitle(
        f"Which harm {plan.ask.ref.name} can see"
        f" ({plan.ask.env} {plan.ask.origin} -> {plan.ask.to}), by the traffic of the last day",
        x=0.01,
        ha="left",
        fontsize=13,
        color=INK,
    )
    axes = list(figure.subplots(high, wide, squeeze=False).flat)
    for axis, part in zip(axes, panels, strict=False):
        _panel(axis, plan, part)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.supxlabel(
        "time since every pod runs the new share; dark: rolled back in 9 of 10 ramps,"
        " above the dots: in half, white: not seen yet, red: allowed",
        fontsize=9,
        color=INK,
    )
    return figure


def _panel(axis: Any, plan: Plan, part: Shown) -> None:
    """Draw one part: above its curve harm is rolled back, below it stays unseen."""
    soak, outlook = plan.soaks[plan.last], part.outlook
    limit = outlook.limit
    known = [one for one in outlook.curve if math.isfinite(one.half)]
    highest = max((one.ninety for one in known), default=math.inf)
    top = limit * min(TALLEST, max(LOWEST, 1.2 * highest / limit))
    axis.set_title(_sentence(part, soak), loc="left", fontsize=10, color=INK)
    axis.set_xscale("log")
    axis.set_xlim(_hours(outlook.curve[0].after), _hours(soak))
    axis.set_ylim(0, top)
    axis.axhspan(0, limit, color=ALLOWED, alpha=0.10, lw=0)
    axis.axhline(limit, color=ALLOWED, lw=1.2, ls="--")
    times = [_hours(one.after) for one in known]
    half = [min(one.half, 2 * top) for one in known]
    ninety = [min(one.ninety, 2 * top) for one in known]
    axis.fill_between(times, ninety, 2 * top, color=SEEN, alpha=0.22, lw=0)
    axis.fill_between(times, half, ninety, color=UNSURE, alpha=0.35, lw=0)
    axis.plot(times, ninety, color=SEEN, lw=2)
    axis.plot(times, half, color=SEEN, lw=1, ls=":")
    _words(axis, part, known=bool(known))
    _dots(axis, part, top)
    _ticks(axis, part, soak)


def _words(axis: Any, part: Shown, *, known: bool) -> None:
    """Say in the picture what its areas mean."""
    place = {"transform": axis.transAxes, "fontsize": 9, "va": "top"}
    if known:
        axis.text(0.99, 0.95, "rolled back, in 9 of 10 ramps", color=SEEN, ha="right", **place)
    else:
        axis.text(0.01, 0.95, "too little traffic to show any harm", color=ALLOWED, **place)
    allowed = f"allowed: {limit_text(part.guardrail)}"
    below = {"textcoords": "offset points", "fontsize": 9, "color": ALLOWED, "va": "top"}
    axis.annotate(
        allowed, (_hours(part.outlook.curve[0].after), part.outlook.limit), (4, -4), **below
    )


def _dots(axis: Any, part: Shown, top: float) -> None:
    """Mark what is seen by the hours of findings."""
    for one in part.outlook.visible:
        if one.ninety < top:
            last = one == part.outlook.visible[-1]
            axis.plot([_hours(one.after)], [one.ninety], "o", color=SEEN, ms=4, clip_on=False)
            axis.annotate(
                part.effect(one.ninety),
                (_hours(one.after), one.ninety),
                (0, 9) if last else (1, 6),
                textcoords="offset points",
                fontsize=9,
                fontweight="bold",
                color=SEEN,
                ha="right" if last else "left",
            )


def _ticks(axis: Any, part: Shown, soak: timedelta) -> None:
    first = part.outlook.curve[0].after
    marks = sorted({one for one in MARKS if first <= one < soak * 0.8} | {soak})
    axis.set_xticks([_hours(one) for one in marks], [show_duration(one) for one in marks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.minorticks_off()
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: part.effect(y) if y else ""))
    axis.grid(visible=True, color="#dddddd", lw=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _sentence(part: Shown, soak: timedelta) -> str:
    """Say what the panel shows."""
    last = part.outlook.curve[-1].ninety
    name = ", ".join(filter(None, (part.guardrail.name, part.part)))
    if not math.isfinite(last):
        return f"{name}: no harm shows for certain within {show_duration(soak)}"
    harm = effect_text(part.guardrail, part.outlook.side, round(last, 3))
    return f"{name}: 9 of 10 ramps show {harm} within {show_duration(soak)}"


def _hours(span: timedelta) -> float:
    return span / HOUR
