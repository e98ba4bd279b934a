"""A kubectl that is a script on the PATH, and the command line as a process sees it."""

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rampguard.cli.main import run

FAKE = """#!{python}
import json, sys, threading
from pathlib import Path

home = Path({home!r})
given = sys.argv[1:]
with (home / "calls.jsonl").open("a") as log:
    log.write(json.dumps(given) + "\\n")
answers = json.loads((home / "answers.json").read_text())
for answer in answers:
    if all(any(word in one for one in given) for word in answer["when"]):
        if answer["once"]:
            mark = home / ("used-" + str(answers.index(answer)))
            if mark.exists():
                continue
            mark.touch()
        sys.stdout.write(answer["out"])
        sys.stdout.flush()
        sys.stderr.write(answer["err"])
        sys.stderr.flush()
        if answer["stays"]:
            threading.Event().wait(60)
        sys.exit(answer["code"])
sys.stderr.write("error: the fake has no answer to " + " ".join(given))
sys.exit(9)
"""


@dataclass
class FakeKubectl:
    """Answers in the order in which answers were given, by words that a call must hold."""

    home: Path
    answers: list[dict[str, Any]] = field(default_factory=list)

    def on(
        self,
        *when: str,
        out: object = "",
        err: str = "",
        code: int = 0,
        once: bool = False,
        stays: bool = False,
    ) -> "FakeKubectl":
        """Give an answer; an object is written as JSON."""
        text = out if isinstance(out, str) else json.dumps(out)
        self.answers.append(
            {"when": when, "out": text, "err": err, "code": code, "once": once, "stays": stays}
        )
        (self.home / "answers.json").write_text(json.dumps(self.answers))
        return self

    def calls(self) -> list[list[str]]:
        """Return the arguments of all calls so far."""
        log = self.home / "calls.jsonl"
        return [json.loads(row) for row in log.read_text().splitlines()] if log.exists() else []

    def patches(self) -> list[dict[str, Any]]:
        """Return what was written."""
        return [
            json.loads(argument.removeprefix("--patch="))
            for call in self.calls()
            if call[0] == "patch"
            for argument in call
            if argument.startswith("--patch=")
        ]


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKubectl:
    """Put the fake first on the PATH."""
    home = tmp_path / "kubectl"
    home.mkdir()
    program = home / "kubectl"
    program.write_text(FAKE.format(python=sys.executable, home=str(home)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    (home / "answers.json").write_text("[]")
    return FakeKubectl(home)


@dataclass(frozen=True)
class Said:
    """What a command line did."""

    code: int
    out: str
    err: str


@pytest.fixture
def ramp(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `kubectl ramp` in this process; its input is no terminal."""

    def command(*arguments: str, **environment: str) -> Said:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = run(list(arguments))
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return command


@pytest.fixture
def program() -> Any:
    """Run `kubectl ramp` as a process of its own."""

    def command(*arguments: str, typed: str = "", **environment: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "rampguard.cli", *arguments],
            input=typed,
            env={**os.environ, **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return command
