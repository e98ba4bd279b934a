"""The exit codes, a row per state of a ramp."""

import pytest

import cli_ramps
from rampguard.cli.exits import Exit, exit_of
from rampguard.cli.record import read
from rampguard.core.model import Phase

CODES = {
    Phase.PENDING: 2,
    Phase.BLOCKED: 1,
    Phase.APPLYING: 2,
    Phase.SOAKING: 2,
    Phase.PAUSED: 2,
    Phase.AWAITING_APPROVAL: 2,
    Phase.ROLLING_BACK: 2,
    Phase.COMPLETED: 0,
    Phase.ROLLED_BACK: 1,
    Phase.ABORTED: 1,
    Phase.CONTESTED: 1,
}


@pytest.mark.parametrize(("phase", "code"), CODES.items())
def test_each_phase_has_its_exit_code(phase: Phase, code: int) -> None:
    assert exit_of(phase, spec_seen=True) == code


def test_no_phase_is_without_a_code() -> None:
    assert set(CODES) == set(Phase)


def test_a_phase_of_a_newer_operator_is_still_running() -> None:
    assert exit_of("Levitating", spec_seen=True) is Exit.RUNNING


def test_a_refusal_of_an_older_spec_is_no_refusal() -> None:
    assert exit_of("Blocked", spec_seen=False) is Exit.RUNNING


@pytest.mark.parametrize("phase", ["Completed", "RolledBack"])
def test_an_end_stays_an_end_whatever_is_written_after_it(phase: str) -> None:
    assert exit_of(phase, spec_seen=False) == exit_of(phase, spec_seen=True)


def test_a_blocked_ramp_whose_spec_was_just_edited_is_waited_for() -> None:
    ramp = cli_ramps.SCENES["blocked"]
    edited = {**ramp, "metadata": {**ramp["metadata"], "generation": 2}}
    assert (read(ramp).exit, read(edited).exit) == (Exit.REFUSED, Exit.RUNNING)
