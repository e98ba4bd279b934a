"""What the machine lacks is named all at once, with the way to get it."""

import socket

import pytest
from lab import needs
from lab.needs import check, check_ports
from lab.steps import LabError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def modest(monkeypatch):
    """Let every machine have enough disk and memory."""
    monkeypatch.setattr(needs, "DISK", 0)
    monkeypatch.setattr(needs, "MEMORY", 0)


def refusal(*programs: str) -> str:
    with pytest.raises(LabError) as told:
        check(programs)
    return str(told.value)


@pytest.mark.usefixtures("modest")
def test_a_machine_with_everything_is_enough():
    check(("sh", "cat"))


@pytest.mark.usefixtures("modest")
@pytest.mark.parametrize(
    ("program", "package"),
    [("no-such-program", "no-such-program"), ("gcc", "gcc libc6-dev")],
)
def test_a_program_that_is_missing_is_named_with_its_package(program, package, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert refusal(program) == (
        f"the lab cannot be made here:\n  - {program} is not installed: apt-get install {package}"
    )


def test_too_little_disk_is_told_with_the_place(home, monkeypatch):
    monkeypatch.setattr(needs, "MEMORY", 0)
    monkeypatch.setattr(needs, "DISK", 10**9)
    assert f"GB are free at {home}: {10**9} GB are needed" in refusal()


def test_too_little_memory_is_told(monkeypatch):
    monkeypatch.setattr(needs, "DISK", 0)
    monkeypatch.setattr(needs, "MEMORY", 10**6)
    message = refusal()
    assert message.endswith(" GB of memory are available: 1000000 GB are needed")
    assert "GB are free" not in message


def test_everything_that_is_missing_is_told_at_once(monkeypatch):
    monkeypatch.setattr(needs, "DISK", 10**9)
    monkeypatch.setattr(needs, "MEMORY", 10**6)
    lines = refusal("no-such-program", "sh", "neither-this").splitlines()
    assert len([line for line in lines if line.startswith("  - ")]) == 4


@pytest.mark.usefixtures("modest")
def test_the_folder_of_the_cache_is_made_where_it_is_not(home, monkeypatch):
    monkeypatch.setattr(needs, "CACHE", home / "not" / "yet")
    check(())
    assert (home / "not" / "yet").is_dir()


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def test_ports_that_nobody_listens_on_are_free():
    check_ports([free()])


def test_only_the_ports_that_are_taken_are_named(taken):
    other = free()
    with pytest.raises(LabError) as told:
        check_ports([other, taken])
    assert str(told.value) == (
        f"something listens on port {taken} of 127.0.0.1: end it,"
        " or move the lab's ports by LAB_PORT_OFFSET=100"
    )
