"""Programs are built once, kept whole under their version, and found by their names."""

import json

import pytest
from lab import programs
from lab.programs import KUBERNETES, link, program
from lab.steps import LabError, ask

pytestmark = pytest.mark.usefixtures("home")
THEIRS = """module k8s.io/kubernetes

go 1.24.0

godebug default=go1.24

require (
\tk8s.io/api v0.0.0
\tgithub.com/spf13/cobra v1.9.1
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/component-base => ./staging/src/k8s.io/component-base
\tgithub.com/elsewhere/forked => github.com/us/forked v1.2.3
)
"""
STAGED = KUBERNETES.replace("v1.", "v0.", 1)


@pytest.fixture
def go(home, tmp_path):
    """Let `go` be a script that answers from files, and notes what it is told."""
    (home / "bin").mkdir(exist_ok=True)
    (home / "go.mod").write_text(THEIRS)

    def write(script: str):
        made = home / "bin" / "go"
        made.write_text(f'#!/bin/sh\necho "$@" >> {home}/told\n{script}\n')
        made.chmod(0o755)
        return home / "told"

    return write


def downloaded(home) -> str:
    return f"echo '{json.dumps({'GoMod': str(home / 'go.mod')})}'"


def test_every_staging_module_comes_from_its_own_release(home, go):
    told = go(downloaded(home))
    assert programs._kubernetes_module(home).splitlines() == [
        "module lab/kube",
        "go 1.24.0",
        f"require k8s.io/kubernetes {KUBERNETES}",
        f"replace k8s.io/api => k8s.io/api {STAGED}",
        f"replace k8s.io/component-base => k8s.io/component-base {STAGED}",
    ]
    assert told.read_text() == f"mod download -json k8s.io/kubernetes@{KUBERNETES}\n"


def test_a_download_that_fails_is_told_in_the_words_of_go(home, go):
    go('echo \'{"Error": "no route to the module proxy"}\'; exit 1')
    with pytest.raises(LabError, match=r"go cannot download Kubernetes: .*no route to the module"):
        programs._kubernetes_module(home)


def test_a_build_uses_only_what_is_installed_and_needs_no_c(home, go):
    go('echo "$GOTOOLCHAIN $CGO_ENABLED" > $PWD/environment')
    programs._go(home, "a", "version")
    assert (home / "environment").read_text() == "local 0\n"


def test_a_machine_without_go_is_told_which_one_is_needed(home, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LabError, match=r"go is not installed: Go 1\.24 or newer"):
        programs._go(home, "a", "version")


def echo(text: str):
    def build(work, made):
        made.write_text(f"#!/bin/sh\necho {text}\n")
        made.chmod(0o755)

    return build


def fail(work, made):
    made.write_text("half")
    raise LabError("interrupted")


def test_a_program_is_kept_under_its_version_and_found_by_its_name(home):
    kept = program("tool", "v1", echo("one"))
    assert kept == home / "tool-v1" / "tool"
    assert ask("tool") == "one\n"
    assert not (home / "work" / "tool").exists()


def test_a_program_that_is_kept_is_not_built_again(home):
    program("tool", "v1", echo("one"))
    program("tool", "v1", fail)
    assert ask("tool") == "one\n"


def test_another_version_is_built_and_found_and_the_first_stays(home):
    first = program("tool", "v1", echo("one"))
    program("tool", "v2", echo("two"))
    assert ask("tool") == "two\n"
    program("tool", "v1", fail)
    assert ask("tool") == "one\n"
    assert first.exists()


def test_a_build_that_was_interrupted_leaves_nothing_that_counts(home):
    with pytest.raises(LabError, match="interrupted"):
        program("tool", "v1", fail)
    assert ask("tool") is None
    assert not (home / "tool-v1").exists()


def test_the_next_try_starts_from_an_empty_folder(home):
    with pytest.raises(LabError, match="interrupted"):
        program("tool", "v1", fail)

    def build(work, made):
        assert list(work.iterdir()) == []
        echo("whole")(work, made)

    program("tool", "v1", build)
    assert ask("tool") == "whole\n"


def test_a_link_is_replaced_whatever_stood_there(home):
    kept = program("tool", "v1", echo("one"))
    (home / "bin" / ".other").symlink_to(home / "dangling")
    link("other", kept)
    link("other", kept)
    assert ask("other") == "one\n"


def test_one_program_is_every_component_of_kubernetes(home, monkeypatch):
    monkeypatch.setattr(programs, "_build_kubernetes", echo("kube"))
    kept = programs.kubernetes()
    assert kept.parent.name.startswith(f"kube-{KUBERNETES}-")
    assert {ask(name) for name in programs.COMPONENTS} == {"kube\n"}
