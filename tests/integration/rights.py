"""What somebody may do in a namespace, as the API server itself lists it."""

import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from integration.server import ApiServer, Json
from rampguard.ports import Resource
from skips import needs

CHART = Path(__file__).parents[2] / "charts" / "rampguard"
RBAC = "apis/rbac.authorization.k8s.io/v1"
REVIEWS = "apis/authorization.k8s.io/v1"
PATHS = {
    "ServiceAccount": "api/v1/namespaces/{}/serviceaccounts",
    "Role": f"{RBAC}/namespaces/{{}}/roles",
    "RoleBinding": f"{RBAC}/namespaces/{{}}/rolebindings",
    "ClusterRole": f"{RBAC}/clusterroles",
    "ClusterRoleBinding": f"{RBAC}/clusterrolebindings",
}
Right = tuple[str, str, str]  # verb, API group, resource with its subresource; of one name alone: =


def templates(namespace: str, values: Json) -> list[Json]:
    """Return what the chart grants and to whom, without what only an uninstall has."""
    flags = ("--namespace", namespace, "--kube-version", "1.34.0", "--values", "-")
    done = subprocess.run(
        [needs("helm"), "template", "rampguard", CHART, *flags],
        input=yaml.safe_dump(values),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    every = [one for one in yaml.safe_load_all(done.stdout) if one]
    hooks = [one for one in every if "helm.sh/hook" in (one["metadata"].get("annotations") or {})]
    return [one for one in every if one["kind"] in PATHS and one not in hooks]


def path_of(one: Json) -> str:
    return PATHS[one["kind"]].format(one["metadata"].get("namespace"))


def rights_of(server: ApiServer, user: str, namespace: str) -> set[Right]:
    """Return everything that a user may do in a namespace, each right alone."""
    review: Json = server.must(
        "POST",
        f"{REVIEWS}/selfsubjectrulesreviews",
        {"spec": {"namespace": namespace}},
        headers=as_user(user),
    )
    assert not review["status"]["incomplete"], review["status"].get("evaluationError")
    return {right for rule in review["status"]["resourceRules"] for right in _alone(rule)}


def as_user(user: str) -> dict[str, str]:
    """Return the headers of a request made as somebody; an account is in no other group."""
    account = user.startswith("system:serviceaccount:")
    group = "system:serviceaccounts" if account else "system:authenticated"
    return {"Impersonate-User": user, "Impersonate-Group": group}


def may(server: ApiServer, user: str, namespace: str, right: Right) -> bool:
    """Ask the API server about one right (SubjectAccessReview); namespace "": everywhere."""
    verb, group, resource = right
    plural, _, sub = resource.partition("/")
    wanted = {
        "verb": verb,
        "group": group,
        "resource": plural,
        "subresource": sub,
        "namespace": namespace,
    }
    body = {"spec": {"user": user, "resourceAttributes": wanted}}
    answer = server.must("POST", f"{REVIEWS}/subjectaccessreviews", body)
    return answer["status"]["allowed"] is True


def told_by_the_port(verb: str, resource: Resource, sub: str) -> Right:
    """Return a right of wiring.RIGHTS as the API server names it."""
    root, _, plural = resource.rpartition("/")
    group = root.split("/")[1] if root.startswith("apis/") else ""
    return verb, group, f"{plural}/{sub}" if sub else plural


def _alone(rule: dict[str, Any]) -> set[Right]:
    names = rule.get("resourceNames") or [""]
    every = product(rule["verbs"], rule.get("apiGroups") or [""], rule["resources"], names)
    return {
        (verb, group, f"{resource}={name}" if name else resource)
        for verb, group, resource, name in every
    }
