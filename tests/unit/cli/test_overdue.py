"""When the screens warn that no operator looks: an instant is past and nothing explains it."""

from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import pytest

import cli_ramps
from rampguard.cli.overdue import overdue
from rampguard.cli.record import read
from scenes import MINUTE, SECOND, T

Json = dict[str, Any]
SOAK = T + 3 * MINUTE + 15 * SECOND  # its start
FINDING, END = SOAK + timedelta(hours=24), SOAK + timedelta(hours=24)
SOON, LATE = 2 * MINUTE, 2 * MINUTE + SECOND


def ramp(scene: str = "soaking", /, spec: Json | None = None, **status: object) -> Json:
    told = deepcopy(cli_ramps.SCENES[scene])
    told["spec"] |= spec or {}
    told["status"] |= status
    return told


def condition(told: Json, kind: str, **facts: str) -> Json:
    """Return a ramp with one condition changed or added."""
    kept = [one for one in told["status"]["conditions"] if one["type"] != kind]
    told["status"]["conditions"] = [*kept, {"type": kind, **facts}]
    return told


def soak(**instants: str | None) -> dict[str, Any]:
    told = dict(cli_ramps.SCENES["soaking"]["status"]["soak"]) | instants
    return {"soak": {name: at for name, at in told.items() if at is not None}}


NO_FINDING = soak(nextFindingAt=None)
BLIND = {"status": "Unknown", "reason": "NoData"}
HELD = "At 50% until 2026-11-24T12:03:15Z; held: alerts fire"
ROWS: dict[str, tuple[Json, datetime, str]] = {
    "a finding that is two minutes late": (ramp(), FINDING + SOON, ""),
    "a finding that is later": (ramp(), FINDING + LATE, "finding"),
    "a finding that is a day late": (ramp(), FINDING + timedelta(days=1), "finding"),
    "an end that is two minutes late": (ramp(**NO_FINDING), END + SOON, ""),
    "an end that is later": (ramp(**NO_FINDING), END + LATE, "end"),
    "an end that a pause explains": (ramp(spec={"paused": True}, **NO_FINDING), END + LATE, ""),
    "a finding, which no pause holds": (ramp(spec={"paused": True}), FINDING + LATE, "finding"),
    "an end that a gate explains": (
        ramp(gates=[{"name": "rebaseline", "why": "x"}], **NO_FINDING), END + LATE, ""
    ),
    "an end that the summary explains": (ramp(summary=HELD, **NO_FINDING), END + LATE, ""),
    "a finding, which no precondition holds": (ramp(summary=HELD), FINDING + LATE, "finding"),
    "an end at which a step waits": (
        ramp(summary="Deployment api is paused", **NO_FINDING), END + LATE, ""
    ),
    "lost pods": (
        condition(ramp(), "PodsProven", status="False", reason="PodsLost"), FINDING + LATE, ""
    ),
    "a ramp that is stalled": (
        condition(ramp(), "Stalled", status="True", reason="Blind"), FINDING + LATE, ""
    ),
    "a finding without data, before it is stalled": (
        condition(ramp(), "GuardrailsPassing", **BLIND), FINDING + 122 * MINUTE, ""
    ),
    "a finding without data, beyond it": (
        condition(ramp(), "GuardrailsPassing", **BLIND), FINDING + 122 * MINUTE + SECOND, "finding"
    ),
    "a finding without data, within a longer maxBlind": (
        condition(ramp(spec={"maxBlind": "4h"}), "GuardrailsPassing", **BLIND),
        FINDING + 242 * MINUTE,
        "",
    ),
    "a finding without data, beyond a shorter maxHold": (
        condition(ramp(spec={"maxHold": "1h"}), "GuardrailsPassing", **BLIND),
        FINDING + 62 * MINUTE + SECOND,
        "finding",
    ),
    "a maxHold that is none": (
        condition(ramp(spec={"maxHold": 7}), "GuardrailsPassing", **BLIND),
        FINDING + 122 * MINUTE + SECOND,
        "finding",
    ),
    "inconclusive guardrails, which explain nothing": (
        condition(ramp(), "GuardrailsPassing", status="Unknown", reason="Inconclusive"),
        FINDING + LATE,
        "finding",
    ),
    "a soak without instants": (ramp(soak={}), END + LATE, ""),
    "a ramp that is paused": (ramp("paused"), FINDING + LATE, ""),
    "a question to a person": (ramp("gate-breach"), FINDING + LATE, ""),
    "a ramp that has ended": (ramp("completed"), FINDING + LATE, ""),
    "a ramp that nobody looked at": (cli_ramps.SCENES["unseen"], FINDING + LATE, ""),
}  # fmt: skip


@pytest.mark.parametrize(("told", "now", "what"), ROWS.values(), ids=ROWS)
def test_only_what_nothing_explains_is_overdue(told: Json, now: datetime, what: str) -> None:
    found = overdue(read(told), now)
    assert (found.what if found else "") == what


@pytest.mark.parametrize("scene", sorted({*cli_ramps.SCENES} - {"abandoned"}))
def test_nothing_is_overdue_while_an_operator_looks(scene: str) -> None:
    assert overdue(read(cli_ramps.SCENES[scene]), cli_ramps.now_of(scene)) is None


def test_what_is_due_first_is_told_with_its_instant_and_where_to_look() -> None:
    told = overdue(read(ramp()), FINDING + 6 * MINUTE)
    assert told is not None
    assert told.words == (
        "no operator seems to look: the finding of 2026-11-24T12:03:15Z is 6m overdue:"
        " kubectl -n rampguard-system get pods"
    )
    ended = overdue(read(ramp(**NO_FINDING)), END + 6 * MINUTE)
    assert ended is not None
    assert "the end of the soak, 2026-11-24T12:03:15Z is 6m overdue" in ended.words
