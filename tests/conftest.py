"""Fixtures that every layer shares: golden files, and the cluster that tests may touch."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skips import missing

GOLDEN = Path(__file__).parent / "golden"
OURS = "kind-rampguard"

Golden = Callable[[str, str], None]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with tests/golden/<name>; --update-golden writes it instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden file {name}: run `make golden` and read what it wrote"
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture(scope="session")
def cluster() -> Kubectl:
    """Return a kubectl for the lab; any context but the lab's own is refused."""

    def kubectl(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", *args]
        told: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120} | options
        return subprocess.run(command, check=False, **told)

    try:
        context = kubectl("config", "current-context").stdout.strip()
    except FileNotFoundError:
        missing("no kubectl on the PATH: run `make lab`")
    if not context.startswith(OURS):
        missing(f"the current context {context!r} is not the lab's: run `make lab`")
    ready = kubectl("get", "--raw", "/readyz", timeout=20)
    if ready.returncode:
        missing(f"the lab does not answer: {ready.stderr.strip()}")
    return kubectl
