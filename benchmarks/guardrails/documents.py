"""Writes measured figures into the documents, between marks; no figure there is typed by hand.

`<!--=NAME-->...<!--/-->` holds what the function NAME of the table below makes of the results.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.guardrails import bars, worlds
from benchmarks.guardrails.store import VERSIONS, Store

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/guardrails.md", "docs/guardrail-bars.md", "docs/figures.md")
MARK = re.compile(r"(<!--=([\w-]+)-->)(.*?)(<!--/-->)", re.DOTALL)
Cells = dict[str, dict[str, Any]]


def write(store: Store, root: Path = ROOT) -> Iterator[str]:
    """Renew the figures of all pages; yield the names of the pages."""
    for page in PAGES:
        path = root / page
        path.write_text(filled(path.read_text(encoding="utf-8"), store), encoding="utf-8")
        yield page


def filled(text: str, store: Store) -> str:
    """Return a text whose marks hold what the results say."""
    return MARK.sub(lambda m: f"{m[1]}{FIGURES[m[2]](store)}{m[4]}", text)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown, on lines of its own."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def percent(rate: float) -> str:
    """Return a rate as people read it."""
    shown = f"{100 * rate:.2f}" if 0 < rate < 0.0995 else f"{100 * rate:.0f}"
    return f"{shown} %"


def minutes(value: float | None) -> str:
    """Return a time as people read it; none: half of the runs did not get there."""
    if value is None:
        return "beyond 24 h"
    return f"{value / 60:.1f} h" if value >= 120 else f"{value:.1f} min"


def versions(_: Store) -> str:
    """Return with what the results were made."""
    return ", ".join(f"{name} {version}" for name, version in VERSIONS.items())


def plain(store: Store) -> str:
    """Return the rate in the plain world: rolled back, of how many, and the upper end."""
    line = store.best("worlds")["plain @10"]
    told = line["figures"]
    return f"{told['rolled']} of {line['runs']:,} (95 % upper end {percent(told['upper_95'])})"


def worst(store: Store) -> str:
    """Return the harmless world with the most rollbacks."""
    promised = [
        (cell, line) for cell, line in store.best("worlds").items() if not _world(cell).limit
    ]
    cell, line = max(promised, key=lambda one: (one[1]["figures"]["rate"], -one[1]["runs"]))
    told = line["figures"]
    return (
        f"{told['rolled']} of {line['runs']:,} in `{cell}`"
        f" ({percent(told['rate'])}, 95 % upper end {percent(told['upper_95'])})"
    )


def _world(cell: str) -> worlds.World:
    return next(w for w in worlds.WORLDS if w.name == cell.rpartition(" @")[0])


def in_short(store: Store) -> str:
    """Return the headline as README has it."""
    return (
        f"Rolled back: {plain(store)} in the plain world, {worst(store)}, the worst of"
        f" {sum(not one.limit for one in worlds.WORLDS)}; the promise is 1 %."
    )


def world_table(store: Store) -> str:
    """Return all worlds at 10 requests a second."""
    return _worlds(store, lambda w, q: not w.limit and q == 10)


def limit_table(store: Store) -> str:
    """Return the worlds beyond what is promised."""
    return _worlds(store, lambda w, _: w.limit)


def other_traffic(store: Store) -> str:
    """Return the worlds at other traffic."""
    return _worlds(store, lambda w, q: not w.limit and q != 10)


def _worlds(store: Store, chosen: Callable[[worlds.World, int], bool]) -> str:
    rows = []
    for cell, line in _in_order(store):
        world, q = _world(cell), int(cell.rpartition("@")[2])
        if chosen(world, q):
            rows.append(
                [
                    f"{world.name} @{q}",
                    world.says,
                    f"{line['runs']:,}",
                    _rolled(line["figures"]),
                    percent(line["figures"]["held"] / line["runs"]),
                ]
            )
    return table(("world @ requests/s", "what differs", "ramps", "rolled back", "held"), rows)


def _in_order(store: Store) -> list[tuple[str, dict[str, Any]]]:
    order = [w.name for w in worlds.WORLDS]
    return sorted(
        store.best("worlds").items(),
        key=lambda one: (int(one[0].rpartition("@")[2]), order.index(one[0].rpartition(" @")[0])),
    )


def _rolled(told: dict[str, Any]) -> str:
    return f"{told['rolled']} ({percent(told['rate'])}; upper end {percent(told['upper_95'])})"


def limits(store: Store) -> str:
    """Return the ratios to Wald's bound."""
    rows = []
    for cell, line in store.best("limit").items():
        told = line["figures"]
        rows.append(
            [
                cell,
                f"{line['runs']:,}",
                minutes(told["median_min"]),
                minutes(told["bound_min"]),
                "-" if told["ratio"] is None else f"{told['ratio']:.2f}",
            ]
        )
    return table(("harm @ requests/s", "ramps", "median, strict rule", "bound", "ratio"), rows)


def counts(store: Store) -> str:
    """Return the bars of the default session test."""
    rows = []
    for cell, line in store.best("counts").items():
        told = line["figures"]
        rows.append([cell, f"{line['runs']:,}", percent(told["rate"]), minutes(told["median_min"])])
    return table(("truth @ requests/s", "ramps", "rolled back", "median"), rows)


