"""The verbs that ask something of a ramp: what each writes, and when it writes nothing."""

import os
import pty
import subprocess
import sys
from typing import Any

import pytest

import cli_ramps

SCENES = cli_ramps.SCENES
ME = {"status": {"userInfo": {"username": "anna@example.com"}}}


def with_ramp(kubectl: Any, scene: str, **spec: object) -> Any:
    ramp = SCENES[scene]
    kubectl.on("whoami", out=ME).on("current-context", out="prod\n")
    kubectl.on("patch", out="patched")
    return kubectl.on("get", out={**ramp, "spec": {**ramp["spec"], **spec}})


def written(kubectl: Any) -> Any:
    """Return the spec of the only patch."""
    (patch,) = kubectl.patches()
    assert set(patch) == {"metadata", "spec"}
    return patch["spec"]


WRITES = {
    "pause": (["pause"], "soaking", {"paused": True}),
    "approve the open gate": (["approve", "--yes"], "gate-breach", {"approve": "breach"}),
    "approve by name": (["approve", "breach", "--yes"], "gate-breach", {"approve": "breach"}),
    "approve by option": (
        ["approve", "--gate", "start", "-y"],
        "gate-start",
        {"approve": "start"},
    ),
    "abort": (["abort", "--yes"], "soaking", {"abort": "Rollback"}),
    "abort and keep": (["abort", "--keep", "--yes"], "soaking", {"abort": "Keep"}),
    "abort a gate": (["abort", "--yes"], "gate-breach", {"abort": "Rollback"}),
    "abort before the start": (["abort", "--yes"], "blocked", {"abort": "Rollback"}),
    "abort what lost its status": (["abort", "--yes"], "status-lost", {"abort": "Rollback"}),
}


@pytest.mark.parametrize(("verb", "scene", "spec"), WRITES.values(), ids=WRITES)
def test_each_verb_writes_one_field_of_the_spec(
    verb: list[str], scene: str, spec: dict[str, object], kubectl: Any, ramp: Any
) -> None:
    with_ramp(kubectl, scene)
    said = ramp(verb[0], "tree-50", *verb[1:], "-n", "app")
    assert (said.code, written(kubectl)) == (0, spec)


def test_resume_takes_the_request_away(kubectl: Any, ramp: Any) -> None:
    with_ramp(kubectl, "paused")
    assert ramp("resume", "tree-50").code == 0
    assert written(kubectl) == {"paused": None}


def test_a_request_says_who_asked_and_of_which_object(kubectl: Any, ramp: Any) -> None:
    with_ramp(kubectl, "soaking")
    ramp("pause", "tree-50")
    assert kubectl.patches()[0]["metadata"] == {
        "uid": "uid-of-the-ramp",
        "annotations": {"rampguard.dev/requested-by": "anna@example.com"},
    }


def test_a_request_of_nobody_known_is_not_signed_by_the_one_before(kubectl: Any, ramp: Any) -> None:
    kubectl.on("whoami", err="error: unknown command", code=1).on("patch")
    kubectl.on("get", out=SCENES["soaking"])
    ramp("pause", "tree-50")
    assert kubectl.patches()[0]["metadata"]["annotations"] == {"rampguard.dev/requested-by": None}


def test_a_reason_is_written_beside_the_abort(kubectl: Any, ramp: Any) -> None:
    with_ramp(kubectl, "soaking")
    ramp("abort", "tree-50", "--yes", "--reason", "INC-12\n  is open " + "x" * 999)
    told = kubectl.patches()[0]["metadata"]["annotations"]["rampguard.dev/abort-reason"]
    assert told.startswith("INC-12 is open xxx")
    assert len(told) == 256


def test_a_patch_goes_to_the_namespace_of_the_object(kubectl: Any, ramp: Any) -> None:
    with_ramp(kubectl, "soaking")
    ramp("pause", "tree-50")
    (patch,) = (call for call in kubectl.calls() if call[0] == "patch")
    assert [one for one in patch if one.startswith("--namespace")] == ["--namespace=app"]


def test_verbose_prints_the_equal_command(kubectl: Any, ramp: Any) -> None:
    with_ramp(kubectl, "soaking")
    said = ramp("abort", "tree-50", "--keep", "--yes", "-v")
    assert said.err.startswith("kubectl patch ramp tree-50 -n app --type=merge -p '{")
    assert '"spec":{"abort":"Keep"}}' in said.err
    assert said.out == "abort asked for; 50% stays\n"


REFUSED = {
    "pause what has ended": (["pause"], "rolled-back", "has ended: it is RolledBack"),
    "pause a rollback": (["pause"], "rolling-back", "a rollback is not paused"),
    "resume what has ended": (["resume"], "completed", "has ended"),
    "abort what has ended": (["abort", "--yes"], "completed", "has ended"),
    "abort a rollback": (["abort", "--yes"], "rolling-back", "is rolling back already"),
    "approve without a gate": (["approve", "--yes"], "soaking", "no gate of tree-50 is open"),
    "approve what has ended": (["approve", "--yes"], "aborted", "has ended"),
    "approve another gate": (
        ["approve", "step-3", "--yes"],
        "gate-breach",
        "the open gate is breach, not step-3; nothing was changed",
    ),
}


