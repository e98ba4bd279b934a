"""What the object of an earlier ramp says of it, as its operator wrote it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cli_ramps import (
    BREACH,
    SILENT,
    UNSURE,
    fast,
    look_at,
    manifest,
    ramp_after,
    to_the_soak,
    within,
)
from rampguard.api.precursor import to_precursor
from rampguard.core.model import Observation, State
from rampguard.core.require import Precursor
from rampguard.ports import InvalidSpec, Json
from scenes import DAY, HOUR, MINUTE, TEMPO, T, before, covered, look, pair, seen

SOAK = to_the_soak()
OVER = (look_at(HOUR), look_at(6 * HOUR), look_at(DAY))
QUIET = {
    "guardrails": [
        {"name": "share", "type": "ExposureBalance", "tolerance": 5, "dryRun": True},
        {"name": "p95", "type": "Threshold", "query": "p95", "max": "0.8"},
    ]
}


def blind_from(start: timedelta, end: timedelta) -> tuple[object, ...]:
    return look_at(start, *SILENT), look_at(end)


def accepted_breach(minutes: int) -> tuple[object, ...]:
    return look_at(minutes * MINUTE, *BREACH), {"approve": "breach"}, look_at(2 * HOUR, *BREACH)


GOOD = Precursor(
    env="ROLLOUT",
    to=50,
    phase="Completed",
    ended_at=T + 3 * MINUTE + DAY,
    watched=True,
    soaked=DAY,
    conclusive=True,
)

RAMPS: dict[str, tuple[Json, dict[str, object]]] = {
    "one that passed": (ramp_after(*SOAK, *OVER), {}),
    "one that was blind for a while": (
        ramp_after(*SOAK, *blind_from(HOUR, 3 * HOUR), look_at(6 * HOUR), look_at(DAY)),
        {"blind": 2 * HOUR}),
    "one that could not show all": (
        ramp_after(*SOAK, look_at(HOUR), look_at(6 * HOUR), look_at(DAY, *UNSURE)),
        {"conclusive": False}),
    "one that had harm which a person accepted": (
        ramp_after(*SOAK, *accepted_breach(80), look_at(6 * HOUR), look_at(DAY),
                   spec={"onFailure": "Hold"}),
        {"breached": True, "conclusive": False}),
    "one that was blind at its end, by policy": (
        ramp_after(*SOAK, look_at(HOUR), look_at(6 * HOUR), look_at(DAY, *SILENT),
                   look_at(DAY + HOUR, *SILENT), spec={"noData": "Ignore"}),
        {"blind_at_end": True, "conclusive": False, "blind": HOUR}),
    "one whose dry run broke and was blind": (
        ramp_after(*SOAK, look_at(HOUR, BREACH[0], fast()), look_at(6 * HOUR),
                   look_at(DAY, SILENT[0], fast()), spec=QUIET), {}),
}  # fmt: skip


@pytest.mark.parametrize(("ramp", "facts"), RAMPS.values(), ids=RAMPS)
def test_what_a_completed_ramp_has_shown(ramp: Json, facts: dict[str, object]) -> None:
    told = to_precursor(ramp)
    known = {"ended_at": told.ended_at, "because": told.because, "soaked": told.soaked}
    assert told == replace(GOOD, **{**known, **facts})
    assert told.ended_at is not None
    assert told.ended_at - GOOD.ended_at < 2 * HOUR  # type: ignore[operator]  # it has one
    assert told.because
    assert DAY <= told.soaked < DAY + 2 * HOUR


def test_the_times_of_an_end_are_those_of_the_ramp() -> None:
    told = to_precursor(ramp_after(*SOAK, *OVER))
    assert told.ended_at == T + 3 * MINUTE + DAY + 2 * TEMPO.scrape
    assert told.soaked == DAY + TEMPO.scrape


def test_every_soak_of_a_ramp_in_steps_counts() -> None:
    def quarter(state: State) -> Observation:
        at = state.stage.since + HOUR  # type: ignore[union-attr]  # it soaks
        taken = look(at - T, judgements=(within(), fast()))
        taken = replace(taken, evidence=state.stage.evidence)  # type: ignore[union-attr]
        return seen(*pair(25), after=at - T + TEMPO.scrape, looks=(taken,))

    steps = (before(), *(seen(*pair(25), after=n * MINUTE) for n in (3, 4)), quarter)
    there = seen(*pair(50, coverage=covered()), after=2 * HOUR)
    told = to_precursor(ramp_after(*steps, there, *OVER, spec={"steps": [25]}))
    assert (told.phase, told.soaked) == ("Completed", HOUR + DAY + TEMPO.scrape)


@pytest.mark.parametrize(
    ("ramp", "phase"),
    [
        (manifest(), "not looked at yet"),
        (ramp_after(before(signals=("none",))), "Blocked"),
        (ramp_after(*SOAK, look_at(HOUR)), "Soaking"),
    ],
)
def test_of_a_ramp_that_goes_on_only_its_phase_is_told(ramp: Json, phase: str) -> None:
    assert to_precursor(ramp) == Precursor(env="ROLLOUT", to=50, phase=phase)


def test_a_ramp_that_went_back_says_so() -> None:
    broken = (*SOAK, look_at(HOUR), look_at(80 * MINUTE, *BREACH))
    back = (seen(*pair(10), after=n * MINUTE) for n in (90, 91))
    told = to_precursor(ramp_after(*broken, *back))
    assert (told.phase, told.breached, told.watched) == ("RolledBack", True, False)


def test_a_goal_that_stood_there_before_was_not_watched() -> None:
    told = to_precursor(ramp_after(seen(*pair(50, coverage=None))))
    assert (told.phase, told.watched, told.soaked) == ("Completed", False, timedelta(0))


def test_a_soak_that_is_extended_after_its_end_makes_blindness_no_shorter() -> None:
    ramp = ramp_after(*SOAK, *blind_from(HOUR, 4 * HOUR), look_at(6 * HOUR), look_at(DAY))
    ramp["spec"]["soak"] = "720h"
    told = to_precursor(ramp)
    assert (told.blind, told.soaked) == (3 * HOUR, DAY + TEMPO.scrape)


def test_what_cannot_be_read_is_no_evidence() -> None:
    ramp = ramp_after(*SOAK, *OVER)
    ramp["status"]["engine"] = "{}"
    with pytest.raises(InvalidSpec, match="damaged"):
        to_precursor(ramp)
    with pytest.raises(InvalidSpec, match="experiment"):
        to_precursor({**ramp, "spec": {}})


def test_a_status_that_people_can_read_is_not_what_is_believed() -> None:
    """Who edits the phase by hand makes no smoke test of it: the operator's own line counts."""
    ramp = ramp_after(*SOAK, look_at(HOUR))
    ramp["status"] |= {"phase": "Completed", "watched": True}
    told = to_precursor(ramp)
    assert (told.ended_at, told.watched) == (None, False)
