"""What the chart lets the operator and its users do, as a real API server judges it."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kubernetes.aio.client import Configuration

from conftest import Kubectl
from integration.conftest import NewNamespace
from integration.rights import (
    RBAC,
    Right,
    may,
    path_of,
    rights_of,
    templates,
    told_by_the_port,
)
from integration.server import ApiServer
from rampguard.adapters.kubernetes import KubernetesCluster
from rampguard.core.ask import Ref
from rampguard.ports import Refused, Resource
from rampguard.wiring import RIGHTS, check_rights

pytestmark = pytest.mark.cluster

NEEDED = {told_by_the_port(*right) for right in RIGHTS}
# Granted on top: to see that a namespace is being deleted, which is no reason to refuse a start.
SEEN = ("get", "", "namespaces")
RAMPS = "experimentramps"
VIEW = {
    (verb, "rampguard.dev", resource)
    for verb in ("get", "list", "watch")
    for resource in (RAMPS, f"{RAMPS}/status")
}
EDIT = {
    (verb, "rampguard.dev", RAMPS)
    for verb in ("create", "update", "patch", "delete", "deletecollection")
}
NEVER: tuple[Right, ...] = (
    *((verb, "", "secrets") for verb in ("get", "list", "watch", "create", "patch", "delete")),
    *((verb, "apps", "deployments") for verb in ("create", "update", "delete", "watch")),
    ("deletecollection", "apps", "deployments"),
    ("patch", "apps", "deployments/scale"),
    ("patch", "apps", "deployments/status"),
    *(
        (verb, "apps", kind)
        for verb in ("patch", "delete")
        for kind in ("replicasets", "daemonsets")
    ),
    *((verb, "", "pods") for verb in ("create", "patch", "update", "delete")),
    *(("create", "", f"pods/{sub}") for sub in ("exec", "attach", "portforward", "eviction")),
    *(("get", "", f"pods/{sub}") for sub in ("exec", "log", "proxy")),
    ("get", "", "configmaps"),
    ("create", "", "serviceaccounts/token"),
    ("impersonate", "", "serviceaccounts"),
    *((verb, "rampguard.dev", RAMPS) for verb in ("create", "update", "delete")),
    ("patch", "rampguard.dev", f"{RAMPS}/status"),
    *((verb, "", "namespaces") for verb in ("list", "create", "delete", "patch")),
    *((verb, "", "events") for verb in ("create", "list", "delete")),
    ("delete", "events.k8s.io", "events"),
    *((verb, "rbac.authorization.k8s.io", "roles") for verb in ("create", "bind", "escalate")),
    ("get", "coordination.k8s.io", "leases"),
    ("get", "apiextensions.k8s.io", "customresourcedefinitions"),
)


@dataclass(frozen=True, slots=True)
class Installed:
    """One release of the chart, as far as rights go; home is watched by every mode."""

    home: str
    other: str
    account: str
    stranger: str
    namespaces: tuple[str, ...]


@pytest.fixture(scope="module", params=["cluster", "namespaced"])
def installed(
    request: pytest.FixtureRequest, server: ApiServer, new_namespace: NewNamespace
) -> Iterator[Installed]:
    home, other = new_namespace(), new_namespace()
    namespaces = (home,) if request.param == "namespaced" else ()
    applied = templates(home, {"namespaces": [*namespaces]})
    for one in applied:
        server.must("POST", path_of(one), one)
    path = f"api/v1/namespaces/{home}/serviceaccounts"
    server.must("POST", path, {"metadata": {"name": "stranger"}})
    account = f"system:serviceaccount:{home}:"
    made = Installed(home, other, f"{account}rampguard", f"{account}stranger", namespaces)
    # The authorizer hears of new roles and bindings a moment later.
    eventually(lambda: granted(server, made, home) >= NEEDED)
    yield made
    for one in applied:
        if one["kind"].startswith("Cluster"):
            server.must("DELETE", f"{path_of(one)}/{one['metadata']['name']}")


@pytest.fixture
async def ours(
    installed: Installed, server: ApiServer, cluster: Kubectl, tmp_path: Path
) -> AsyncIterator[KubernetesCluster]:
    """Connect as the operator's pod does, with a token of its account."""
    connected = connect(server, cluster, tmp_path, installed.account)
    yield connected
    await connected.close()


@pytest.fixture
async def strangers(
    installed: Installed, server: ApiServer, cluster: Kubectl, tmp_path: Path
) -> AsyncIterator[KubernetesCluster]:
    connected = connect(server, cluster, tmp_path, installed.stranger)
    yield connected
    await connected.close()


