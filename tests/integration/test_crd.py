"""What the API server refuses of a ramp, what it lets through, and that our own rules agree."""

import json
from dataclasses import fields

import pytest

from conftest import Kubectl
from integration import accepted
from integration.broken_rules import MESSAGES, by_the_server, by_us, judged_by_both
from integration.malformed import BOTH, ROWS, SERVERS, STORED, Row
from integration.manifests import Json, changed
from integration.server import DRY, RAMPS, Answer, ApiServer
from rampguard.api.crd import crd
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import Ask, Ref
from rampguard.ports import InvalidSpec

pytestmark = pytest.mark.cluster

# In place of `"to": 50`, and what is said of it: nothing was read yet that could be named.
BODIES = {
    "not a number": ('"to": NaN', "invalid character 'N'"),
    "a number beyond all floats": ('"to": 1e400', "cannot unmarshal number 1e400"),
    "a field twice": ('"to": 50, "to": 60', 'duplicate field "spec.to"'),
    "an open end": ('"to": ', "invalid character"),
    "a bottomless list": (f'"to": {"[" * 20_000}{"]" * 20_000}', "exceeded max depth"),
    "more than a server reads": (f'"to": "{"x" * 4_000_000}"', "Request entity too large"),
}


def create(server: ApiServer, namespace: str, manifest: Json) -> Answer:
    """Try a create, which is refused as a real one would be."""
    path = f"{RAMPS}/namespaces/{namespace}/experimentramps"
    return server.call("POST", path, manifest, query=DRY)


def refusal(manifest: Json) -> str:
    """Return the operator's words, as they stand in the status of a Blocked ramp."""
    with pytest.raises(InvalidSpec) as refused:
        to_ask(manifest)
    return str(refused.value)


def told_by(words: str, row: Row) -> bool:
    return row.operator in words and row.field.replace("[", ".").replace("]", "") in words


def test_the_lab_has_the_schema_of_this_commit(server: ApiServer) -> None:
    path = "apis/apiextensions.k8s.io/v1/customresourcedefinitions/experimentramps.rampguard.dev"
    there = server.must("GET", path)["spec"]["versions"]
    ours = crd()["spec"]["versions"]
    assert [one["schema"] for one in there] == [one["schema"] for one in ours], "run `make lab`"


@pytest.mark.parametrize("row", BOTH.values(), ids=BOTH)
def test_what_is_malformed_is_refused_by_name_here_and_there(
    server: ApiServer, namespace: str, row: Row
) -> None:
    manifest = changed(*row.changes)
    said = create(server, namespace, manifest).message
    assert row.field in said
    assert row.server in said
    assert told_by(words := refusal(manifest), row), words


@pytest.mark.parametrize("row", STORED.values(), ids=STORED)
def test_what_no_schema_has_words_for_is_stored_and_blocked_by_name(
    server: ApiServer, namespace: str, row: Row
) -> None:
    stored = create(server, namespace, changed(*row.changes))
    assert stored.accepted, stored.message
    assert told_by(words := refusal(stored.body), row), words


@pytest.mark.parametrize("row", SERVERS.values(), ids=SERVERS)
def test_what_only_the_server_can_see_it_refuses_by_name(
    server: ApiServer, namespace: str, row: Row
) -> None:
    said = create(server, namespace, changed(*row.changes)).message
    assert row.field in said
    assert row.server in said


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_server_and_the_python_twins_find_the_same_rules_broken(
    server: ApiServer, namespace: str, row: Row
) -> None:
    manifest = changed(*row.changes)
    answer = create(server, namespace, manifest)
    if judged_by_both(answer):
        assert by_us(manifest) == by_the_server(answer)
    else:
        # Of the wrong shape: the fields are named instead, or as well.
        told = by_the_server(answer)
        assert not told or told <= by_us(manifest)


@pytest.mark.parametrize("text", BODIES.values(), ids=BODIES)
def test_what_is_no_object_is_refused_as_a_whole(
    server: ApiServer, namespace: str, text: tuple[str, str]
) -> None:
    whole, piece = json.dumps(changed()), '"to": 50'
    broken, words = text
    answer = server.call(
        "POST",
        f"{RAMPS}/namespaces/{namespace}/experimentramps",
        whole.replace(piece, broken),
        query=DRY,
    )
    assert (answer.accepted, words in answer.message) == (False, True), answer.message[:500]


def test_kubectl_shows_people_the_same_words(cluster: Kubectl, namespace: str) -> None:
    names = ("a step twice", "a misspelt field", "a negative from", "one target twice")
    rows = [ROWS[name] for name in names]
    told = "\n---\n".join(json.dumps(changed(*row.changes)) for row in rows)
    command = ("create", "--dry-run=server", "-f", "-", "-n", namespace)
    done = cluster(*command, input=told)
    assert done.returncode == 1
    for row in rows:
        assert row.field in done.stderr
        assert row.server in done.stderr.replace('\\"', '"')


@pytest.mark.parametrize("row", accepted.ROWS.values(), ids=accepted.ROWS)
def test_what_is_well_formed_is_accepted_and_understood(
    server: ApiServer, namespace: str, row: accepted.Row
) -> None:
    changes, asked = row
    manifest = changed(*changes)
    answer = create(server, namespace, manifest)
    assert answer.accepted, answer.message
    ask = to_ask(answer.body)
    assert {name: getattr(ask, name) for name in accepted.WHOLE} == accepted.WHOLE | asked
    assert ask.ref == Ref(namespace, manifest["metadata"]["name"])
    assert ask.uid == answer.body["metadata"]["uid"]
    assert "phase" not in answer.body["status"]
    assert by_us(answer.body) == set()


def test_each_rule_is_broken_by_a_row() -> None:
    broken = {message for row in BOTH.values() for message in MESSAGES if row.operator in message}
    assert broken == MESSAGES


def test_each_field_of_the_ask_is_compared() -> None:
    known = {"ref", "uid", "generation", "created_at", "deleting"}
    assert {field.name for field in fields(Ask)} == known | set(accepted.WHOLE)


def test_the_table_is_as_long_as_was_asked() -> None:
    assert len(ROWS) >= 70
