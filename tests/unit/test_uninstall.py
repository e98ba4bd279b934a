"""What happens to ramps when the chart is uninstalled, on a cluster that is a dictionary."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rampguard.core.ask import Ref
from rampguard.ports import Conflict, Json, NotFound, RampError, Refused, Resource, Unavailable
from rampguard.uninstall import FINALIZER, Order, Policy, Unsafe, as_ramp, attempt, main, uninstall

RELEASE = Ref("rampguard-system", "sh.helm.release.v1.rampguard.v1")


class TickingClock:
    def __init__(self, each_tick: Callable[[], None]) -> None:
        self.passed = 0.0
        self.each_tick = each_tick

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, delay: timedelta) -> None:
        self.passed += delay.total_seconds()
        self.each_tick()


class TinyCluster:
    """Lists and patches ramps; with an operator, those that are asked to end do so at a tick."""

    def __init__(self, *ramps: Json, operator: bool = True) -> None:
        self.ramps = {(r["metadata"]["namespace"], r["metadata"]["name"]): r for r in ramps}
        self.operator = operator
        self.releases = {RELEASE: {"status": "uninstalling"}}
        self.errors: list[RampError] = []
        self.signatures: list[str | None] = []
        self.clock = TickingClock(self.tick)

    def tick(self) -> None:
        ends = {"Rollback": "RolledBack", "Keep": "Aborted"}
        for ramp in self.ramps.values():
            if self.operator and "abort" in ramp["spec"]:
                ramp["status"] = {"phase": ends[ramp["spec"]["abort"]]}
                ramp["metadata"]["finalizers"] = []

    async def list(
        self, resource: Resource, namespace: str | None, *, selector: str = "", fresh: bool = True
    ) -> tuple[Json, ...]:
        if self.errors:
            raise self.errors.pop(0)
        assert resource is Resource.RAMPS
        return tuple(r for (ns, _), r in self.ramps.items() if namespace in {None, ns})

    async def merge_patch(self, resource: Resource, ref: Ref, body: Json) -> Json:
        if resource is Resource.RELEASES:
            return self._label(ref, body["metadata"]["labels"])
        ramp = self.ramps.get((ref.namespace, ref.name))
        if ramp is None:
            raise NotFound(f"no ramp {ref}")
        if ramp["metadata"]["uid"] != body["metadata"]["uid"]:
            raise Conflict("another uid")
        ramp["spec"] |= body["spec"]
        self.signatures.append(body["metadata"].get("annotations", {}).get(SIGNED))
        return ramp

    def _label(self, ref: Ref, labels: dict[str, str]) -> Json:
        if ref not in self.releases:
            raise NotFound(f"no secret {ref}")
        self.releases[ref] |= labels
        return {}

    def __getattr__(self, verb: str) -> Any:
        raise AssertionError(f"an uninstall has no business with {verb}")


SIGNED = "rampguard.dev/requested-by"


def ramp(
    name: str, phase: str | None = "Soaking", *, namespace: str = "calc", held: bool = False
) -> Json:
    finalizers = [FINALIZER] if held else []
    metadata = {"namespace": namespace, "name": name, "uid": f"u-{name}", "finalizers": finalizers}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase} if phase else {}}


def order(policy: Policy, **more: Any) -> Order:
    return Order(policy=policy, **more)


ACTIVE: dict[str, tuple[Json, bool]] = {
    "a ramp that nobody has looked at": (ramp("a", None), True),
    "one that waits to start": (ramp("a", "Pending"), True),
    "one that is blocked, it may start any time": (ramp("a", "Blocked"), True),
    "one that soaks": (ramp("a", "Soaking"), True),
    "one that is paused": (ramp("a", "Paused"), True),
    "one that is being undone": (ramp("a", "RollingBack"), True),
    "a phase of another release": (ramp("a", "Dreaming"), True),
    "one that is over": (ramp("a", "Completed"), False),
    "one that is undone": (ramp("a", "RolledBack"), False),
    "one that was kept": (ramp("a", "Aborted"), False),
    "one that somebody took": (ramp("a", "Contested"), False),
    "one that is over but holds the finalizer": (ramp("a", "Completed", held=True), True),
}


@pytest.mark.parametrize(("item", "active"), ACTIVE.values(), ids=ACTIVE)
def test_a_ramp_is_active_until_it_can_be_left_alone(item, active) -> None:
    assert as_ramp(item).active is active


@pytest.mark.parametrize("policy", Policy)
async def test_without_active_ramps_every_policy_lets_go(policy: Policy) -> None:
    cluster = TinyCluster(ramp("old", "Completed"))
    assert await uninstall(cluster, cluster.clock, order(policy)) == "no ramp is active"
    assert cluster.clock.passed == 0


async def test_without_a_crd_there_are_no_ramps() -> None:
    cluster = TinyCluster()
    cluster.errors = [NotFound("the server could not find the requested resource")]
    told = await uninstall(cluster, cluster.clock, order(Policy.REFUSE))
    assert told == "no ramp is active"


async def test_refuse_names_each_active_ramp_and_touches_none() -> None:
    cluster = TinyCluster(ramp("a"), ramp("b", "Paused", namespace="shop"), ramp("c", "Completed"))
    with pytest.raises(Unsafe) as refused:
        await uninstall(cluster, cluster.clock, order(Policy.REFUSE))
    assert "calc/a (Soaking)" in str(refused.value)
    assert "shop/b (Paused)" in str(refused.value)
    assert "calc/c" not in str(refused.value)
    assert all("abort" not in r["spec"] for r in cluster.ramps.values())


@pytest.mark.parametrize(
    ("policy", "end"), [(Policy.ROLLBACK, "RolledBack"), (Policy.KEEP, "Aborted")]
)
async def test_the_other_policies_ask_all_and_wait_for_the_end(policy: Policy, end: str) -> None:
    cluster = TinyCluster(ramp("a", held=True), ramp("b", "Pending"), ramp("c", "Completed"))
    told = await uninstall(cluster, cluster.clock, order(policy, signed_by="sa"))
    assert told.splitlines()[1:] == [f"  calc/a ({end})", f"  calc/b ({end})"]
    assert cluster.signatures == ["sa", "sa"]


async def test_a_ramp_that_does_not_end_in_time_keeps_the_release() -> None:
    cluster = TinyCluster(ramp("a"), operator=False)
    patience = timedelta(seconds=60)
    with pytest.raises(Unsafe, match=r"calc/a \(Soaking\)"):
        await uninstall(cluster, cluster.clock, order(Policy.ROLLBACK, patience=patience))
    assert cluster.clock.passed == 60


async def test_a_ramp_is_asked_once() -> None:
    cluster = TinyCluster(ramp("a"), operator=False)
    with pytest.raises(Unsafe):
        await uninstall(cluster, cluster.clock, order(Policy.ROLLBACK))
    assert cluster.signatures == [None]


async def test_only_the_namespaces_of_the_release_count() -> None:
    cluster = TinyCluster(ramp("a"), ramp("b", "Completed", namespace="shop"))
    told = await uninstall(cluster, cluster.clock, order(Policy.REFUSE, namespaces=("shop", "x")))
    assert told == "no ramp is active"


async def test_an_api_server_that_is_away_for_a_moment_is_waited_for() -> None:
    cluster = TinyCluster(ramp("a"))
    cluster.errors = [Unavailable("no route"), Unavailable("no route")]
    await uninstall(cluster, cluster.clock, order(Policy.ROLLBACK))
    assert cluster.ramps["calc", "a"]["status"]["phase"] == "RolledBack"


@pytest.mark.parametrize("policy", Policy)
async def test_an_unknown_never_uninstalls(policy: Policy) -> None:
    cluster = TinyCluster()
    cluster.errors = [Unavailable("no route") for _ in range(1000)]
    with pytest.raises(Unsafe, match=r"cannot be known.*no route"):
        await uninstall(cluster, cluster.clock, order(policy))


FAILURES: dict[str, Sequence[RampError]] = {
    "active ramps": (),
    "no right to list them": (Refused("experimentramps is forbidden"),),
}


@pytest.mark.parametrize("errors", FAILURES.values(), ids=FAILURES)
async def test_a_release_that_stays_can_be_upgraded(errors: Sequence[RampError]) -> None:
    cluster = TinyCluster(ramp("a"))
    cluster.errors = [*errors]
    with pytest.raises(Unsafe, match="can be upgraded"):
        await attempt(cluster, cluster.clock, order(Policy.REFUSE, release=RELEASE))
    assert cluster.releases[RELEASE]["status"] == "deployed"


async def test_a_release_that_goes_is_left_to_helm() -> None:
    cluster = TinyCluster()
    await attempt(cluster, cluster.clock, order(Policy.REFUSE, release=RELEASE))
    assert cluster.releases[RELEASE]["status"] == "uninstalling"


async def test_a_record_that_is_elsewhere_is_told_with_the_way_out() -> None:
    cluster = TinyCluster(ramp("a"))
    with pytest.raises(Unsafe, match="helm rollback"):
        await attempt(cluster, cluster.clock, order(Policy.REFUSE, release=Ref("x", "y")))


BAD_ARGUMENTS = {
    "no policy": ([], "--policy"),
    "a policy that does not exist": (["--policy", "Maybe"], "'Maybe' is not one of"),
    "a record without a namespace": (
        ["--policy", "Keep", "--release", "rampguard"],
        "'--release' requires 2 arguments",
    ),
    "no patience": (["--policy", "Keep", "--patience", "0"], "--patience"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_a_bad_argument_is_told(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_outside_of_a_cluster_the_command_fails_and_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rampguard.uninstall", "--policy", "Refuse"],
        env={"KUBECONFIG": str(tmp_path / "none")},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "no way to a cluster" in done.stderr