def connect(server: ApiServer, cluster: Kubectl, folder: Path, account: str) -> KubernetesCluster:
    _, _, namespace, name = account.split(":")
    path = f"api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    token = server.must("POST", path, {"spec": {"expirationSeconds": 600}})["status"]["token"]
    told = json.loads(cluster("config", "view", "--minify", "--raw", "-o", "json").stdout)
    [there] = told["clusters"]
    ca = folder / "ca.crt"
    ca.write_bytes(base64.b64decode(there["cluster"]["certificate-authority-data"]))
    configured = Configuration(host=there["cluster"]["server"])
    configured.ssl_ca_cert = str(ca)
    configured.api_key["BearerToken"] = f"Bearer {token}"
    return KubernetesCluster(configured)


def granted(server: ApiServer, installed: Installed, namespace: str) -> set[Right]:
    """Return what the operator may do beyond what every account may."""
    everybody = rights_of(server, installed.stranger, namespace)
    return rights_of(server, installed.account, namespace) - everybody


def eventually(holds: Callable[[], bool]) -> None:
    """Ask again until it holds, for a few seconds; what then is not so, the test tells."""
    deadline = time.monotonic() + 10
    while not holds() and time.monotonic() < deadline:
        pass


def test_the_operator_may_do_what_it_does_and_nothing_else(
    server: ApiServer, installed: Installed
) -> None:
    verb, group, resource = SEEN
    one = f"{resource}={installed.home}" if installed.namespaces else resource
    assert granted(server, installed, installed.home) == NEEDED | {(verb, group, one)}


def test_where_it_does_not_watch_it_may_nothing(server: ApiServer, installed: Installed) -> None:
    there = granted(server, installed, installed.other)
    if installed.namespaces:
        assert there == {("get", "", f"namespaces={installed.home}")}
    else:
        assert there == granted(server, installed, installed.home)


@pytest.mark.parametrize("right", NEVER, ids=" ".join)
def test_the_operator_never_may(server: ApiServer, installed: Installed, right: Right) -> None:
    for namespace in (installed.home, installed.other, "kube-system", ""):
        assert not may(server, installed.account, namespace, right), namespace


async def test_the_preflight_finds_all_rights(
    ours: KubernetesCluster, installed: Installed
) -> None:
    await check_rights(ours, installed.namespaces)


async def test_the_preflight_names_every_right_that_is_missing(
    strangers: KubernetesCluster, installed: Installed
) -> None:
    with pytest.raises(Refused) as refused:
        await check_rights(strangers, installed.namespaces)
    told = str(refused.value)
    for verb, _, resource in NEEDED:
        assert f"{verb} {resource} in " in told


async def test_the_adapter_is_refused_what_the_chart_does_not_grant(
    ours: KubernetesCluster, installed: Installed
) -> None:
    assert (await ours.get(Resource.NAMESPACES, Ref("", installed.home)))["kind"] == "Namespace"
    assert await ours.list(Resource.PODS, installed.home) == ()
    with pytest.raises(Refused, match="forbidden"):
        await ours.list(Resource.RELEASES, installed.home)


@pytest.mark.parametrize("role", ["view", "edit"])
def test_a_role_of_the_chart_gives_what_it_says(
    server: ApiServer, installed: Installed, role: str
) -> None:
    user = bind(server, installed, f"{installed.home}:rampguard:{role}")
    alone = rights_of(server, user, installed.home) - rights_of(server, "nobody", installed.home)
    assert alone == {"view": VIEW, "edit": EDIT}[role]


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_the_built_in_roles_have_them_and_never_the_status(
    server: ApiServer, installed: Installed, role: str
) -> None:
    user = bind(server, installed, role)
    rights = rights_of(server, user, installed.home)
    assert {right for right in rights if "rampguard" in right[1]} == (
        VIEW if role == "view" else VIEW | EDIT
    )
    for verb in ("update", "patch"):
        right = (verb, "rampguard.dev", f"{RAMPS}/status")
        assert not may(server, user, installed.home, right)


def bind(server: ApiServer, installed: Installed, role: str) -> str:
    """Give a role to a user of its own, and return the user once it counts."""
    user = f"user-of-{role}"
    path = f"{RBAC}/namespaces/{installed.home}/rolebindings"
    group = "rbac.authorization.k8s.io"
    body = {
        "metadata": {"name": user},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    server.must("POST", path, body)
    nobody = rights_of(server, "nobody", installed.home)
    eventually(lambda: rights_of(server, user, installed.home) > nobody)
    return user
