"""The digest that names what is made of the clone: it moves with what counts, and nothing else."""

import os
import subprocess
import sys

import pytest
from lab import places
from lab.places import digest


@pytest.fixture
def clone(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", tmp_path)
    folder = tmp_path / "node"
    (folder / "files").mkdir(parents=True)
    (folder / "build.sh").write_text("#!/bin/sh\n")
    (folder / "files" / "a").write_text("a")
    return folder


def test_it_is_short_and_stays(clone):
    assert digest(clone) == digest(clone)
    assert len(digest(clone)) == 12
    assert int(digest(clone), 16) >= 0


def test_it_does_not_depend_on_the_order_of_what_is_named(clone):
    one, other = clone / "build.sh", clone / "files" / "a"
    assert digest(one, other) == digest(other, one)


def edited(clone):
    (clone / "files" / "a").write_text("b")


def renamed(clone):
    (clone / "files" / "a").rename(clone / "files" / "b")


def added(clone):
    (clone / "files" / "b").touch()


def made_executable(clone):
    (clone / "build.sh").chmod(0o755)


@pytest.mark.parametrize("change", [edited, renamed, added, made_executable])
def test_what_counts_moves_it(clone, change):
    before = digest(clone)
    change(clone)
    assert digest(clone) != before


def touched(clone):
    os.utime(clone / "build.sh", (1, 1))


def compiled(clone):
    (clone / "__pycache__").mkdir()
    (clone / "__pycache__" / "a.pyc").write_bytes(b"a")


def opened_to_others(clone):
    (clone / "build.sh").chmod(0o666)


def emptied_folder_added(clone):
    (clone / "empty").mkdir()


@pytest.mark.parametrize("change", [touched, compiled, opened_to_others, emptied_folder_added])
def test_what_does_not_count_leaves_it(clone, change):
    (clone / "build.sh").chmod(0o644)
    before = digest(clone)
    change(clone)
    assert digest(clone) == before


def test_the_place_of_the_clone_does_not_count(clone, tmp_path, monkeypatch):
    before = digest(clone)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    clone.rename(moved / "node")
    monkeypatch.setattr(places, "ROOT", moved)
    assert digest(moved / "node") == before


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "kind-rampguard 30090 30080 30085"),
        ({"LAB_NAME": "rampguard-ci"}, "kind-rampguard-ci 30090 30080 30085"),
        ({"LAB_PORT_OFFSET": "100"}, "kind-rampguard 30190 30180 30185"),
    ],
)
def test_a_second_lab_has_its_own_name_and_ports(variables, told):
    code = "from lab.places import *; print(CONTEXT, *(p for p, _ in PORTS.values()))"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LAB_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | variables,
        cwd=places.HERE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == told


def test_the_cache_is_where_the_user_wants_it(tmp_path):
    code = "from lab.places import BIN; print(BIN)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
        cwd=places.HERE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "rampguard" / "bin")
