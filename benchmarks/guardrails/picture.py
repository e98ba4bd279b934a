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
    "Argo Rollouts": ("#d1495b", "s", "Argo Rollouts, best settings"),
    "Argo Rollouts, z-score": ("#edae49", "^", "Argo Rollouts with a z-score, best settings"),
    "Flagger": ("#7b2d8b", "D", "Flagger, best settings"),
    "GrowthBook": ("#30638e", "v", "GrowthBook sequential, by alpha"),
    "fixed-sample test, each look": ("#8a8a8a", "x", "fixed-sample test at each look, by p"),
}
PANELS = {
    "starts": "A true drop of session starts by 20 %",
    "errors": "Errors that truly double",
}
FLOOR = 2e-4  # where `none of all runs` is drawn
USUAL = {"Argo Rollouts": "failureLimit 3", "Flagger": "threshold 5"}


def draw(store: Store) -> None:
    """Draw both panels from the results."""
    told = store.best("sides")
    plt.rcParams.update({"font.size": 10, "svg.hashsalt": "rampguard", "axes.spines.top": False})
    figure, axes = plt.subplots(1, 2, figsize=(13, 6.2), sharey=True)
    for axis, (watched, title) in zip(axes, PANELS.items(), strict=True):
        line = told[f"{watched} @10"]
        _panel(axis, line["figures"]["points"])
        axis.set_title(title, loc="left", fontweight="bold")
    axes[0].set_ylabel("median time to find the harm (minutes, log)")
    _legend(figure, axes[0])
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE.with_suffix(".png"), dpi=130, metadata={"Software": None})
    figure.savefig(PICTURE.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)


def _panel(axis: Axes, points: list[dict[str, Any]]) -> None:
    axis.axvspan(FLOOR / 2, 0.01, color="#0b6e4f", alpha=0.07, lw=0)
    for rule, (color, mark, _) in STYLE.items():
        ours = [p for p in points if p["rule"] == rule and p["median_min"] is not None]
        best = _front(ours)
        xs, ys = [_x(p) for p in best], [p["median_min"] for p in best]
        axis.plot(xs, ys, color=color, lw=1.2, alpha=0.7, zorder=2)
        axis.scatter(xs, ys, color=color, marker=mark, s=34, zorder=3)
        for point in ours:
            _name(axis, point, color)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(FLOOR / 1.6, 1.5)
    axis.set_ylim(0.9, 300)
    axis.set_xticks([FLOOR, 0.001, 0.01, 0.1, 1.0])
    axis.set_xticklabels(["none\nseen", "0.1 %", "1 %", "10 %", "100 %"])
    axis.set_yticks([1, 5, 15, 60, 240], ["1 min", "5 min", "15 min", "1 h", "4 h"])
    axis.minorticks_off()
    axis.grid(color="#dddddd", lw=0.6)
    axis.set_xlabel("harmless ramps that are rolled back within 24 h (log)")


def _front(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the points in order, without those that another of the same rule beats."""
    told: list[dict[str, Any]] = []
    for point in sorted(points, key=lambda p: (p["false_rate"], p["median_min"])):
        if not told or point["median_min"] < told[-1]["median_min"]:
            told.append(point)
    return told


def _x(point: dict[str, Any]) -> float:
    return max(float(point["false_rate"]), FLOOR)


def _name(axis: Axes, point: dict[str, Any], color: str) -> None:
    """Name the points that people ask for: our default, and the examples of others."""
    if point["rule"] == "Rampguard" and point["setting"] == "alpha 0.01":
        text, shift = "our default, alpha 1 %", (8, 8)
    elif _usual(point):
        text, shift = f"{point['rule']}, {USUAL[point['rule']]}", (-8, 10)
    else:
        return
    axis.scatter(
        [_x(point)], [point["median_min"]], s=130, facecolors="none", edgecolors=color, lw=1.6
    )
    axis.annotate(
        text,
        (_x(point), point["median_min"]),
        xytext=shift,
        textcoords="offset points",
        ha="left" if shift[0] > 0 else "right",
        color=color,
        fontsize=9,
    )


def _usual(point: dict[str, Any]) -> bool:
    """Return whether it is an example setting: limit as the plan has it, window of 5 min."""
    plain = point["setting"].startswith(("limit -5%, window 5 min", "limit x1.2, window 5 min"))
    return bool(plain and point["setting"].endswith(USUAL.get(point["rule"], "-")))


def _legend(figure: Any, axis: Axes) -> None:
    for rule, (color, mark, label) in STYLE.items():
        axis.plot([], [], color=color, marker=mark, lw=1.2, label=label if rule else "")
    figure.legend(*axis.get_legend_handles_labels(), loc="lower center", ncol=3, frameon=False)
    figure.suptitle(
        "Left is better, down is better. In the green band fewer than 1 % of harmless ramps are"
        " rolled back.",
        x=0.012,
        ha="left",
        fontsize=11,
    )
    figure.tight_layout(rect=(0, 0.09, 1, 0.99))
