"""The verbs that read, against a kubectl that is a script."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import cli_ramps

SCENES = cli_ramps.SCENES
NOT_FOUND = 'Error from server (NotFound): experimentramps.rampguard.dev "tree-5" not found'


def items(*scenes: str) -> dict[str, Any]:
    named = [
        {**SCENES[one], "metadata": {**SCENES[one]["metadata"], "name": one}} for one in scenes
    ]
    return {"kind": "List", "items": named}


def event(scene: str, kind: str = "MODIFIED") -> str:
    return json.dumps({"type": kind, "object": SCENES[scene]}) + "\n"


def test_list_shows_a_table(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out=items("soaking", "blocked"))
    said = ramp("list", "-n", "app")
    assert (said.code, said.err) == (0, "")
    assert [row.split()[:2] for row in said.out.splitlines()] == [
        ["NAME", "PHASE"],
        ["blocked", "Blocked"],
        ["soaking", "Soaking"],
    ]
    assert "--namespace=app" in kubectl.calls()[0]


def test_list_of_all_namespaces_asks_for_them(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out=items("soaking"))
    said = ramp("-n", "other", "list", "-A")
    assert said.out.startswith("NAMESPACE")
    assert "--all-namespaces" in kubectl.calls()[0]
    assert not any("other" in argument for argument in kubectl.calls()[0])


def test_an_empty_list_says_so_beside_the_output(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out={"items": []})
    said = ramp("list", "-n", "app")
    assert (said.code, said.out, said.err) == (0, "", "There is no ramp in namespace app.\n")


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_cluster_may_be_named_before_or_after_the_verb(
    place: str, kubectl: Any, ramp: Any
) -> None:
    kubectl.on("get", out=SCENES["soaking"])
    chosen = ["--context", "prod", "--kubeconfig", "k.yaml", "--as", "mia", "-n", "app"]
    said = ramp(*chosen, "get", "tree-50") if place == "before" else ramp("get", *chosen, "tree-50")
    assert said.code == 0
    assert set(kubectl.calls()[0]) >= {
        "--context=prod",
        "--kubeconfig=k.yaml",
        "--as=mia",
        "--namespace=app",
    }


@pytest.mark.parametrize("name", ["tree-50", "ramp/tree-50", "experimentramps/tree-50"])
def test_a_ramp_may_be_named_as_kubectl_prints_it(name: str, kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out=SCENES["soaking"])
    assert ramp("get", name).code == 0
    assert kubectl.calls()[0][2] == "tree-50"


@pytest.mark.parametrize("verb", ["get", "explain", "status", "list"])
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_get_versioned_facts(verb: str, form: str, kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out=items("soaking") if verb == "list" else SCENES["soaking"])
    name = [] if verb == "list" else ["tree-50"]
    said = ramp(verb, *name, "-o", form)
    told = json.loads(said.out) if form == "json" else yaml.safe_load(said.out)
    assert told["apiVersion"] == "rampguard.dev/cli/v1"


CODES = {"completed": 0, "rolled-back": 1, "blocked": 1, "soaking": 2, "gate-start": 2, "unseen": 2}


@pytest.mark.parametrize(("scene", "code"), CODES.items(), ids=CODES)
def test_status_tells_the_phase_by_its_exit_code(
    scene: str, code: int, kubectl: Any, ramp: Any
) -> None:
    kubectl.on("get", out=SCENES[scene])
    said = ramp("status", "tree-50")
    assert said.code == code
    assert said.out.startswith(SCENES[scene].get("status", {"phase": "Pending"})["phase"])


def test_status_waits_for_the_end_with_a_line_per_change(kubectl: Any, ramp: Any) -> None:
    changes = event("soaking", "ADDED") + event("rolling-back") + event("rolled-back")
    kubectl.on("--watch", out=changes, stays=True).on("get", out=SCENES["applying"])
    said = ramp("status", "tree-50", "-w", "--timeout", "50s")
    phases = [row.split()[1] for row in said.out.splitlines()]
    assert said.code == 1
    assert (phases[0], phases[-1]) == ("Applying", "RolledBack")
    assert "8 of 8 pods proven at 50" in said.out
    assert "38.2%" in said.out


def long_ago(scene: str) -> dict[str, Any]:
    """Return a ramp of years ago, as an operator that died then left it."""
    return dict(json.loads(json.dumps(SCENES[scene]).replace('"2026-', '"2020-')))


@pytest.mark.parametrize("verb", ["get", "explain", "status"])
def test_a_ramp_that_no_operator_looks_at_is_told(verb: str, kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out=long_ago("soaking"))
    told = ramp(verb, "tree-50").out
    assert "no operator seems to look: the finding of 2020-11-24T12:03:15Z is " in told
    assert "kubectl -n rampguard-system get pods" in told


def test_the_list_says_which_ramps_no_operator_looks_at(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out={"items": [long_ago("soaking")]})
    assert "you: see whether an operator runs" in ramp("list").out


@pytest.mark.parametrize("verb", ["get", "explain", "status"])
def test_programs_are_told_what_is_overdue(verb: str, kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out=long_ago("soaking"))
    told = json.loads(ramp(verb, "tree-50", "-o", "json").out)
    assert told["overdue"] == {"what": "finding", "at": "2020-11-24T12:03:15Z"}
    assert told["needsYou"] == "see whether an operator runs"


def test_who_waits_for_a_dead_operator_is_told_once(kubectl: Any, ramp: Any) -> None:
    dead = json.dumps({"type": "MODIFIED", "object": long_ago("soaking")}) + "\n"
    kubectl.on("--watch", out=dead, stays=True).on("get", out=SCENES["applying"])
    said = ramp("status", "tree-50", "-w", "--timeout", "5s")
    assert said.code == 2
    assert said.out.count("no operator seems to look") == 1


def test_a_ramp_is_watched_as_a_list_of_one(kubectl: Any, ramp: Any) -> None:
    kubectl.on("--watch", out=event("completed"), stays=True).on("get", out=SCENES["soaking"])
    ramp("status", "tree-50", "-w")
    (watch,) = (call for call in kubectl.calls() if "--watch" in call)
    assert "--field-selector=metadata.name=tree-50" in watch


def test_status_without_a_change_prints_nothing_twice(kubectl: Any, ramp: Any) -> None:
    same = event("soaking") * 5 + event("completed")
    kubectl.on("--watch", out=same).on("get", out=SCENES["soaking"])
    said = ramp("status", "tree-50", "-w")
    assert said.code == 0
    assert [row.split()[1] for row in said.out.splitlines()].count("Soaking") == 1


def test_status_ends_when_the_ramp_is_blocked(kubectl: Any, ramp: Any) -> None:
    kubectl.on("--watch", out=event("blocked"), stays=True).on("get", out=SCENES["pending"])
    assert ramp("status", "tree-50", "-w").code == 1


def test_status_gives_up_at_its_timeout(kubectl: Any, ramp: Any) -> None:
    kubectl.on("--watch", stays=True).on("get", out=SCENES["gate-breach"])
    said = ramp("status", "tree-50", "-w", "--timeout", "1s")
    assert said.code == 2
    assert said.err == "the time to wait is over; tree-50 is still AwaitingApproval\n"


def test_a_watch_that_the_server_ends_is_begun_anew(kubectl: Any, ramp: Any) -> None:
    kubectl.on("--watch", out=event("soaking"), once=True)
    kubectl.on("--watch", out=event("completed"), stays=True)
    kubectl.on("get", out=SCENES["soaking"])
    assert ramp("status", "tree-50", "-w").code == 0


def test_a_watch_that_is_not_allowed_falls_back_to_asking(kubectl: Any, ramp: Any) -> None:
    kubectl.on("--watch", err="Error from server (Forbidden): no watch", code=1)
    kubectl.on("get", out=SCENES["soaking"], once=True).on("get", out=SCENES["completed"])
    assert ramp("status", "tree-50", "-w").code == 0


def test_a_ramp_that_is_deleted_meanwhile_is_told(kubectl: Any, ramp: Any) -> None:
    kubectl.on("--watch", out=event("soaking", "DELETED")).on("get", out=SCENES["soaking"])
    said = ramp("status", "tree-50", "-w")
    assert (said.code, said.err) == (1, "error: tree-50 was deleted; it was Soaking\n")


def test_status_follows_in_json_as_well(kubectl: Any, ramp: Any) -> None:
    kubectl.on("--watch", out=event("completed")).on("get", out=SCENES["soaking"])
    said = ramp("status", "tree-50", "-w", "-o", "json")
    assert [json.loads(row)["phase"] for row in said.out.splitlines()] == ["Soaking", "Completed"]


def test_get_without_a_terminal_prints_a_line_per_change(kubectl: Any, ramp: Any) -> None:
    kubectl.on("--watch", out=event("rolled-back")).on("get", out=SCENES["soaking"])
    said = ramp("get", "tree-50", "-w")
    assert said.code == 0
    assert "\x1b" not in said.out
    assert said.out.splitlines()[-1].split()[1] == "RolledBack"


def test_an_indented_watch_is_read_too(kubectl: Any, ramp: Any) -> None:
    told = json.dumps({"type": "MODIFIED", "object": SCENES["completed"]}, indent=4) + "\n"
    kubectl.on("--watch", out=told).on("get", out=SCENES["soaking"])
    assert ramp("status", "tree-50", "-w").code == 0


def test_an_interrupt_ends_with_its_own_code(kubectl: Any) -> None:
    kubectl.on("--watch", stays=True).on("get", out=SCENES["soaking"])
    # Tests that are run in the background ignore interrupts, and their children would, too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "rampguard.cli", "status", "tree-50", "-w"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "interrupted")


def test_a_broken_pipe_is_no_error_of_ours(kubectl: Any) -> None:
    kubectl.on("get", out={"items": [SCENES["soaking"]] * 5000})
    process = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m rampguard.cli list | head -n 1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (process.stderr, process.stdout[:4]) == ("", "NAME")


FAILURES = {
    "no server": (
        "The connection to the server localhost:8080 was refused - did you specify the right host?",
        ["refused", "kubectl get --raw /readyz", "--context"],
    ),
    "no right": (
        'Error from server (Forbidden): experimentramps is forbidden: User "mia" cannot list it',
        ["cannot list ramps in namespace app", 'User "mia" cannot', "roles view and edit"],
    ),
    "no CRD": (
        'error: the server doesn\'t have a resource type "experimentramps"',
        ["Rampguard is not installed", "--context", "helm"],
    ),
    "no such context": (
        'error: context "prod" does not exist',
        ['context "prod" does not exist', "--context"],
    ),
    "no context of that name in a kubeconfig": (
        "Error in configuration: context was not found for specified context: nope",
        ["context was not found", "--context"],
    ),
    "no such namespace": (
        'Error from server (NotFound): namespaces "app" not found',
        ['namespaces "app" not found', "kubectl ramp list -A"],
    ),
    "no login": (
        "error: You must be logged in to the server (Unauthorized)",
        ["You must be logged in"],
    ),
    "log lines before it": (
        "E1124 01:00:00.000000    7 memcache.go:265] no list\nUnable to connect to the server: EOF",
        ["Unable to connect"],
    ),
    "nothing at all": ("", ["kubectl gave no reason"]),
    "an escape": ("error: \x1b[2Jgone", ["gone"]),
}


@pytest.mark.parametrize(("words", "told"), FAILURES.values(), ids=FAILURES)
def test_a_failure_says_what_where_and_what_to_do(
    words: str, told: list[str], kubectl: Any, ramp: Any
) -> None:
    kubectl.on("get", err=words, code=1)
    said = ramp("list", "-n", "app")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("error: ")
    assert [part for part in told if part not in said.err] == []
    assert "memcache.go" not in said.err
    assert "\x1b" not in said.err


def test_a_name_that_is_not_there_is_answered_with_near_ones(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", "tree-5", err=NOT_FOUND, code=1)
    kubectl.on("get", out={"items": [SCENES["soaking"]]})
    said = ramp("get", "tree-5", "-n", "app")
    assert (said.code, said.err) == (
        3,
        "error: no ramp tree-5 in namespace app; there are: tree-50\n",
    )


def test_a_name_in_an_empty_namespace_is_answered_with_where_to_look(
    kubectl: Any, ramp: Any
) -> None:
    kubectl.on("get", "tree-5", err=NOT_FOUND, code=1).on("get", out={"items": []})
    assert "kubectl ramp list -A" in ramp("get", "tree-5").err


def test_no_kubectl_is_told_with_where_to_get_it(ramp: Any, tmp_path: Path) -> None:
    said = ramp("list", PATH=str(tmp_path))
    assert said.code == 3
    assert "kubectl is not on the PATH" in said.err
    assert "https://kubernetes.io/docs/tasks/tools/" in said.err


def test_an_answer_that_is_no_json_is_told(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", out="<html>login</html>")
    said = ramp("list")
    assert (said.code, "something else than JSON" in said.err) == (3, True)


def test_an_output_without_unicode_gets_the_plain_marks(kubectl: Any, program: Any) -> None:
    kubectl.on("get", out=SCENES["soaking"])
    said = program("get", "tree-50", PYTHONIOENCODING="ascii")
    assert said.out.isascii()
    assert "|-+ api" in said.out


def test_explain_tells_who_asked_and_the_reason_given(kubectl: Any, ramp: Any) -> None:
    scene = SCENES["aborted"]
    notes = {"rampguard.dev/requested-by": "mia", "rampguard.dev/abort-reason": "INC-12"}
    kubectl.on("get", out={**scene, "metadata": {**scene["metadata"], "annotations": notes}})
    told = ramp("explain", "tree-50").out
    assert "The last request was made by mia" in told
    assert "Reason given for the abort: INC-12" in told


def test_a_ramp_that_is_being_deleted_says_so(kubectl: Any, ramp: Any) -> None:
    scene = SCENES["soaking"]
    gone = {**scene["metadata"], "deletionTimestamp": "2026-11-23T19:00:00Z"}
    kubectl.on("get", out={**scene, "metadata": gone})
    assert ", being deleted" in ramp("get", "tree-50").out


REPLICAS: dict[str, tuple[dict[str, Any], str]] = {
    "one that runs": ({"spec": {"replicas": 1}, "status": {"readyReplicas": 1}}, "1 of 1 ready"),
    "one that is dead": ({"spec": {"replicas": 1}, "status": {}}, "0 of 1 ready"),
    "none that is wanted": ({"spec": {"replicas": 0}}, "0 of 0 ready"),
    "numbers that are none": (
        {"spec": {"replicas": "x"}, "status": {"readyReplicas": []}},
        "0 of 1 ready",
    ),
}


@pytest.mark.parametrize(("more", "ready"), REPLICAS.values(), ids=REPLICAS)
def test_version_names_the_operators_and_how_many_run(
    more: dict[str, Any], ready: str, kubectl: Any, ramp: Any
) -> None:
    labels = {"app.kubernetes.io/version": "0.1.0"}
    meta = {"name": "rampguard", "namespace": "rampguard-system", "labels": labels}
    kubectl.on("deployments.apps", out={"items": [{"metadata": meta, **more}]})
    said = ramp("version")
    assert said.code == 0
    assert f"operator      0.1.0, rampguard-system/rampguard, {ready}\n" in said.out
    (told,) = json.loads(ramp("version", "-o", "json").out)["operators"]
    assert f"{told['ready']} of {told['replicas']} ready" == ready


def test_version_of_the_client_asks_nobody(kubectl: Any, ramp: Any) -> None:
    said = ramp("version", "--client", "-o", "json")
    assert (said.code, json.loads(said.out)["kind"], kubectl.calls()) == (0, "Version", [])


def test_version_still_tells_its_own_where_no_cluster_answers(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", err="Unable to connect to the server: EOF", code=1)
    said = ramp("version")
    assert (said.code, said.out[:12]) == (3, "kubectl ramp")


def test_the_environment_of_the_tests_has_a_fake_kubectl_first(kubectl: Any) -> None:
    assert os.environ["PATH"].startswith(str(kubectl.home))
