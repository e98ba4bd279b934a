import os
import subprocess
import sys
from pathlib import Path

import pytest
from skilltree.config import Config, ConfigError, read_config

SKILL_TREE = Path(__file__).parents[3] / "examples" / "skill-tree"


def test_an_empty_environment_is_a_rollout_of_0_without_harm() -> None:
    assert read_config({}) == Config(rollout=0, faults=False)


@pytest.mark.parametrize("value", ["0", "7", "10", "50", "100", "010"])
def test_a_whole_percentage_is_read(value) -> None:
    assert read_config({"SKILL_TREE_LIST_ROLLOUT": value}).rollout == int(value)


@pytest.mark.parametrize(
    "value", ["", " 10", "10 ", "10%", "-1", "101", "1e1", "5.0", "ten", "\u0665"]
)
def test_anything_else_is_refused_with_the_name_of_the_variable(value) -> None:
    with pytest.raises(ConfigError, match=r"SKILL_TREE_LIST_ROLLOUT is .* from 0 to 100"):
        read_config({"SKILL_TREE_LIST_ROLLOUT": value})


WRONG = {
    "START_DELAY_SECONDS": "soon",
    "CRASH_WHEN_ROLLOUT": "always",
    "LAB_FAULTS": "yes",
    "EVENTS_MAX_MB": "0",
}


@pytest.mark.parametrize(("name", "value"), WRONG.items(), ids=WRONG)
def test_every_other_variable_is_checked_too(name, value) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '{value}'"):
        read_config({name: value})


def test_all_is_read() -> None:
    env = {
        "SKILL_TREE_LIST_ROLLOUT": "10",
        "START_DELAY_SECONDS": "2.5",
        "EVENTS_DIR": "/events",
        "EVENTS_MAX_MB": "2",
        "WORKER_URL": "http://worker:8080",
        "HOSTNAME": "api-7d-x",
        "LAB_FAULTS": "1",
        "CRASH_WHEN_ROLLOUT": "50",
    }
    assert read_config(env) == Config(
        rollout=10,
        start_delay=2.5,
        events_dir=Path("/events"),
        events_max_bytes=2 * 2**20,
        worker_url="http://worker:8080",
        pod="api-7d-x",
        faults=True,
    )


def test_a_rollout_can_be_told_to_crash() -> None:
    with pytest.raises(ConfigError, match="CRASH_WHEN_ROLLOUT"):
        read_config({"SKILL_TREE_LIST_ROLLOUT": "50", "CRASH_WHEN_ROLLOUT": "50"})


@pytest.mark.parametrize("tier", ["api", "worker"])
def test_a_process_with_a_bad_value_says_so_and_ends(tier) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "skilltree", tier],
        env=os.environ | {"SKILL_TREE_LIST_ROLLOUT": "ten", "PYTHONPATH": str(SKILL_TREE)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    told = "Error: SKILL_TREE_LIST_ROLLOUT is 'ten': a whole number from 0 to 100 is needed\n"
    assert done.stderr == told
