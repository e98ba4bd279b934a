import re
from itertools import chain
from pathlib import Path

import pytest
import yaml
from skilltree.config import ROLLOUT, read_config
from skilltree.metrics import ApiMetrics
from skilltree.tiers import api_app

RAMPS = sorted((Path(__file__).parents[3] / "examples" / "ramps").glob("*.yaml"))
FOLDER = Path(__file__).parents[3] / "examples" / "skill-tree" / "k8s"
OBJECTS = list(
    chain.from_iterable(yaml.safe_load_all(path.read_text()) for path in sorted(FOLDER.iterdir()))
)
DEPLOYMENTS = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == "Deployment"}


def container(deployment: str) -> dict:
    (only,) = DEPLOYMENTS[deployment]["spec"]["template"]["spec"]["containers"]
    return only


def environment(deployment: str) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(deployment).get("env", [])}


def ramps() -> list[dict]:
    return [yaml.safe_load(path.read_text()) for path in RAMPS]


def test_there_are_as_many_pods_as_the_lab_wants() -> None:
    replicas = {name: one["spec"]["replicas"] for name, one in DEPLOYMENTS.items()}
    assert replicas == {"api": 4, "worker": 2, "traffic": 1}


@pytest.mark.parametrize("ramp", ramps(), ids=[path.stem for path in RAMPS])
def test_every_example_ramp_finds_its_targets_and_its_variable(ramp) -> None:
    for target in ramp["spec"]["targets"]:
        deployment = DEPLOYMENTS[target["name"]]
        assert deployment["metadata"]["namespace"] == ramp["metadata"]["namespace"]
        assert container(target["name"])["name"] == target.get("container", target["name"])
        assert environment(target["name"])[ramp["spec"]["env"]] == "0"


@pytest.mark.parametrize("ramp", ramps(), ids=[path.stem for path in RAMPS])
async def test_every_example_ramp_finds_its_counters(ramp, visit, counted) -> None:
    spec = ramp["spec"]
    name, _, rest = spec["metrics"]["assignments"].partition("{")
    labels = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    client = visit(api_app(read_config({})))
    for arm in spec["arms"].values():
        assert await counted(client, name, variant=arm, **labels) == 0


def test_the_metrics_of_the_example_guardrails_are_there() -> None:
    registry = ApiMetrics(0).registry
    there = {sample.name for family in registry.collect() for sample in family.samples}
    queries = [
        rule[field]
        for ramp in ramps()
        for rule in ramp["spec"]["guardrails"]
        for field in ("metric", "requests", "query")
        if field in rule
    ]
    asked = set(re.findall(r"(\w+)\{", "".join(queries)))
    assert asked
    assert asked <= there


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_pod_tells_prometheus_where_its_counters_are(deployment) -> None:
    told = DEPLOYMENTS[deployment]["spec"]["template"]["metadata"]["annotations"]
    (port,) = container(deployment)["ports"]
    assert told["prometheus.io/scrape"] == "true"
    assert told["prometheus.io/port"] == str(port["containerPort"])


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_a_pod_is_selected_by_its_deployment_and_its_service(deployment) -> None:
    spec = DEPLOYMENTS[deployment]["spec"]
    (service,) = (
        one for one in OBJECTS if one["kind"] == "Service" and one["metadata"]["name"] == deployment
    )
    labels = spec["template"]["metadata"]["labels"].items()
    assert spec["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] in {one["name"] for one in container(deployment)["ports"]}


@pytest.mark.parametrize("deployment", ["api", "worker"])
def test_the_environment_of_a_tier_is_understood(deployment) -> None:
    assert read_config(environment(deployment)).rollout == 0
    assert ROLLOUT in environment(deployment)


def test_the_workers_are_where_the_api_looks_for_them() -> None:
    assert environment("api")["WORKER_URL"] == "http://worker:8080"
    assert environment("traffic")["API_URL"] == "http://api:8080"


def test_users_outside_the_cluster_find_the_api_at_its_port() -> None:
    (service,) = (
        one for one in OBJECTS if one["kind"] == "Service" and one["metadata"]["name"] == "api"
    )
    assert service["spec"]["type"] == "NodePort"
    assert service["spec"]["ports"][0]["nodePort"] == 30080