@pytest.mark.parametrize(("verb", "scene", "words"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_and_not_written(
    verb: list[str], scene: str, words: str, kubectl: Any, ramp: Any
) -> None:
    with_ramp(kubectl, scene)
    said = ramp(verb[0], "tree-50", *verb[1:])
    assert (said.code, kubectl.patches()) == (1, [])
    assert words in said.err
    assert "nothing was changed" in said.err


ASKED_ALREADY = {
    "paused": (["pause"], "soaking", {"paused": True}, 0),
    "not paused": (["resume"], "soaking", {}, 0),
    "approved": (["approve", "--yes"], "gate-breach", {"approve": "breach"}, 0),
    "aborted": (["abort", "--yes"], "soaking", {"abort": "Rollback"}, 0),
    "aborted in the other way": (["abort", "--keep", "--yes"], "soaking", {"abort": "Rollback"}, 1),
}


@pytest.mark.parametrize("asked", ASKED_ALREADY.values(), ids=ASKED_ALREADY)
def test_what_was_asked_already_is_not_written_again(asked: Any, kubectl: Any, ramp: Any) -> None:
    verb, scene, spec, code = asked
    with_ramp(kubectl, scene, **spec)
    said = ramp(verb[0], "tree-50", *verb[1:])
    assert (said.code, kubectl.patches()) == (code, [])


@pytest.mark.parametrize("verb", [["abort"], ["approve"]], ids=["abort", "approve"])
def test_a_question_without_a_terminal_is_a_usage_error(
    verb: list[str], kubectl: Any, program: Any
) -> None:
    with_ramp(kubectl, "gate-breach")
    said = program(*verb, "tree-50")
    assert said.code == 64
    assert said.err.endswith("error: not a terminal; add --yes\n")
    assert kubectl.patches() == []


def answered(words: str, *arguments: str) -> tuple[int, str]:
    """Run a verb with a terminal at its input, and type something."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rampguard.cli", *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(theirs)
    os.write(ours, f"{words}\n".encode())
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    return process.returncode, out


def test_approve_names_place_and_person_and_asks(kubectl: Any) -> None:
    with_ramp(kubectl, "gate-breach")
    code, told = answered("y", "approve", "tree-50")
    assert (code, written(kubectl)) == (0, {"approve": "breach"})
    assert "api, worker in namespace app, context prod" in told
    assert "1h within tolerance, 1h20m BREACHED" in told
    assert "Approve as anna@example.com? [y/N]" in told


def test_no_is_the_answer_unless_yes_is_typed(kubectl: Any) -> None:
    with_ramp(kubectl, "gate-breach")
    code, told = answered("", "approve", "tree-50")
    assert (code, kubectl.patches()) == (1, [])
    assert told.endswith("nothing was changed\n")


def test_abort_wants_the_name_typed(kubectl: Any) -> None:
    with_ramp(kubectl, "soaking")
    code, told = answered("tree-50", "abort", "tree-50")
    assert (code, written(kubectl)) == (0, {"abort": "Rollback"})
    assert "set ROLLOUT back to 10 on api, worker in namespace app, context prod?" in told
    assert "This cannot be taken back." in told
    assert "follow it with: kubectl ramp get tree-50 -n app -w" in told


def test_another_name_typed_aborts_nothing(kubectl: Any) -> None:
    with_ramp(kubectl, "soaking")
    code, told = answered("tree-5", "abort", "tree-50")
    assert (code, kubectl.patches()) == (1, [])
    assert "that is not tree-50; nothing was changed" in told


DENIALS = {
    "an admission policy": "Error from server (Forbidden): experimentramps is forbidden:"
    " ValidatingAdmissionPolicy 'x' denied request: set the annotation",
    "a rule of the schema": 'The ExperimentRamp "tree-50" is invalid: spec: the ramp has started',
    "another object of that name": "Error from server (Conflict): Precondition failed: UID",
}


@pytest.mark.parametrize("words", DENIALS.values(), ids=DENIALS)
def test_a_refusal_of_the_api_server_is_told_in_its_words(
    words: str, kubectl: Any, ramp: Any
) -> None:
    kubectl.on("whoami", out=ME).on("patch", err=words, code=1)
    kubectl.on("get", out=SCENES["soaking"])
    said = ramp("pause", "tree-50")
    assert (said.code, said.out) == (1, "")
    assert words.rpartition(": ")[2] in said.err


def test_a_missing_right_to_write_is_unreached(kubectl: Any, ramp: Any) -> None:
    words = 'Error from server (Forbidden): "tree-50" is forbidden: User "mia" cannot patch'
    kubectl.on("whoami", out=ME).on("patch", err=words, code=1)
    kubectl.on("get", out=SCENES["soaking"])
    said = ramp("pause", "tree-50")
    assert said.code == 3
    assert "roles view and edit" in said.err
