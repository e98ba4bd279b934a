"""A hostile text in any field is refused by name, or ends in a status that people can read."""

import json

import pytest

from fakes import ENV, FakeCluster, FakeMetrics, FakeTelemetry, deployment
from integration.hostile import TEXTS, text_fields, with_text
from integration.manifests import Json
from integration.server import DRY, RAMPS, ApiServer
from rampguard.adapters.kubernetes import KubernetesCluster
from rampguard.api.crd import crd
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import Ref
from rampguard.core.plan import Tempo
from rampguard.engine.reconcile import reconcile
from rampguard.ports import InvalidSpec, NotFound, Resource, Rules, World

pytestmark = pytest.mark.cluster

[VERSION] = crd()["spec"]["versions"]
SPEC = VERSION["schema"]["openAPIV3Schema"]["properties"]["spec"]
FIELDS = sorted(text_fields(SPEC))
# Free words, or the name of something that the pass then looks for.
FREE = {
    *("experiment", "owner", "targets.0.name", "targets.0.container"),
    *("arms.control", "arms.treatment", "guardrails.0.query"),
    *("decision.analysisWindow", "decision.goNoGo", "require.smokeTest.ramp"),
    *("require.override.by", "require.override.reason"),
}


@pytest.fixture(scope="module")
def ramps(server: ApiServer, namespace: str) -> str:
    """Return where ramps are made; one stands there, whose status can be tried."""
    path = f"{RAMPS}/namespaces/{namespace}/experimentramps"
    made = with_text("targets.0.name", "absent")
    server.must("POST", path, made | {"metadata": {"name": "standing"}})
    return path


async def status_after_a_pass(stored: Json) -> Json:
    """Return what one pass over a stored ramp writes, next to healthy pods and no metrics."""
    cluster = FakeCluster()
    namespace, name = (stored["metadata"][key] for key in ("namespace", "name"))
    for target in ("api", "worker"):
        cluster.put(
            Resource.DEPLOYMENTS,
            deployment(target, namespace=namespace, container="app", env={ENV: "10"}),
        )
    cluster.rollouts.settle()
    cluster.put(Resource.RAMPS, stored)
    world = World(
        cluster=cluster,
        metrics=FakeMetrics(cluster.clock),
        clock=cluster.clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=Tempo()),
    )
    for _ in range(3):
        await reconcile(Ref(namespace, name), world)
    status: Json = cluster.seen(Resource.RAMPS, namespace, name)["status"]
    return status


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("field", FIELDS)
async def test_a_hostile_text_is_refused_by_name_or_blocks_the_ramp(
    server: ApiServer, ramps: str, field: str, text: str
) -> None:
    answer = server.call("POST", ramps, with_text(field, text), query=DRY)
    name = field.removesuffix(".0").rpartition(".")[2]
    if not answer.accepted:
        assert name in answer.message
        assert len(answer.message) < 30_000
        return
    if field not in FREE:
        with pytest.raises(InvalidSpec, match=name):
            to_ask(answer.body)
    status = await status_after_a_pass(answer.body)
    assert status["phase"] == "Blocked"
    assert status["summary"].isprintable()
    assert all(one["message"].isprintable() for one in status["conditions"])
    patch = json.dumps({"status": status})
    merge = "application/merge-patch+json"
    tried = server.call("PATCH", f"{ramps}/standing/status", patch, query=DRY, content=merge)
    assert tried.accepted, tried.message


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_a_hostile_name_reaches_no_object(ramps: str, namespace: str, text: str) -> None:
    adapter = await KubernetesCluster.connect()
    try:
        with pytest.raises(NotFound):
            await adapter.get(Resource.DEPLOYMENTS, Ref(namespace, text))
    finally:
        await adapter.close()


def test_every_field_with_free_words_is_one_of_the_schema() -> None:
    assert set(FIELDS) >= FREE
