"""One variable on a Deployment that others own: what we write, own, restore and leave alone."""

import json
from collections.abc import AsyncIterator, Callable

import pytest

from conftest import Kubectl
from integration.deployments import (
    APPS,
    ENTRIES,
    ENV,
    Bench,
    claimed,
    entries,
    manifest,
    owners,
    standing,
)
from integration.server import ApiServer, Json
from rampguard.adapters.kubernetes import KubernetesCluster
from rampguard.api.apply import drop_stamp_patch, stamp_patch, unmanaged_patch
from rampguard.core.ask import EnvName, EnvValue
from rampguard.core.model import Entry, EntryKind, Owner, Stamp
from rampguard.core.targets import holder
from rampguard.ports import Conflict, NotFound, Refused, Resource

pytestmark = pytest.mark.cluster

D = Resource.DEPLOYMENTS
OURS = Owner("rampguard", "Apply", value=True)
OTHER = EnvName("OTHER_ROLLOUT")
CAUSE = "f:kubernetes.io/change-cause"
STAMP = Stamp(
    uid="u", name="tree-50", original=EnvValue("10"), origin=10, to=50, process="p", seq=1
)
WAYS: dict[str, Callable[[Bench, Json], None]] = {
    "kubectl create": Bench.create,
    "kubectl apply": Bench.apply,
    "kubectl apply --server-side": lambda bench, body: bench.apply(body, "--server-side"),
    "helm": lambda bench, body: bench.told("create", "-f", "-", "--field-manager=helm", body=body),
}


@pytest.fixture
async def bench(server: ApiServer, cluster: Kubectl, namespace: str) -> AsyncIterator[Bench]:
    adapter = await KubernetesCluster.connect()
    yield Bench(namespace, adapter, server, cluster)
    await adapter.close()
    server.call("DELETE", f"{APPS}/namespaces/{namespace}/deployments/api")


# --- one entry -----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_we_own_one_entry_and_change_nothing_else(
    bench: Bench, way: Callable[[Bench, Json], None]
) -> None:
    way(bench, manifest(*ENTRIES))
    before = await bench.get()
    after = await bench.put("50")
    assert claimed(after) == [
        {
            "f:metadata": {"f:annotations": {CAUSE: {}}},
            "f:spec": {
                "f:template": {
                    "f:spec": {
                        "f:containers": {
                            'k:{"name":"api"}': {
                                ".": {},
                                "f:env": {
                                    f'k:{{"name":"{ENV}"}}': {
                                        ".": {},
                                        "f:name": {},
                                        "f:value": {},
                                    }
                                },
                                "f:name": {},
                            }
                        }
                    }
                }
            },
        }
    ]
    assert entries(after) == [("LOG_LEVEL", "info"), (ENV, "50"), ("REGION", "eu")]
    assert entries(after, 1) == [(ENV, "7")]
    assert OURS in owners(after)
    assert [one for one in owners(after) if one.value] == [OURS]
    assert standing(after).template == standing(before).template
    assert (await bench.get())["spec"] == after["spec"]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_the_original_comes_back_and_with_it_the_whole_spec(
    bench: Bench, way: Callable[[Bench, Json], None]
) -> None:
    way(bench, manifest(*ENTRIES))
    before = await bench.get()
    for value in ("20", "30", "50"):
        await bench.put(value)
    back = await bench.put("10")
    assert back["spec"] == before["spec"]


