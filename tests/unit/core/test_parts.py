"""One line says all that is known of a part of a judgement."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rampguard.core.model import Part, Verdict
from rampguard.core.parts import always_valid_p, part_text

HISTORY = Part(
    name="history",
    verdict=Verdict.INCONCLUSIVE,
    value="x1.50",
    interval="[1.10, 2.05]",
    limit="x1.20 or less",
    counts="63 of 7200 requests, 432 of 86400 before",
    log_e_null=5.48500,
    log_e_margin=2.08257,
    threshold_null=6.39693,
    threshold_margin=4.09434,
    phi=1.2,
    could_see="could have seen x1.34",
)
WHOLE = (
    "history: x1.50 [1.10, 2.05], limit x1.20 or less; 63 of 7200 requests, 432 of 86400 before;"
    " ln E 5.49 of 6.40 (nothing wrong), 2.08 of 4.09 (at the limit); p 0.0041; phi 1.2;"
    " could have seen x1.34"
)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SINCE = "since 2026-11-23T12:00:00Z"
NOTHING = Part(name="drop", verdict=Verdict.NO_DATA)

LINES: dict[str, tuple[Part, str]] = {
    "all numbers": (HISTORY, WHOLE),
    "within tolerance is seen by the numbers": (
        replace(HISTORY, verdict=Verdict.WITHIN_TOLERANCE),
        WHOLE,
    ),
    "a breach is named, with its onset": (
        replace(HISTORY, verdict=Verdict.BREACHED, onset=NOON),
        f"{WHOLE.replace('history: ', 'history: Breached, ')}; {SINCE}",
    ),
    "marks come last": (
        replace(HISTORY, marks=("phi assumed", "baseline of 1h")),
        f"{WHOLE}; phi assumed; baseline of 1h",
    ),
    "nothing measured": (NOTHING, "drop: NoData"),
    "a verdict of its own where nothing was measured": (
        replace(NOTHING, verdict=Verdict.INCONCLUSIVE, limit="0.95 or more"),
        "drop: Inconclusive, limit 0.95 or more",
    ),
    "not applicable, and why": (
        replace(NOTHING, verdict=Verdict.NOT_APPLICABLE, marks=("no baseline",)),
        "drop: NotApplicable; no baseline",
    ),
    "a kill-switch has no evidence": (
        Part(
            name="kill-switch",
            verdict=Verdict.BREACHED,
            value="12.0%",
            limit="5.0% or less",
            counts="60 of 500 requests in 2m",
            onset=NOON,
        ),
        f"kill-switch: Breached, 12.0%, limit 5.0% or less; 60 of 500 requests in 2m; {SINCE}",
    ),
    "an interval without its value": (
        replace(NOTHING, verdict=Verdict.INCONCLUSIVE, interval="[0.1, 9]"),
        "drop: [0.1, 9]",
    ),
    "evidence without thresholds": (
        replace(NOTHING, log_e_null=1.0, log_e_margin=0.5),
        "drop: NoData; ln E 1.00 (nothing wrong), 0.50 (at the limit); p 0.37",
    ),
    "evidence against one world alone": (
        replace(NOTHING, log_e_margin=0.5, threshold_margin=4.0),
        "drop: NoData; ln E 0.50 of 4.00 (at the limit)",
    ),
    "evidence of nothing": (
        replace(NOTHING, log_e_null=-math.inf, log_e_margin=-math.inf),
        "drop: NoData; ln E -inf (nothing wrong), -inf (at the limit); p 1",
    ),
    "evidence of zero is told": (
        replace(NOTHING, log_e_null=0.0),
        "drop: NoData; ln E 0.00 (nothing wrong); p 1",
    ),
    "a p that is next to nothing": (
        replace(NOTHING, log_e_null=1234.5),
        "drop: NoData; ln E 1234.50 (nothing wrong); p < 0.0001",
    ),
    "a phi below one": (replace(NOTHING, phi=0.5), "drop: NoData; phi 0.5"),
    "a large phi": (replace(NOTHING, phi=16.234), "drop: NoData; phi 16"),
}


@pytest.mark.parametrize(("part", "line"), LINES.values(), ids=LINES)
def test_a_part_is_told_on_one_line(part: Part, line: str) -> None:
    assert part_text(part) == line


P: dict[str, tuple[float, float]] = {
    "of nothing": (-math.inf, 1.0),
    "below zero": (-1000.0, 1.0),
    "zero": (0.0, 1.0),
    "one nat": (1.0, 1 / math.e),
    "at 1 in 10,000": (math.log(10_000), 1e-4),
    "beyond all floats": (1e9, 0.0),
    "beyond all numbers": (math.inf, 0.0),
}


@pytest.mark.parametrize(("log_e", "p"), P.values(), ids=P)
def test_p_holds_for_all_looks_together(log_e: float, p: float) -> None:
    assert always_valid_p(log_e) == pytest.approx(p)


def test_p_at_the_edge_is_still_a_number() -> None:
    assert part_text(replace(NOTHING, log_e_null=-math.log(1.001e-4))).endswith("p 0.0001")


def test_every_fact_of_a_part_can_be_read_in_its_line() -> None:
    told = Part(
        name="A1",
        verdict=Verdict.BREACHED,
        value="A2",
        interval="A3",
        limit="A4",
        counts="A5",
        log_e_null=1.25,
        log_e_margin=2.25,
        threshold_null=3.25,
        threshold_margin=4.25,
        phi=5.5,
        could_see="A6",
        onset=NOON,
        marks=("A7", "A8"),
    )
    line = part_text(told)
    facts = (*(f"A{i}" for i in range(1, 9)), "1.25", "2.25", "3.25", "4.25", "5.5", "12:00")
    assert [fact for fact in facts if fact not in line] == []
