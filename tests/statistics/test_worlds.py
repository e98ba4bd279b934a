"""Worlds that the mathematics does not assume, in small; and the memory of what was measured."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="numba is in the dependency group `bench`: make setup")

from benchmarks.guardrails import bars, documents, figures, jobs, limit, product, worlds
from benchmarks.guardrails.store import Store

BY_NAME = {world.name: world for world in worlds.WORLDS}
RUNS = 60


def told(name: str) -> dict:
    return product.measure(BY_NAME[name], 10, RUNS, 3, lambda _: None)


@pytest.mark.parametrize(
    "name", ["plain", "many starts", "once per user", "bursts", "gaps and restarts"]
)
def test_harmless_ramps_stay(name: str) -> None:
    assert told(name)["rolled"] <= 2


def test_sums_over_hours_are_misled_by_cookies_and_a_foreign_deploy_and_bins_are_not() -> None:
    assert told("against the rule: pooled arms")["rate"] > 0.5
    found = told("sticky, foreign deploy")
    assert found["rate"] < 0.05
    assert found["held"] > 0.9 * RUNS


def test_what_a_burst_adds_is_as_large_as_the_world_says() -> None:
    draw = np.random.default_rng(1)
    requests = np.full((400, 288), 30_000)
    failed = worlds._errors_before(draw, BY_NAME["bursts"], requests, np.array(0.005))
    assert failed.mean() == pytest.approx(150, rel=0.02)
    assert failed.sum(axis=1).var() / failed.sum(axis=1).mean() == pytest.approx(5, rel=0.25)


def test_events_that_are_spread_are_not_lost() -> None:
    counts = np.zeros((3, 200), int)
    counts[:, 5] = 1000
    spread = worlds._spread(np.random.default_rng(1), counts, worlds.LATER)
    assert spread.sum() == 3000
    assert spread[:, :15].sum() == 0


def test_the_bound_is_walds() -> None:
    # 43 % against a limit of 45 %: 6,500 assignments, 1.8 h of the mean traffic at 10 requests/s.
    units = np.log(1 / 0.005) / limit.kullback(0.43, 0.45)
    assert units / 3600 == pytest.approx(1.8, abs=0.05)
    assert limit.bound_minutes(limit.kullback(0.43, 0.45), 1.0, 0.005) > 108


def test_the_nearest_allowed_world_lies_on_the_limit() -> None:
    x = limit.nearest_allowed(0.48, 0.6, 0.95)
    near = [
        limit.kullback(0.48, 0.95 * y) + limit.kullback(0.6, y) for y in (x - 1e-3, x, x + 1e-3)
    ]
    assert min(near) == near[1]


def test_an_interval_for_none_of_ten_thousand() -> None:
    assert figures.clopper_pearson(0, 10_000)[1] == pytest.approx(3e-4, rel=0.01)


def test_a_cell_is_measured_once(tmp_path: Path) -> None:
    store, done = Store(tmp_path / "results.jsonl"), []
    key = {"part": "bars", "cell": "x", "runs": 1, "seed": 1, "config": "c"}
    job = jobs.Job(key, lambda _: {"n": len(done.append(1) or done)})
    jobs.run([job], store)
    jobs.run([job], store)
    assert len(done) == 1
    jobs.run([job], store, again=True)
    assert [line["figures"]["n"] for line in store.lines()] == [1, 2]
    assert store.best("bars")["x"]["figures"]["n"] == 2


def test_marks_are_filled_and_stay() -> None:
    text = "a <!--=versions-->old<!--/--> b"
    once = documents.filled(text, Store())
    assert "old" not in once
    assert "numpy" in once
    assert documents.filled(once, Store()) == once


def test_the_committed_results_are_what_the_documents_say() -> None:
    for page in documents.PAGES:
        text = (documents.ROOT / page).read_text(encoding="utf-8")
        named = {name for _, name, _, _ in documents.MARK.findall(text)}
        assert named <= set(documents.FIGURES)
        for _, name, inside, _ in documents.MARK.findall(text):
            if name != "versions":  # of the machine that measures
                assert inside == documents.FIGURES[name](Store()), f"{page}: make bars"


def test_every_documented_bar_has_a_cell() -> None:
    assert sum(len(rules) for rules in bars.documented().values()) == 288
