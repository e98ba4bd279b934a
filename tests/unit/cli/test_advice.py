"""What a person is told to do next: a sentence for each way to be stuck, or to end."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import cli_ramps
from rampguard.cli.advice import needs_you, next_steps
from rampguard.cli.overdue import SEE
from rampguard.cli.record import read

TROUBLE = Path(__file__).parents[3] / "docs" / "troubleshooting.md"
RETRY = "kubectl ramp retry tree-50 -n app"
KEEP = "put ROLLOUT=50 into your manifests: the next apply or sync takes it back otherwise"
ENDS: dict[str, list[str]] = {
    "completed": [KEEP],
    "inconclusive": [KEEP],
    "at-goal": ["nothing: it ran the goal before the ramp"],
    "aborted": [KEEP, f"fix the cause, then: {RETRY}"],
    "rolled-back": [f"fix the cause, then: {RETRY}"],
    "contested": [f"take ROLLOUT out of Git, then: {RETRY}"],
    "status-lost": ["to restore what the stamps carry: kubectl ramp abort tree-50 -n app"],
    "abandoned": [
        f"see whether an operator runs: {SEE}; the ramp goes on where it is then",
    ],
}


def blocked() -> list[str]:
    """Return every reason with which a ramp may be Blocked, as the documents list them."""
    section = TROUBLE.read_text(encoding="utf-8").partition("## It does not start")[2]
    table = section.partition("\n\n| ")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    return [one for one in rows if one != "Pending"]


def because_of(reason: str) -> Any:
    told = deepcopy(cli_ramps.SCENES["blocked"])
    ready = next(one for one in told["status"]["conditions"] if one["type"] == "Ready")
    ready["reason"] = reason
    return read(told)


@pytest.mark.parametrize(("scene", "steps"), ENDS.items(), ids=ENDS)
def test_what_is_next_is_told(scene: str, steps: list[str]) -> None:
    record = read(cli_ramps.SCENES[scene])
    assert next_steps(record, cli_ramps.now_of(scene)) == steps


def test_the_share_that_stays_is_the_one_that_runs() -> None:
    told = deepcopy(cli_ramps.SCENES["aborted"])
    for target in told["status"]["targets"]:
        target["observed"] = "25"
    assert next_steps(read(told), cli_ramps.NOW)[0].startswith("put ROLLOUT=25 into")


def test_there_are_many_reasons_to_be_blocked() -> None:
    assert {"InvalidSpec", "ProbeFailed", "ClusterUnreadable"} <= set(blocked())
    assert len(blocked()) > 20


@pytest.mark.parametrize("reason", blocked())
def test_for_every_reason_to_be_blocked_there_is_a_whole_sentence(reason: str) -> None:
    record = because_of(reason)
    (step,) = next_steps(record, cli_ramps.NOW)
    first, _, rest = step.partition("; ")
    assert (first, rest) == (needs_you(record, cli_ramps.NOW), "it starts by itself then")
    assert " " in first


def test_a_reason_of_a_later_version_has_a_whole_sentence_too() -> None:
    record = because_of("MoonFull")
    assert needs_you(record, cli_ramps.NOW) == "MoonFull"
    (step,) = next_steps(record, cli_ramps.NOW)
    assert step == "let what is told above hold; it starts by itself then"


STALLS = {"Blind": "let Prometheus answer", "PodsLost": "repair the pods"}


@pytest.mark.parametrize(("reason", "words"), STALLS.items(), ids=STALLS)
def test_for_every_way_to_stall_there_is_advice(reason: str, words: str) -> None:
    told = deepcopy(cli_ramps.SCENES["blind"])
    stalled = next(one for one in told["status"]["conditions"] if one["type"] == "Stalled")
    stalled["reason"] = reason
    (step,) = next_steps(read(told), cli_ramps.NOW)
    assert step.startswith(f"you: {words}; to go back: ")
