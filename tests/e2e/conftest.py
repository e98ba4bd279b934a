"""The lab as tests use it: the installed operator rests, each test has one and a stage."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.operators import Operator
from e2e.stage import Stage, kubectl, lab_is_up

INSTALLED = ("-n", "rampguard-system", "scale", "deploy/rampguard")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let the installed operator rest: each test starts its own."""
    if not hasattr(session.config, "workerinput") and lab_is_up():
        subprocess.run(["kubectl", *INSTALLED, "--replicas=0"], check=False, capture_output=True)
        gone = ("-n", "rampguard-system", "wait", "--for=delete", "pod", "--all", "--timeout=60s")
        subprocess.run(["kubectl", *gone], check=False, capture_output=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give real pods their time."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and lab_is_up():
        subprocess.run(["kubectl", *INSTALLED, "--replicas=1"], check=False, capture_output=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how long harm was there before it was found."""
    told = (
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "time to detect"
    )
    for line in dict.fromkeys(told):
        terminalreporter.write_line(f"time to detect {line}")


@pytest.fixture
def stage(cluster: object, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Give a test the example application, small, in a namespace of its own."""
    made = Stage.of(request.node.name)
    made.raise_()
    try:
        yield made
    finally:
        made.strike()


@pytest.fixture
def operator(stage: Stage, tmp_path: Path) -> Iterator[Operator]:
    """Run an operator outside of the cluster, for the test's namespace alone."""
    with Operator(stage.namespace, tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def api_server() -> str:
    """Return where the API server answers."""
    return kubectl(
        "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"
    ).strip()
