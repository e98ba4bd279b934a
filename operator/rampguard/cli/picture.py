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

from rampguard.cli.exits import Exit, Told
from rampguard.cli.text import safe
from rampguard.core.backtest import Backtest
from rampguard.core.durations import show_duration
from rampguard.core.model import Guardrail, GuardrailType
from rampguard.core.outlook import Outlook, Visible
from rampguard.core.plan import Plan
from rampguard.core.remarks import effect_text, limit_text

HOUR = timedelta(hours=1)
SEEN, UNSURE, ALLOWED, INK = "#1b7f4d", "#9ccfb2", "#c0392b", "#333333"
WIDTH, HEIGHT = 10.0, 2.7  # inches, of a panel
TALLEST = 10  # times the limit: what is larger is cut off
MARKS = tuple(timedelta(minutes=n) for n in (5, 15, 60, 360, 1440, 4320, 10080, 43200))
NAMES = {"history": "against the time before", "concurrent": "between the arms"}
Panel = tuple[Guardrail, Outlook]


def draw(plan: Plan, told: Backtest, path: str) -> None:
    """Write a picture of a simulated ramp; a Told says why it cannot be written."""
    panels = tuple(
        (one.guardrail, outlook) for one in told.tried for outlook in _different(one.outlooks)
    )
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


def _figure(plan: Plan, panels: Sequence[Panel]) -> Figure:
    figure = Figure(figsize=(WIDTH, 1.1 + HEIGHT * len(panels)), layout="constrained")
    figure.suptitle(
        f"What {plan.ask.ref.name} can see: {plan.ask.env} {plan.ask.origin} to {plan.ask.to}%",
        x=0.01, ha="left", fontsize=13, color=INK,
    )  # fmt: skip
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axis, (guardrail, outlook) in zip(axes, panels, strict=True):
        _panel(axis, plan, guardrail, outlook)
    axes[-1].set_xlabel("time since every pod runs the new share")
    return figure


def _panel(axis: Any, plan: Plan, guardrail: Guardrail, outlook: Outlook) -> None:
    """Draw one part: above its curve harm is rolled back, below it stays unseen."""
    soak, limit = plan.soaks[plan.last], outlook.limit
    known = [one for one in outlook.curve if math.isfinite(one.half)]
    top = TALLEST * limit
    axis.set_title(_sentence(guardrail, outlook, soak), loc="left", fontsize=10, color=INK)
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
    _words(axis, guardrail, outlook, known)
    _ticks(axis, guardrail, outlook, soak)


def _words(axis: Any, guardrail: Guardrail, outlook: Outlook, known: Sequence[Visible]) -> None:
    """Say in the picture what its areas mean."""
    place = {"transform": axis.transAxes, "fontsize": 9}
    axis.text(0.99, 0.93, "rolled back in 9 of 10 ramps or more", color=SEEN, ha="right", va="top",
              **place)  # fmt: skip
    axis.text(0.01, 0.135, "not seen yet", color="#777777", va="bottom", **place)
    axis.text(0.01, 0.085, f"allowed: {limit_text(guardrail)}", color=ALLOWED, va="top", **place)
    if not known:
        axis.text(0.5, 0.5, "too little traffic to show any harm", color=ALLOWED, ha="center",
                  **place)  # fmt: skip
    for mark in (HOUR, 6 * HOUR):
        near = [one for one in known if one.after <= mark * 1.1]
        if near and near[-1].after >= mark * 0.8 and near[-1].ninety < TALLEST * outlook.limit:
            at = near[-1]
            axis.plot([_hours(at.after)], [at.ninety], "o", color=SEEN, ms=4)


def _ticks(axis: Any, guardrail: Guardrail, outlook: Outlook, soak: timedelta) -> None:
    first = outlook.curve[0].after
    marks = sorted({one for one in MARKS if first <= one < soak * 0.8} | {soak})
    axis.set_xticks([_hours(one) for one in marks], [show_duration(one) for one in marks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.minorticks_off()
    axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _effect(guardrail, outlook, y)))
    axis.grid(visible=True, color="#dddddd", lw=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _sentence(guardrail: Guardrail, outlook: Outlook, soak: timedelta) -> str:
    """Say what the panel shows."""
    last = outlook.curve[-1].ninety
    name = guardrail.name + (f", {NAMES[outlook.part]}" if outlook.part in NAMES else "")
    if not math.isfinite(last):
        return f"{name}: no harm shows for certain within {show_duration(soak)}"
    harm = effect_text(guardrail, outlook.side, last)
    return f"{name}: 9 of 10 ramps show {harm} within {show_duration(soak)}"


def _effect(guardrail: Guardrail, outlook: Outlook, effect: float) -> str:
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        return f"{effect * 100:.3g} pp"
    return f"x{1 + effect:.3g}" if outlook.side > 0 else f"-{effect * 100:.3g}%"


def _different(outlooks: tuple[Outlook, ...]) -> tuple[Outlook, ...]:
    """Return the outlooks without a second side of a share that sees the same."""
    more = [one for one in outlooks[1:] if one.curve != outlooks[0].curve]
    return (*outlooks[:1], *more)


def _hours(span: timedelta) -> float:
    return span / HOUR
