"""What the chart makes of its values: golden files, and facts that must hold in every mode."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from rampguard import settings
from rampguard.ports import Resource
from rampguard.uninstall import Policy
from rampguard.uninstall import main as uninstall
from skips import needs

CHART = Path(__file__).parents[2] / "charts" / "rampguard"
NAMESPACED = {
    "namespaces": ["calc", "shop"],
    "config": {
        "prometheus": {
            "default": {
                "url": "https://prometheus.monitoring:9090",
                "tokenFile": "/etc/rampguard/secrets/prometheus/token",
            }
        },
        "notices": {
            "channels": {"team": {"urlFile": "/etc/rampguard/secrets/notices/team"}},
            "links": {"thread": "https://chat.example/{experiment}"},
            "grafana": {
                "url": "https://grafana.monitoring",
                "tokenFile": "/etc/rampguard/secrets/notices/grafana",
                "dashboardUID": "ramps",
            },
        },
        "logLevel": "debug",
    },
    "secrets": [
        {"name": "prometheus", "secretName": "prometheus-token"},
        {"name": "notices", "secretName": "channels"},
    ],
    "templates": {"configMap": "our-words"},
    "uninstall": {"policy": "Rollback"},
    "requestedBy": {"enforce": True},
    "metrics": {"annotations": False, "podMonitor": {"enabled": True, "labels": {"team": "a"}}},
}
MODES: dict[str, dict[str, Any]] = {"cluster": {}, "namespaced": NAMESPACED}
Object = dict[str, Any]


def rendered(values: dict[str, Any], tmp_path: Path) -> str:
    """Return all manifests but the CRD, which has a golden file of its own."""
    told = tmp_path / "values.yaml"
    told.write_text(yaml.safe_dump(values))
    command = [needs("helm"), "template", "rampguard", CHART, "--namespace", "rampguard-system"]
    done = subprocess.run(
        [*command, "--kube-version", "1.34.0", "--values", told],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    documents = done.stdout.split("---\n")
    return "---\n".join(d for d in documents if "/templates/crd.yaml" not in d.partition("\n")[0])


@pytest.fixture(params=MODES.values(), ids=MODES)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> list[Object]:
    manifests = yaml.safe_load_all(rendered(request.param, tmp_path))
    return [one for one in manifests if one is not None]


def of_kind(objects: list[Object], *kinds: str) -> Iterator[Object]:
    return (one for one in objects if one["kind"] in kinds)


def is_hook(one: Object) -> bool:
    return "helm.sh/hook" in (one["metadata"].get("annotations") or {})


def pod_specs(objects: list[Object]) -> Iterator[Object]:
    return (one["spec"]["template"]["spec"] for one in of_kind(objects, "Deployment", "Job"))


def rules(objects: list[Object], *, hook: bool) -> Iterator[Object]:
    for role in of_kind(objects, "Role", "ClusterRole"):
        aggregated = any("aggregate-to" in label for label in role["metadata"]["labels"])
        if is_hook(role) is hook and not aggregated:
            yield from role["rules"]


@pytest.mark.parametrize("mode", MODES)
def test_the_manifests_are_as_reviewed(
    mode: str, tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    golden(f"chart/{mode}.yaml", rendered(MODES[mode], tmp_path))


@pytest.mark.parametrize("values", MODES.values(), ids=MODES)
def test_helm_finds_nothing_to_complain_about(values: dict[str, Any], tmp_path: Path) -> None:
    told = tmp_path / "values.yaml"
    told.write_text(yaml.safe_dump(values))
    done = subprocess.run(
        [needs("helm"), "lint", "--strict", CHART, "--values", told],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


RIGHTS = {
    "experimentramps": {"get", "list", "watch", "patch"},
    "experimentramps/status": {"update"},
    "deployments": {"get", "patch"},
    "replicasets": {"list"},
    "pods": {"list", "watch"},
    "services": {"get"},
    "namespaces": {"get"},
    "events": {"create"},
}


def test_the_operator_has_these_rights_and_no_other(objects: list[Object]) -> None:
    granted: dict[str, set[str]] = {}
    for rule in rules(objects, hook=False):
        for resource in rule["resources"]:
            granted.setdefault(resource, set()).update(rule["verbs"])
    assert granted == RIGHTS


def test_every_resource_that_the_port_names_has_a_rule() -> None:
    plural = {path.rpartition("/")[2] for path in Resource}
    assert plural - {"secrets"} == {name for name in RIGHTS if "/" not in name}


def test_only_the_hook_touches_a_secret_and_only_the_record_of_the_release(
    objects: list[Object],
) -> None:
    secrets = [rule for rule in rules(objects, hook=True) if "secrets" in rule["resources"]]
    record = "sh.helm.release.v1.rampguard.v1"
    assert secrets == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [record], "verbs": ["patch"]}
    ]


def test_in_named_namespaces_the_only_right_on_the_cluster_is_to_see_them(tmp_path: Path) -> None:
    objects = [o for o in yaml.safe_load_all(rendered(NAMESPACED, tmp_path)) if o]
    roles = [r for r in of_kind(objects, "ClusterRole") if "view" not in str(r["metadata"])]
    ours = [rule for role in roles for rule in role["rules"] if "edit" not in str(role["metadata"])]
    assert ours == [
        {
            "apiGroups": [""],
            "resources": ["namespaces"],
            "resourceNames": ["calc", "shop"],
            "verbs": ["get"],
        }
    ]


def test_every_role_is_bound_to_the_account_that_runs(objects: list[Object]) -> None:
    accounts = {
        is_hook(one): one["spec"]["template"]["spec"]["serviceAccountName"]
        for one in of_kind(objects, "Deployment", "Job")
    }
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        assert [s["name"] for s in binding["subjects"]] == [accounts[is_hook(binding)]]


def test_no_container_may_more_than_it_needs(objects: list[Object]) -> None:
    for spec in pod_specs(objects):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_pod_of_the_hook_is_not_counted_to_the_operator(objects: list[Object]) -> None:
    deployment, job = [*of_kind(objects, "Deployment"), *of_kind(objects, "Job")]
    wanted = deployment["spec"]["selector"]["matchLabels"]
    assert not wanted.items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_the_job_starts_after_its_rights(objects: list[Object]) -> None:
    weights = {
        one["kind"]: int(one["metadata"]["annotations"]["helm.sh/hook-weight"])
        for one in filter(is_hook, objects)
    }
    job = weights.pop("Job")
    assert job > max(weights.values())


def test_the_hook_understands_its_arguments(objects: list[Object]) -> None:
    [job] = of_kind(objects, "Job")
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "rampguard.uninstall"]
    context = uninstall.make_context("uninstall", [*container["args"]])
    assert context.params["policy"] in [*Policy]
    assert context.params["release"] == ("rampguard-system", "sh.helm.release.v1.rampguard.v1")


def test_the_operator_understands_its_configuration(objects: list[Object], tmp_path: Path) -> None:
    [told] = of_kind(objects, "ConfigMap")
    path = tmp_path / "config.yaml"
    path.write_text(told["data"]["config.yaml"])
    understood = settings.load(path, {})
    [deployment] = of_kind(objects, "Deployment")
    [port] = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert understood.port == port["containerPort"]


PLACES: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "an emptyDir by default": ({}, {"emptyDir": {"sizeLimit": "512Mi"}}),
    "a claim": (
        {"records": {"existingClaim": "flights"}},
        {"persistentVolumeClaim": {"claimName": "flights"}},
    ),
    "another folder": (
        {"config": {"records": {"url": "/flights"}}},
        {"emptyDir": {"sizeLimit": "512Mi"}},
    ),
    "an object store": ({"config": {"records": {"url": "s3://flights/here"}}}, None),
    "nowhere": ({"config": {"records": {"url": ""}}}, None),
}


@pytest.mark.parametrize(("values", "place"), PLACES.values(), ids=PLACES)
def test_records_lie_where_the_values_say(
    values: dict[str, Any], place: dict[str, Any] | None, tmp_path: Path
) -> None:
    objects = [o for o in yaml.safe_load_all(rendered(values, tmp_path)) if o]
    [deployment] = of_kind(objects, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    volumes = {one.pop("name"): one for one in spec["volumes"]}
    mounts = {one["name"]: one["mountPath"] for one in spec["containers"][0]["volumeMounts"]}
    url = values.get("config", {}).get("records", {}).get("url", "/var/lib/rampguard/records")
    assert volumes.get("records") == place
    assert mounts.get("records") == (url if place else None)


def test_records_fit_into_their_volume() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    limit = int(values["records"]["sizeLimit"].removesuffix("Mi")) * 2**20
    assert limit >= 2 * values["config"]["records"]["maxMB"] * 10**6


def schema() -> Any:
    return json.loads((CHART / "values.schema.json").read_text())


def test_the_values_know_every_setting_that_makes_sense_in_a_cluster() -> None:
    fields = {field.alias for field in settings.Settings.model_fields.values()}
    known = schema()["properties"]
    assert {*known["config"]["properties"], "namespaces"} == fields - {"port", "context"}
    prometheus = known["config"]["properties"]["prometheus"]["additionalProperties"]
    assert {*prometheus["properties"]} == {
        field.alias for field in settings.Prometheus.model_fields.values()
    }
    records = known["config"]["properties"]["records"]
    assert {*records["properties"]} == {
        field.alias for field in settings.Records.model_fields.values()
    }
    notices = known["config"]["properties"]["notices"]["properties"]
    assert {*notices} == {field.alias for field in settings.Notices.model_fields.values()}
    assert {*notices["grafana"]["properties"]} == {
        field.alias for field in settings.GrafanaAnnotations.model_fields.values()
    }
    assert {*notices["channels"]["additionalProperties"]["properties"]} == {
        field.alias for field in settings.NoticeChannel.model_fields.values()
    }


def test_templates_of_a_team_are_mounted_where_they_are_looked_for(tmp_path: Path) -> None:
    objects = [o for o in yaml.safe_load_all(rendered(NAMESPACED, tmp_path)) if o]
    [deployment] = of_kind(objects, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    mounts = {one["name"]: one["mountPath"] for one in spec["containers"][0]["volumeMounts"]}
    assert mounts["templates"] == str(settings.Notices().templates)
    assert mounts["secret-notices"] == "/etc/rampguard/secrets/notices"
    assert {"name": "templates", "configMap": {"name": "our-words"}} in spec["volumes"]


def test_the_values_have_the_defaults_of_the_settings() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert settings.Settings.model_validate(values["config"]) == settings.Settings()


def test_every_value_is_in_the_schema_and_the_defaults_obey_it() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    jsonschema.validate(values, schema())
    assert {*values} == {*schema()["properties"]} - {"global"}


REFUSED: dict[str, dict[str, Any]] = {
    "a field that does not exist": {"replicas": 2},
    "a setting that does not exist": {"config": {"lookIntervall": "30s"}},
    "a policy that does not exist": {"uninstall": {"policy": "Maybe"}},
    "a namespace that cannot be": {"namespaces": ["Calc"]},
    "one namespace twice": {"namespaces": ["calc", "calc"]},
    "a user in a URL": {"config": {"prometheus": {"default": {"url": "http://a:b@c"}}}},
    "a Prometheus without a URL": {"config": {"prometheus": {"default": {}}}},
    "a user without a password": {
        "config": {"prometheus": {"default": {"url": "http://a", "usernameFile": "/u"}}}
    },
    "a quote in an expression": {"requestedBy": {"exempt": ["a'b"]}},
    "a folder that is relative": {"config": {"records": {"url": "records"}}},
    "no room for records": {"config": {"records": {"maxMB": 0}}},
    "a size that is none": {"records": {"sizeLimit": "much"}},
    "a URL in place of its file": {
        "config": {"notices": {"channels": {"team": {"url": "json://x"}}}}
    },
    "a channel that ramps cannot name": {
        "config": {"notices": {"channels": {"@team": {"urlFile": "/x"}}}}
    },
    "a Grafana without a token": {"config": {"notices": {"grafana": {"url": "http://x"}}}},
    "a link that is none": {"config": {"notices": {"links": {"thread": "chat"}}}},
    "a number of workers below 1": {"config": {"workers": 0}},
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED)
def test_a_bad_value_is_refused_before_anything_is_installed(values: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema())
