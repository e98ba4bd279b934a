"""What `kubectl ramp` shows in every phase, whole screens against files."""

import json
from collections.abc import Callable

import pytest

import cli_ramps
from rampguard.api.v1alpha1 import to_ask
from rampguard.cli import facts
from rampguard.cli.explain import explanation
from rampguard.cli.record import read
from rampguard.cli.symbols import ASCII, UNICODE
from rampguard.cli.text import plain
from rampguard.cli.view import listing, status_line, tree

Golden = Callable[[str, str], None]
PHASES = {
    "unseen": "Pending",
    "pending": "Pending",
    "blocked": "Blocked",
    "in-git": "Blocked",
    "unmet": "Blocked",
    "gate-start": "AwaitingApproval",
    "applying": "Applying",
    "soaking": "Soaking",
    "abandoned": "Soaking",
    "probed": "Soaking",
    "misassigned": "RolledBack",
    "silent": "Blocked",
    "inconclusive": "Completed",
    "stepped": "Soaking",
    "paused": "Paused",
    "blind": "Soaking",
    "held": "Soaking",
    "gate-breach": "AwaitingApproval",
    "rolling-back": "RollingBack",
    "rolled-back": "RolledBack",
    "aborted": "Aborted",
    "contested": "Contested",
    "status-lost": "Contested",
    "completed": "Completed",
    "at-goal": "Completed",
}


def named(scene: str) -> dict[str, object]:
    ramp = cli_ramps.SCENES[scene]
    return {**ramp, "metadata": {**ramp["metadata"], "name": scene}}


@pytest.mark.parametrize("scene", PHASES)
def test_a_ramp_is_shown_as_a_tree(scene: str, golden: Golden) -> None:
    record, at = read(cli_ramps.SCENES[scene]), cli_ramps.now_of(scene)
    golden(f"cli/get-{scene}.txt", plain(tree(record, at, UNICODE)))


@pytest.mark.parametrize("scene", PHASES)
def test_a_ramp_is_explained(scene: str, golden: Golden) -> None:
    record, at = read(cli_ramps.SCENES[scene]), cli_ramps.now_of(scene)
    golden(f"cli/explain-{scene}.txt", plain(explanation(record, at, UNICODE)))


def test_ramps_are_listed(golden: Golden) -> None:
    records = [read(named(scene)) for scene in PHASES]
    golden("cli/list.txt", plain(listing(records, cli_ramps.NOW)))


def test_ramps_of_all_namespaces_are_listed(golden: Golden) -> None:
    records = [read(named(scene)) for scene in ("soaking", "blocked")]
    golden("cli/list-all.txt", plain(listing(records, cli_ramps.NOW, everywhere=True)))


def test_a_status_is_a_line(golden: Golden) -> None:
    records = {scene: read(cli_ramps.SCENES[scene]) for scene in PHASES}
    told = [
        f"{int(record.exit)}  {plain([status_line(record, cli_ramps.now_of(scene))])}"
        for scene, record in records.items()
    ]
    golden("cli/status.txt", "".join(told))


def test_the_tree_has_a_form_without_unicode(golden: Golden) -> None:
    shown = plain(tree(read(cli_ramps.SCENES["soaking"]), cli_ramps.NOW, ASCII))
    assert shown.isascii()
    golden("cli/get-soaking-ascii.txt", shown)


def test_the_tree_keeps_to_a_narrow_terminal(golden: Golden) -> None:
    record = read(cli_ramps.SCENES["blind"])
    shown = plain(tree(record, cli_ramps.NOW, UNICODE, width=80))
    assert max(map(len, shown.splitlines())) <= 80
    golden("cli/get-blind-80.txt", shown)


@pytest.mark.parametrize("scene", ["soaking", "rolled-back", "unseen", "abandoned"])
def test_programs_read_the_same_facts(scene: str, golden: Golden) -> None:
    record, at = read(cli_ramps.SCENES[scene]), cli_ramps.now_of(scene)
    told = {
        "status": facts.of_status(record, at),
        "get": facts.of_ramp(record, at),
        "explain": facts.of_explanation(record, at),
    }
    golden(f"cli/facts-{scene}.json", f"{json.dumps(told, indent=2)}\n")


def test_every_scene_is_the_phase_that_it_is_named_for() -> None:
    assert {scene: read(ramp).phase for scene, ramp in cli_ramps.SCENES.items()} == PHASES


def test_the_manifest_behind_the_screens_is_valid() -> None:
    assert to_ask(cli_ramps.MANIFEST).to == 50
