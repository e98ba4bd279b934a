"""The kind cluster: its configuration, and which contexts are ours; programs are scripts here."""

import json

import pytest
from lab import kind
from lab.steps import LabError


@pytest.fixture
def says(home):
    """Let a program of the lab's say something, and note what it is told."""

    def write(program: str, script: str):
        folder = home / "bin"
        folder.mkdir(exist_ok=True)
        made = folder / program
        made.write_text(f'#!/bin/sh\necho "$@" >> {home}/{program}.told\n{script}\n')
        made.chmod(0o755)
        return home / f"{program}.told"

    return write


def test_the_cluster_is_one_node_whose_ports_are_open_to_this_machine_alone():
    told = kind._config()
    assert (told["kind"], told["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    (node,) = told["nodes"]
    assert node["role"] == "control-plane"
    mapped = {(one["hostPort"], one["containerPort"]) for one in node["extraPortMappings"]}
    assert mapped == set(kind.PORTS.values())
    assert {one["listenAddress"] for one in node["extraPortMappings"]} == {"127.0.0.1"}


def test_an_offset_moves_what_is_outside_and_leaves_what_is_inside(monkeypatch):
    monkeypatch.setattr(kind, "PORTS", {"Prometheus": (30190, 30090)})
    (node,) = kind._config()["nodes"]
    (mapping,) = node["extraPortMappings"]
    assert (mapping["hostPort"], mapping["containerPort"]) == (30190, 30090)


def test_the_configuration_is_what_json_and_so_yaml_can_say():
    assert json.loads(json.dumps(kind._config())) == kind._config()


def test_the_context_of_this_lab_may_be_used(says):
    says("kubectl", f"echo {kind.CONTEXT}")
    kind.use_existing()


def test_the_context_of_another_lab_is_refused_with_the_variable_that_names_it(says):
    says("kubectl", "echo kind-rampguard-another")
    with pytest.raises(LabError, match="LAB_NAME=rampguard-another names it"):
        kind.use_existing()


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("echo production", "production"),
        ("echo kind-other", "kind-other"),
        ("echo my-kind-rampguard", "my-kind-rampguard"),
        ("exit 1", "not set"),
    ],
)
def test_any_other_context_is_refused_by_its_name(script, named, says):
    says("kubectl", script)
    with pytest.raises(LabError, match=f"the current context is {named}: "):
        kind.use_existing()


def test_every_question_names_the_context(says):
    told = says("kubectl", "echo answer")
    assert kind.kubectl("get", "pods") == "answer\n"
    assert told.read_text() == f"--context {kind.CONTEXT} get pods\n"


def test_an_image_that_the_node_has_is_not_loaded_again(says):
    says("docker", "echo docker.io/rampguard-lab/python:bookworm; echo docker.io/library/python:3")
    told = says("kind", "")
    kind.load("rampguard-lab/python:bookworm")
    kind.load("python:3")
    assert not told.exists()


def test_an_image_of_a_longer_name_is_another(says):
    says("docker", "echo docker.io/rampguard-lab/python:bookworm-2")
    told = says("kind", "")
    kind.load("rampguard-lab/python:bookworm")
    assert told.read_text() == (
        f"load docker-image rampguard-lab/python:bookworm --name {kind.NAME}\n"
    )


@pytest.mark.parametrize(
    ("script", "names"),
    [("echo rampguard; echo other", ["rampguard", "other"]), ("exit 1", [])],
    ids=["two", "kind is not there yet"],
)
def test_clusters_are_listed(script, names, says):
    says("kind", script)
    assert kind.clusters() == names