@pytest.mark.parametrize("others", [(), ENTRIES[:1]], ids=["alone", "among others"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_an_absent_variable_is_absent_again(
    bench: Bench, way: Callable[[Bench, Json], None], others: tuple[tuple[str, str], ...]
) -> None:
    way(bench, manifest(*others))
    before = await bench.get()
    assert standing(before).entry == Entry(EntryKind.ABSENT)
    ramped = await bench.put("50")
    assert standing(ramped).entry == Entry(EntryKind.LITERAL, EnvValue("50"))
    back = await bench.put(None)
    assert standing(back).entry == Entry(EntryKind.ABSENT)
    assert back["spec"] == before["spec"]
    assert claimed(back) == [{"f:metadata": {"f:annotations": {CAUSE: {}}}}]


async def test_an_empty_value_is_not_an_absent_one(bench: Bench) -> None:
    bench.create(manifest((ENV, "")))
    before = await bench.get()
    assert standing(before).entry == Entry(EntryKind.LITERAL, EnvValue(""))
    await bench.put("50")
    back = await bench.put("")
    assert standing(back).entry == standing(before).entry
    assert entries(back) == [(ENV, "")]


async def test_the_same_value_again_begins_no_rollout(bench: Bench) -> None:
    bench.create(manifest(*ENTRIES))
    await bench.put("50")
    once = await bench.get()
    again = await bench.put("50")
    assert again["spec"] == once["spec"]
    assert standing(await bench.get()).revision == standing(once).revision


async def test_another_container_has_its_own_entry(bench: Bench) -> None:
    bench.create(manifest(*ENTRIES))
    await bench.put("50")
    both = await bench.put("90", container="sidecar")
    assert (entries(both)[1], entries(both, 1)) == ((ENV, "50"), [(ENV, "90")])
    one = await bench.put("10")
    assert (entries(one)[1], entries(one, 1)) == ((ENV, "10"), [(ENV, "90")])


async def test_a_second_variable_does_not_take_the_first_away(bench: Bench) -> None:
    bench.create(manifest(*ENTRIES))
    await bench.put("50")
    both = await bench.put("5", OTHER)
    assert entries(both) == [*(ENTRIES[0], (ENV, "50"), ENTRIES[2]), (OTHER, "5")]
    first = await bench.put(None, OTHER)
    assert entries(first) == [ENTRIES[0], (ENV, "50"), ENTRIES[2]]
    assert OURS in owners(first)


# --- others --------------------------------------------------------------------------------------


async def test_what_others_write_in_the_meantime_stays(bench: Bench) -> None:
    bench.apply(manifest(*ENTRIES))
    await bench.put("50")
    bench.told("set", "env", "deploy/api", "-c", "api", "LOG_LEVEL=debug", "NEW=1")
    bench.told("set", "image", "deploy/api", "api=app:2")
    back = await bench.put("10")
    assert sorted(entries(back)) == sorted(
        [("LOG_LEVEL", "debug"), (ENV, "10"), ("REGION", "eu"), ("NEW", "1")]
    )
    assert back["spec"]["template"]["spec"]["containers"][0]["image"] == "app:2"


async def test_an_apply_of_everything_else_keeps_our_entry(bench: Bench) -> None:
    bench.apply(manifest(*ENTRIES[:1]))
    await bench.put("50")
    changed = manifest(*ENTRIES[:1])
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"
    bench.apply(changed)
    after = await bench.get()
    assert entries(after) == [ENTRIES[0], (ENV, "50")]
    assert owners(after) == {OURS}


@pytest.mark.parametrize(
    ("command", "manager"),
    [
        (("set", "env", "deploy/api", "-c", "api", f"{ENV}=33"), "kubectl-set"),
        (("set", "env", "deploy/api", "-c", "api", f"{ENV}-"), ""),
    ],
    ids=["a value", "its removal"],
)
async def test_whoever_takes_the_value_is_named(
    bench: Bench, command: tuple[str, ...], manager: str
) -> None:
    bench.create(manifest(*ENTRIES))
    await bench.put("50")
    bench.told(*command)
    seen = standing(await bench.get())
    assert holder(seen) == manager
    assert OURS not in seen.owners
    assert seen.entry != Entry(EntryKind.LITERAL, EnvValue("50"))


async def test_a_client_side_apply_that_declares_the_variable_takes_it_back(bench: Bench) -> None:
    bench.apply(manifest(*ENTRIES))
    await bench.put("50")
    bench.apply(manifest(*ENTRIES))
    seen = standing(await bench.get())
    assert seen.entry == Entry(EntryKind.LITERAL, EnvValue("10"))
    assert holder(seen) == "kubectl-client-side-apply"


async def test_an_entry_that_somebody_else_applies_too_stays_and_is_theirs(bench: Bench) -> None:
    bench.create(manifest(*ENTRIES[:1]))
    await bench.put("50")
    declared = manifest(ENTRIES[0], (ENV, "50"))
    bench.apply(declared, "--server-side", "--field-manager=other", "--force-conflicts")
    seen = standing(await bench.put(None))
    assert seen.entry == Entry(EntryKind.LITERAL, EnvValue("50"))
    assert seen.owners == (Owner("other", "Apply", value=True),)
    assert holder(seen) == "other"


# --- versions ------------------------------------------------------------------------------------


async def test_a_write_that_was_overtaken_is_a_conflict_and_changes_nothing(bench: Bench) -> None:
    bench.create(manifest(*ENTRIES))
    seen = await bench.get()
    bench.told("annotate", "deploy/api", "somebody=was-here")
    with pytest.raises(Conflict):
        await bench.put_at(seen, "50")
    with pytest.raises(Conflict):
        await bench.patch_at(stamp_patch(seen, "api", ENV, STAMP))
    now = await bench.get()
    assert now["spec"] == seen["spec"]
    assert (standing(now).stamp, claimed(now)) == (None, [])


async def test_a_deployment_of_the_same_name_is_another_one(bench: Bench) -> None:
    bench.create(manifest(*ENTRIES))
    seen = await bench.get()
    bench.told("delete", "deploy/api", "--wait")
    with pytest.raises((Conflict, NotFound)):
        await bench.put_at(seen, "50")
    bench.create(manifest(*ENTRIES))
    with pytest.raises(Conflict):
        await bench.put_at(seen, "50")
    assert entries(await bench.get()) == [*ENTRIES]


async def test_a_stamp_stays_through_all_and_goes_alone(bench: Bench) -> None:
    bench.apply(manifest(*ENTRIES))
    before = await bench.get()
    stamped = await bench.patch(lambda seen: stamp_patch(seen, "api", ENV, STAMP))
    assert standing(stamped).stamp == STAMP
    assert stamped["spec"] == before["spec"]
    await bench.put("50")
    bench.apply(manifest(*ENTRIES, ("NEW", "1")))
    await bench.put("10")
    seen = await bench.get()
    assert standing(seen).stamp == STAMP
    freed = await bench.patch(lambda seen: drop_stamp_patch(seen, "api", ENV))
    assert standing(freed).stamp is None
    assert freed["spec"] == seen["spec"]


# --- what cannot be applied ----------------------------------------------------------------------


async def test_a_variable_from_a_source_is_seen_and_refused(bench: Bench) -> None:
    body = manifest()
    source = {"valueFrom": {"configMapKeyRef": {"name": "flags", "key": "tree"}}}
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": ENV} | source]
    bench.create(body)
    before = await bench.get()
    assert standing(before).entry.kind is EntryKind.VALUE_FROM
    with pytest.raises(Refused, match="valueFrom"):
        await bench.put("50")
    assert (await bench.get())["spec"] == before["spec"]


async def test_two_entries_of_one_name_are_seen(bench: Bench) -> None:
    bench.create(manifest((ENV, "10"), (ENV, "20")))
    assert standing(await bench.get()).entry.kind is EntryKind.DUPLICATE


@pytest.mark.parametrize("original", ["10", None])
async def test_without_ownership_the_original_still_comes_back(
    bench: Bench, original: str | None
) -> None:
    bench.create(manifest(*ENTRIES) if original else manifest(*ENTRIES[:1]))
    before = await bench.get()
    await bench.put("50")
    forget = json.dumps([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}])
    bench.told("patch", "deploy", "api", "--type=json", "-p", forget)
    bare = await bench.get()
    assert not standing(bare).managed
    value = None if original is None else EnvValue(original)
    patch = unmanaged_patch(bare, "api", ENV, value)
    back = await bench.cluster.json_patch(D, bench.ref, patch)
    assert entries(back) == entries(before)
    assert entries(back, 1) == entries(before, 1)
    with pytest.raises(Conflict):
        await bench.cluster.json_patch(D, bench.ref, patch)
