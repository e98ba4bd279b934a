"""One picture: how often each rule undoes a harmless ramp, and how late it finds a real harm."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from benchmarks.guardrails.store import Store

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "guardrails"
STYLE = {
    "Rampguard": ("#0b6e4f", "o", "Rampguard, by alpha"),
    "Rampguard, once per user": ("#52b788", "P", "Rampguard, one start per user, by alpha"),
    "Argo Rollouts": ("#d1495b", "s", "Argo Rollouts, best settings"),
    "Argo Rollouts, z-score": ("#edae49", "^", "Argo Rollouts with a z-score, best settings"),
    "Flagger": ("#7b2d8b", "D", "Flagger, best settings"),
    "GrowthBook": ("#30638e", "v", "GrowthBook sequential, by alpha"),
    "GrowthBook, margin 5 %": ("#66a5d8", "<", "GrowthBook sequential with our margin, by alpha"),
    "fixed-sample test, each look": ("#8a8a8a", "x", "fixed-sample test at each look, by p"),
}
HARMS = {
    "starts": "session starts: a true drop of 20 %",
    "errors": "errors: they truly double",
}
WORLDS = {
    "false_rate": "at the traffic that the settings were chosen for",
    "quiet": "the same settings (and times), harmless ramps at a tenth of the traffic",
}
FLOOR = 4e-4  # where `none of all runs` is drawn
USUAL = {"Argo Rollouts": "failureLimit 3", "Flagger": "threshold 5"}
Points = list[dict[str, Any]]


def draw(store: Store) -> None:
    """Draw all panels from the results: a harm in each column, a traffic in each row."""
    told = store.best("sides")
    plt.rcParams.update({"font.size": 10, "svg.hashsalt": "rampguard", "axes.spines.top": False})
    figure, axes = plt.subplots(2, 2, figsize=(13, 11), sharex=True, sharey=True)
    for row, (rate, where) in zip(axes, WORLDS.items(), strict=True):
        for axis, (watched, harm) in zip(row, HARMS.items(), strict=True):
            points = told[f"{watched} @10"]["figures"]["points"]
            _panel(axis, [p for p in points if p["median_min"] is not None], rate)
            axis.set_title(f"{harm}\n{where}", loc="left", fontsize=10.5)
    _finish(figure, axes)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE.with_suffix(".png"), dpi=110, metadata={"Software": None})
    figure.savefig(PICTURE.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)


def _panel(axis: Axes, points: Points, rate: str) -> None:
    axis.axvspan(FLOOR / 2, 0.01, color="#0b6e4f", alpha=0.07, lw=0)
    for rule, (color, mark, _) in STYLE.items():
        ours = [p for p in points if p["rule"] == rule]
        shown = ours if "by" in STYLE[rule][2] else _front(ours)
        if rate == "false_rate":  # elsewhere they are no front any more
            shown.sort(key=lambda p: (p["false_rate"], -p["median_min"]))
            xs, ys = [_x(p, rate) for p in shown], [p["median_min"] for p in shown]
            axis.step(xs, ys, where="post", color=color, lw=1.1, alpha=0.6, zorder=2)
        for point in shown:
            x, y = _x(point, rate), point["median_min"]
            axis.scatter([x], [y], color=color, marker=mark, s=30, zorder=3)
        for point in ours:
            _name(axis, point, color, rate)
    axis.grid(color="#dddddd", lw=0.6)


def _front(points: Points) -> Points:
    """Return the points in order, without those that another of the same rule beats."""
    told: Points = []
    for point in sorted(points, key=lambda p: (p["false_rate"], p["median_min"])):
        if not told or point["median_min"] < told[-1]["median_min"]:
            told.append(point)
    return told


def _x(point: dict[str, Any], rate: str) -> float:
    return max(float(point[rate]), FLOOR)


def _name(axis: Axes, point: dict[str, Any], color: str, rate: str) -> None:
    """Name the points that people ask for: our default, and the examples of others."""
    if point["rule"] == "Rampguard" and point["setting"] == "alpha 0.01":
        text, shift, side = "our default, alpha 1 %", (10, -4), "left"
    elif _usual(point):
        text, shift, side = f"{point['rule']}, {USUAL[point['rule']]}", (-10, -4), "right"
    else:
        return
    at = _x(point, rate), point["median_min"]
    x, y = at
    axis.scatter([x], [y], color=color, marker=STYLE[point["rule"]][1], s=30)
    axis.scatter([x], [y], s=130, facecolors="none", edgecolors=color, lw=1.6)
    axis.annotate(
        text,
        at,
        xytext=shift,
        textcoords="offset points",
        ha=side,
        color=color,
        fontsize=9,
        zorder=5,
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.0},
    )


def _usual(point: dict[str, Any]) -> bool:
    """Return whether it is an example setting: limit as the plan has it, window of 5 min."""
    plain = point["setting"].startswith(("limit -5%, window 5 min", "limit x1.2, window 5 min"))
    return bool(plain and point["setting"].endswith(USUAL.get(point["rule"], "-")))


def _finish(figure: Any, axes: Any) -> None:
    """Give the figure its scales, words and legend."""
    axis = axes[0][0]
    axis.set(xscale="log", yscale="log", xlim=(FLOOR / 1.7, 1.6), ylim=(0.9, 400))
    axis.set_xticks([FLOOR, 0.001, 0.01, 0.1, 1.0], ["none\nseen", "0.1 %", "1 %", "10 %", "100 %"])
    axis.set_yticks([1, 5, 15, 60, 240], ["1 min", "5 min", "15 min", "1 h", "4 h"])
    for one in axes.flat:
        one.minorticks_off()
    for row in axes:
        row[0].set_ylabel("median time to find the harm (log)")
    for one in axes[1]:
        one.set_xlabel("harmless ramps that are rolled back within 24 h (log)")
    for color, mark, label in STYLE.values():
        axis.plot([], [], color=color, marker=mark, lw=1.1, label=label)
    figure.legend(*axis.get_legend_handles_labels(), loc="lower center", ncol=3, frameon=False)
    figure.suptitle(
        "Left and down is better. Green: fewer than 1 % of harmless ramps are rolled back.",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    figure.tight_layout(rect=(0, 0.075, 1, 0.99))
