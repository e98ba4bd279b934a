"""The documented bars, on the documented streams of chance: a part of the full run, each time."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is in the dependency group `bench`: make setup")

from benchmarks.guardrails import bars

RUNS = 300
QUICK = [cell for cell in bars.documented() if cell.q == 10]


def nobody(_: int) -> None:
    return None


@pytest.mark.parametrize("cell", QUICK, ids=lambda cell: cell.name)
def test_a_bar_is_kept(cell: bars.Cell) -> None:
    told = bars.figures(bars.measure(cell, RUNS, nobody, more_rules=False))
    for rule in told:
        alpha = cell.alpha if rule == "two_level" else None
        assert bars.documented()[cell][rule].keeps(told[rule], RUNS, alpha) == ""


def test_the_stream_of_chance_is_the_documented_one() -> None:
    # All 1000 runs of a documented cell: equal to the last digit, or some draw has moved.
    cell = next(c for c in bars.documented() if c.name == "share @10 breach 30%")
    told = bars.figures(bars.measure(cell, cell.runs, nobody, more_rules=False))
    for rule in ("two_level", "strict"):
        bar = bars.documented()[cell][rule]
        assert (told[rule]["rate"], told[rule]["median_min"]) == (bar.rate, bar.median_min)


def test_fewer_runs_are_the_first_of_more() -> None:
    cell = next(c for c in bars.documented() if c.name == "share @10 breach 40%")
    few, more = (bars.measure(cell, n, nobody, more_rules=False)["strict"] for n in (50, 150))
    assert np.array_equal(few, more[:50])


def test_a_bar_is_not_kept_by_another_rate() -> None:
    bar = bars.documented()[QUICK[0]]["two_level"]
    told = {"rate": 0.05, "hits": 15, "median_min": None}
    assert "rate" in bar.keeps(told, RUNS, 0.01)
