"""Docker: the flags that a host needs, and what is said where it cannot be started."""

import os
import re
from pathlib import Path

import pytest
from lab import docker, needs
from lab.steps import LabError

STATUS = "Name:\tpython\nCapPrm:\t0000000000000000\nCapBnd:\t{}\nCapAmb:\t0000000000000000\n"


@pytest.fixture
def bounded(home, monkeypatch):
    """Let the capabilities of this process be others."""

    def write(bits: str | None):
        status = home / "status"
        status.write_text("Name:\tpython\n" if bits is None else STATUS.format(bits))
        monkeypatch.setattr(docker, "Path", lambda _: status)
        return home

    return write


@pytest.mark.parametrize(
    "bits", ["000001ffffffffff", "0000000001000000", None], ids=["all", "this one", "not told"]
)
def test_a_host_that_grants_everything_needs_no_flags(bits, bounded):
    home = bounded(bits)
    assert docker._runtime() == ()
    assert not (home / "runc-nores").exists()


@pytest.mark.parametrize("bits", ["000001fffeffffff", "0000000000000000", "00000000a80425fb"])
def test_a_host_without_sys_resource_gets_a_runtime_that_does_not_ask_for_it(bits, bounded):
    home = bounded(bits)
    kept = home / "runc-nores"
    assert docker._runtime() == (
        f"--add-runtime=runc-nores={kept}",
        "--default-runtime=runc-nores",
    )
    assert os.access(kept, os.X_OK)
    assert kept.read_bytes() == (docker.HERE / "node" / "runc-nores").read_bytes()


def test_this_machine_is_understood(home):
    found = re.search(r"CapBnd:\s*(\w+)", Path("/proc/self/status").read_text())
    assert found is not None
    assert bool(docker._runtime()) is not bool(int(found[1], 16) & 1 << docker.SYS_RESOURCE)


@pytest.fixture
def pid_file(tmp_path, monkeypatch):
    path = tmp_path / "docker.pid"
    monkeypatch.setattr(docker, "PID", path)
    return path


@pytest.mark.parametrize("told", ["", "99999999", "99999999\n"])
def test_the_mark_of_a_daemon_that_is_gone_is_removed(told, pid_file):
    pid_file.write_text(told)
    docker._forget_dead_daemon()
    assert not pid_file.exists()


def test_the_mark_of_a_daemon_that_lives_stays(pid_file):
    pid_file.write_text(f"{os.getpid()}\n")
    docker._forget_dead_daemon()
    assert pid_file.exists()


def test_no_mark_is_no_trouble(pid_file):
    docker._forget_dead_daemon()


def script(home: Path, text: str) -> None:
    (home / "bin").mkdir()
    made = home / "bin" / "docker"
    made.write_text(f"#!/bin/sh\n{text}\n")
    made.chmod(0o755)


def test_a_daemon_that_answers_is_left_alone(home):
    script(home, "echo 28.0")
    docker.ensure()
    assert [path.name for path in home.iterdir()] == ["bin"]


def test_a_user_who_may_not_start_it_is_told_what_to_do(home, monkeypatch):
    script(home, "exit 1")
    monkeypatch.setattr(docker, "is_root", lambda: False)
    with pytest.raises(LabError, match="Docker does not answer: start it, or be in the group"):
        docker.ensure()


def test_root_is_who_may_install():
    assert needs.is_root() is (os.geteuid() == 0)


def test_the_log_of_an_image_has_a_plain_name():
    assert docker._plain("rampguard-lab/python:bookworm") == "rampguard-lab-python-bookworm"


def test_a_build_names_folder_dockerfile_and_arguments(home):
    script(home, 'echo "$@" "kit=$DOCKER_BUILDKIT"')
    docker.build("lab/x:1", home, BASE="python:3")
    told = (home / "logs" / "image-lab-x-1.txt").read_text().splitlines()[1]
    assert told == (
        f"build --tag lab/x:1 --file {home}/Dockerfile --build-arg BASE=python:3 {home} kit=0"
    )
