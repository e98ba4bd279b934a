"""A real API server, and namespaces of our own on it that are gone afterwards."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from conftest import Kubectl
from integration.server import RAMPS, ApiServer, proxied

NewNamespace = Callable[[], str]


@pytest.fixture(scope="session")
def server(cluster: Kubectl) -> Iterator[ApiServer]:
    with proxied() as reached:
        yield reached


@pytest.fixture(scope="session")
def new_namespace(server: ApiServer, cluster: Kubectl) -> Iterator[NewNamespace]:
    """Make namespaces; at the end let their ramps go and delete them all at once."""
    made: list[str] = []

    def make() -> str:
        name = f"rampguard-test-{uuid.uuid4().hex[:8]}"
        made.append(name)
        server.must("POST", "api/v1/namespaces", {"metadata": {"name": name}})
        return name

    yield make
    for name in made:
        release(server, name)
    deleted = cluster("delete", "namespace", *made, "--ignore-not-found", "--timeout=90s")
    assert deleted.returncode == 0, deleted.stderr


def release(server: ApiServer, namespace: str) -> None:
    """Take the finalizers of all ramps away: no operator may be there to do it."""
    path = f"{RAMPS}/namespaces/{namespace}/experimentramps"
    for ramp in server.must("GET", path)["items"]:
        free = {"metadata": {"finalizers": None}}
        one = f"{path}/{ramp['metadata']['name']}"
        server.call("DELETE", one)
        server.call("PATCH", one, free, content="application/merge-patch+json")


@pytest.fixture(scope="module")
def namespace(new_namespace: NewNamespace) -> str:
    """Return a namespace that the tests of a module share."""
    return new_namespace()
