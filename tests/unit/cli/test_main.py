"""The command line itself: verbs, usage, completion, what is imported when, a live screen."""

import os
import pty
import subprocess
import sys
from typing import Any

import pytest

import cli_ramps
from rampguard.cli.completing import words
from rampguard.cli.main import ramp as group

NEAR = {
    "lst": "list",
    "stats": "status",
    "aprove": "approve",
    "rollback": "abort",
    "watch": "get",
    "undo": "abort",
    "describe": "explain",
}


@pytest.mark.parametrize(("typed", "meant"), NEAR.items())
def test_an_unknown_verb_is_answered_with_the_near_one(typed: str, meant: str, ramp: Any) -> None:
    said = ramp(typed)
    assert said.code == 64
    assert f"did you mean {meant}" in said.err


def test_a_verb_far_from_all_is_answered_with_all(ramp: Any) -> None:
    said = ramp("xyzzy")
    assert (said.code, "there are: abort, analyze" in said.err) == (64, True)


USAGE = {
    "no verb": [],
    "no name": ["get"],
    "two names": ["get", "a", "b"],
    "an unknown option": ["list", "--frobnicate"],
    "an unknown form": ["list", "-o", "xml"],
    "a name that is an option": ["get", "--", "--raw=/secrets"],
    "a name with a slash": ["get", "a/b"],
    "an empty name": ["get", ""],
    "a name with an escape": ["get", "a\x1b[31m"],
    "a timeout without a watch": ["status", "a", "--timeout", "1h"],
    "a timeout that is none": ["status", "a", "-w", "--timeout", "soon"],
    "a timeout of nothing": ["status", "a", "-w", "--timeout", "0s"],
    "a watch for programs": ["get", "a", "-w", "-o", "json"],
    "two gates": ["approve", "a", "start", "--gate", "breach"],
    "no file": ["lint"],
    "an unknown shell": ["completion", "tcsh"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_wrong_command_line_ends_with_64_and_asks_no_cluster(
    arguments: list[str], kubectl: Any, ramp: Any
) -> None:
    said = ramp(*arguments)
    assert (said.code, kubectl.calls()) == (64, [])
    assert "\x1b" not in said.err


@pytest.mark.parametrize("verb", ["", *sorted(group.commands)])
def test_every_verb_has_help(verb: str, ramp: Any) -> None:
    said = ramp(*([verb] if verb else []), "--help")
    assert (said.code, said.out[:6]) == (0, "Usage:")


HEAVY = ("pydantic", "rich", "yaml", "jinja2", "matplotlib", "kopf", "kubernetes")


@pytest.mark.parametrize("module", ["main", "commands", "requests", "completing", "versions"])
def test_what_only_some_verbs_need_is_not_imported_at_the_start(module: str) -> None:
    told = f"sorted(set({HEAVY}) & set(sys.modules))"
    code = f"import sys, rampguard.cli.{module}; print({told})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_kubectl_gets_verbs_to_complete() -> None:
    rows = words(group, ["ap"]).splitlines()
    assert rows[0].startswith("approve\t")
    assert rows[-1] == ":4"


def test_kubectl_gets_names_of_ramps_to_complete(kubectl: Any) -> None:
    kubectl.on("get", out={"items": [cli_ramps.SCENES["soaking"]]})
    assert words(group, ["get", "-n", "app", "tr"]) == "tree-50\n:4\n"
    assert "--namespace=app" in kubectl.calls()[0]


def test_kubectl_gets_open_gates_to_complete(kubectl: Any) -> None:
    kubectl.on("get", out=cli_ramps.SCENES["gate-breach"])
    assert words(group, ["approve", "tree-50", ""]) == "breach\n:4\n"


def test_completion_is_silent_where_no_cluster_answers(kubectl: Any) -> None:
    kubectl.on("get", err="Unable to connect to the server: EOF", code=1)
    assert words(group, ["get", ""]) == ":4\n"


def test_files_are_completed_where_a_file_is_wanted() -> None:
    assert words(group, ["lint", "-f", ""]).splitlines()[-1] == ":0"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_completes_the_program_itself(shell: str, ramp: Any) -> None:
    said = ramp("completion", shell)
    assert (said.code, "_KUBECTL_RAMP_COMPLETE" in said.out) == (0, True)


TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}


def on_a_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run a verb with a terminal at its output, and return what it drew."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rampguard.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
        env={
            "TERM": "xterm-256color",
            "COLUMNS": "120",
            "LINES": "40",
            **os.environ,
            **environment,
        },
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        drawn += chunk
    os.close(ours)
    return process.wait(timeout=60), drawn.decode()


def test_a_live_tree_is_redrawn_until_the_ramp_ends(kubectl: Any) -> None:
    import json  # noqa: PLC0415 - beside its use

    changes = "".join(
        json.dumps({"type": "MODIFIED", "object": cli_ramps.SCENES[one]}) + "\n"
        for one in ("rolling-back", "rolled-back")
    )
    kubectl.on("--watch", out=changes, stays=True).on("get", out=cli_ramps.SCENES["soaking"])
    code, drawn = on_a_terminal("get", "tree-50", "-w", NO_COLOR="")
    assert code == 0
    assert "RolledBack" in drawn
    assert "\x1b[?25h" in drawn, "the cursor is shown again"
    assert "\x1b[1;31m" in drawn, "what is bad is red"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})],
    ids=["--no-color", "NO_COLOR", "TERM=dumb"],
)
def test_colours_can_be_declined(
    arguments: list[str], environment: dict[str, str], kubectl: Any
) -> None:
    kubectl.on("get", out=cli_ramps.SCENES["rolled-back"])
    _, drawn = on_a_terminal("get", "tree-50", *arguments, **environment)
    assert "RolledBack" in drawn
    assert "\x1b[" not in drawn


def test_a_terminal_gets_colours(kubectl: Any) -> None:
    kubectl.on("get", out=cli_ramps.SCENES["rolled-back"])
    _, drawn = on_a_terminal("get", "tree-50", NO_COLOR="")
    assert "\x1b[31m" in drawn