def attribution(store: Store) -> str:
    """Return what becomes of harm that only history can see."""
    rows = []
    for cell, line in store.best("attribution").items():
        acted, stopped = line["figures"]["rolled_back"], line["figures"]["stopped"]
        rows.append(
            [
                cell,
                f"{line['runs']:,}",
                percent(acted["rate"]),
                percent(stopped["rate"]),
                minutes(stopped["median_min"]),
            ]
        )
    columns = (
        "errors in both arms @ requests/s",
        "ramps",
        "rolled back",
        "rolled back or held",
        "median",
    )
    return table(columns, rows)


def sides(store: Store, watched: str) -> str:
    """Return the rules side by side: examples, defaults, and the best that a user can tune."""
    line = store.best("sides")[f"{watched} @10"]
    points = line["figures"]["points"]
    rows = [
        [
            one["rule"],
            f"{note}{one['setting']}",
            percent(one["false_rate"]),
            percent(one["quiet"]),
            percent(one["clumped"]) if "clumped" in one else "-",
            percent(one["allowed"]),
            minutes(one["median_min"]),
            percent(one["smaller"]),
        ]
        for note, one in _told(points)
    ]
    smaller, allowed = {"starts": ("-10 %", "-3 %"), "errors": ("x1.5", "x1.1")}[watched]
    return table(
        (
            "rule",
            "set to",
            "harmless",
            "harmless, a tenth of the traffic",
            "harmless, clumped",
            f"allowed {allowed}",
            "median time",
            f"{smaller} found",
        ),
        rows,
    )


def _told(points: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the points of a table: our default first, then known settings, then tuned ones."""
    ours = {"alpha 0.01", "alpha 0.05"}
    for rule in (
        "Rampguard",
        "Rampguard, once per user",
        "GrowthBook",
        "GrowthBook, margin 5 %",
        "fixed-sample test, each look",
    ):
        yield from (("", p) for p in points if p["rule"] == rule and _shown(p, ours))
    for rule in ("Argo Rollouts", "Flagger", "Argo Rollouts, z-score"):
        mine = [p for p in points if p["rule"] == rule]
        usual = ("failureLimit 3", "threshold 5")
        yield from (
            ("", p) for p in mine if p["setting"].endswith(usual) and "z " not in p["setting"]
        )
        tuned = [p for p in mine if p["false_rate"] <= 0.01 and p["median_min"] is not None]
        if tuned:
            yield "tuned to this harm: ", min(tuned, key=lambda p: p["median_min"])


def _shown(point: dict[str, Any], ours: set[str]) -> bool:
    if point["rule"].startswith("fixed"):
        return point["setting"] in {"p < 0.05", "p < 0.0001"}
    return point["setting"] in ours


def bar_table(store: Store) -> str:
    """Return every documented bar beside what is measured now."""
    rows = []
    for cell, documented in bars.documented().items():
        line = store.best("bars").get(cell.name)
        if line is None:
            continue
        for rule, bar in documented.items():
            told = line["figures"].get(rule)
            if told is None:
                continue
            why = bar.keeps(told, line["runs"], cell.alpha if rule == "two_level" else None)
            rows.append(
                [
                    f"{cell.guardrail} @{cell.q}, {cell.truth}",
                    rule.replace("_", "-"),
                    f"{line['runs']:,}",
                    f"{percent(bar.rate)}, {_short(bar.median_min)}",
                    f"{percent(told['rate'])}, {_short(told['median_min'])}",
                    f"{100 * (told['rate'] - bar.rate):+.2f} pp",
                    why or "keeps",
                ]
            )
    return table(("cell", "rule", "ramps", "documented", "measured", "off", "passes"), rows)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:g} min"


def bar_summary(store: Store) -> str:
    """Return how many bars there are, and which depart."""
    kept, off, same = 0, [], 0
    for cell, documented in bars.documented().items():
        line = store.best("bars").get(cell.name)
        for rule, bar in documented.items() if line else ():
            told = line["figures"].get(rule) if line else None
            if told is None or line is None:
                continue
            same += told["rate"] == bar.rate and told["median_min"] == bar.median_min
            why = bar.keeps(told, line["runs"], cell.alpha if rule == "two_level" else None)
            kept += not why
            if why:
                off.append(f"{cell.name}, {rule}: {why}")
    text = f"{kept} of {kept + len(off)} figures pass; {same} are equal to the last digit."
    return text + "".join(f" Departing: {one}." for one in off)


FIGURES: dict[str, Callable[[Store], str]] = {
    "versions": versions,
    "plain": plain,
    "worst": worst,
    "readme-wrong": in_short,
    "worlds": world_table,
    "limits-of-worlds": limit_table,
    "other-traffic": other_traffic,
    "wald": limits,
    "counts": counts,
    "attribution": attribution,
    "sides-starts": lambda store: sides(store, "starts"),
    "sides-errors": lambda store: sides(store, "errors"),
    "bars": bar_table,
    "bars-summary": bar_summary,
}
