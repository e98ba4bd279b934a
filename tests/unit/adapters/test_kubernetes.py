"""The adapter against an HTTP server that answers whatever a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from kubernetes.aio.client import Configuration

from rampguard.adapters.kubernetes import KubernetesCluster, Limits
from rampguard.core.ask import Ref
from rampguard.ports import (
    Conflict,
    Forbidden,
    Gone,
    Json,
    NotFound,
    RampError,
    Refused,
    Resource,
    TimedOut,
    Unavailable,
)

API = Ref("shop", "api")
PINNED = {"metadata": {"uid": "u1", "resourceVersion": "7"}}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUICK = Limits(
    call=aiohttp.ClientTimeout(total=0.3, connect=0.2),
    watch=aiohttp.ClientTimeout(total=None, connect=0.2, sock_read=0.3),
)


@asynccontextmanager
async def api(handler: Handler, **options) -> AsyncIterator[KubernetesCluster]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with (
        TestServer(app) as server,
        cluster_at(str(server.make_url("")), **options) as cluster,
    ):
        yield cluster


@asynccontextmanager
async def cluster_at(host: str, **options) -> AsyncIterator[KubernetesCluster]:
    configuration = Configuration(host=host)
    cluster = KubernetesCluster(configuration, limits=QUICK, **options)
    try:
        yield cluster
    finally:
        await cluster.close()


def always(status: int, body: object = None, **headers: str) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        raw = body if isinstance(body, bytes) else orjson.dumps(body or {})
        return web.Response(status=status, body=raw, headers=headers)

    return handler


def refusal(status: int, message: str = "no", **details: object) -> Handler:
    return always(
        status, {"kind": "Status", "code": status, "message": message, "details": details}
    )


class Recorder:
    """Answers 200 and keeps what was asked."""

    def __init__(self, *answers: Json) -> None:
        self.asked: list[tuple[str, str, dict[str, str], str, object]] = []
        self._answers = list(answers) or [{}]

    async def __call__(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.asked.append(
            (
                request.method,
                request.path,
                dict(request.query),
                request.content_type,
                orjson.loads(raw) if raw else None,
            )
        )
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return web.json_response(answer)


# --- what is asked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "ref", "path"),
    [
        (Resource.DEPLOYMENTS, API, "/apis/apps/v1/namespaces/shop/deployments/api"),
        (Resource.PODS, API, "/api/v1/namespaces/shop/pods/api"),
        (Resource.NAMESPACES, Ref("", "shop"), "/api/v1/namespaces/shop"),
        (
            Resource.RAMPS,
            API,
            "/apis/rampguard.dev/v1alpha1/namespaces/shop/experimentramps/api",
        ),
    ],
)
async def test_every_kind_has_its_path(resource, ref, path):
    server = Recorder({"kind": "x"})
    async with api(server) as cluster:
        assert await cluster.get(resource, ref) == {"kind": "x"}
    assert server.asked == [("GET", path, {}, "application/json", None)]


async def test_an_apply_is_forced_strict_and_ours():
    server = Recorder()
    async with api(server) as cluster:
        await cluster.apply(API, PINNED)
        await cluster.apply(API, PINNED, dry_run=True)
    method, path, query, content, body = server.asked[0]
    assert (method, path) == ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/api")
    assert query == {"fieldManager": "rampguard", "force": "true", "fieldValidation": "Strict"}
    assert content == "application/apply-patch+yaml"
    assert body == PINNED
    assert server.asked[1][2] == query | {"dryRun": "All"}


async def test_an_apply_without_a_pin_is_never_sent():
    server = Recorder()
    async with api(server) as cluster:
        with pytest.raises(ValueError, match="overwrite anybody"):
            await cluster.apply(API, {"metadata": {"name": "api"}})
    assert server.asked == []


async def test_each_write_names_its_content_type():
    server = Recorder()
    operations = [{"op": "test", "path": "/a", "value": None}]
    async with api(server) as cluster:
        await cluster.merge_patch(Resource.DEPLOYMENTS, API, PINNED)
        await cluster.json_patch(Resource.DEPLOYMENTS, API, operations)
        await cluster.put_status(API, PINNED)
        await cluster.create_event({"metadata": {"namespace": "shop", "name": "e1"}})
    assert [(method, content) for method, _, _, content, _ in server.asked] == [
        ("PATCH", "application/merge-patch+json"),
        ("PATCH", "application/json-patch+json"),
        ("PUT", "application/json"),
        ("POST", "application/json"),
    ]
    assert server.asked[1][4] == operations
    assert server.asked[2][1].endswith("/namespaces/shop/experimentramps/api/status")
    assert server.asked[3][1] == "/apis/events.k8s.io/v1/namespaces/shop/events"


async def test_a_right_is_asked_with_its_group_and_subresource():
    server = Recorder({"status": {"allowed": True}}, {"status": {"allowed": False}}, {})
    async with api(server) as cluster:
        assert await cluster.can_i("update", Resource.RAMPS, "shop", "status")
        assert not await cluster.can_i("list", Resource.PODS, None)
        assert not await cluster.can_i("list", Resource.PODS, None)
    asked = [body["spec"]["resourceAttributes"] for *_, body in server.asked]
    assert asked[0] == {
        "verb": "update",
        "group": "rampguard.dev",
        "resource": "experimentramps",
        "subresource": "status",
        "namespace": "shop",
    }
    assert (asked[1]["group"], asked[1]["namespace"]) == ("", "")


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a?b", "a%2fb", "A", "a\n", "a" * 254])
async def test_a_name_that_could_leave_its_path_is_not_found_and_never_sent(name):
    server = Recorder()
    async with api(server) as cluster:
        with pytest.raises(NotFound):
            await cluster.get(Resource.DEPLOYMENTS, Ref("shop", name))
        with pytest.raises(NotFound):
            await cluster.get(Resource.DEPLOYMENTS, Ref(name or "..", "api"))
    assert server.asked == []


# --- lists ---------------------------------------------------------------------------------------


async def test_a_list_goes_on_until_the_last_page():
    server = Recorder(
        {"metadata": {"continue": "t/1+="}, "items": [{"a": 1}]},
        {"metadata": {}, "items": [{"a": 2}]},
    )
    async with api(server) as cluster:
        found = await cluster.list(Resource.PODS, "shop", selector="app in (a,b)", fresh=False)
    assert found == ({"a": 1}, {"a": 2})
    selector = {"labelSelector": "app in (a,b)", "limit": "500"}
    assert [query for _, _, query, _, _ in server.asked] == [
        selector | {"resourceVersion": "0"},
        selector | {"continue": "t/1+="},
    ]


async def test_a_list_of_the_cluster_names_no_namespace():
    server = Recorder({"items": None})
    async with api(server) as cluster:
        assert await cluster.list(Resource.RAMPS, None) == ()
    assert server.asked[0][1] == "/apis/rampguard.dev/v1alpha1/experimentramps"
    assert server.asked[0][2] == {"limit": "500"}


async def test_a_list_that_ages_between_pages_is_asked_for_in_one_piece():
    async def handler(request: web.Request) -> web.Response:
        if "continue" in request.query:
            return web.json_response({"message": "too old"}, status=410)
        if "limit" in request.query:
            return web.json_response({"metadata": {"continue": "t"}, "items": [{"a": 1}]})
        return web.json_response({"items": [{"a": 1}, {"a": 2}]})

    async with api(handler) as cluster:
        assert await cluster.list(Resource.PODS, "shop") == ({"a": 1}, {"a": 2})


# --- refusals ------------------------------------------------------------------------------------

UID = [{"field": "metadata.uid", "reason": "FieldValueInvalid"}]
NO_RIGHT = 'deployments.apps "api" is forbidden: User "u" cannot patch resource "deployments" in'
VALUE = [{"field": "spec.replicas", "reason": "FieldValueInvalid"}]


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (refusal(400), Refused),
        (refusal(401), Unavailable),
        (refusal(403), Refused),
        (refusal(403, NO_RIGHT), Forbidden),
        (refusal(404), Unavailable),
        (refusal(409), Conflict),
        (refusal(410), Gone),
        (refusal(415), Refused),
        (refusal(422, causes=UID), Conflict),
        (refusal(422, causes=VALUE), Refused),
        (refusal(422), Refused),
        (refusal(429), Unavailable),
        (refusal(500), TimedOut),
        (refusal(503), TimedOut),
        (refusal(504), TimedOut),
        (always(502, b"<html>bad gateway</html>"), TimedOut),
        (always(200, b"<html>welcome</html>"), TimedOut),
        (always(200, b'{"kind": "Depl'), TimedOut),
        (always(200, b"[]"), TimedOut),
        (always(404, b'{"message": "no api", "details": {"name": "api"}}'), NotFound),
        (always(404, b"page not found"), Unavailable),
        (always(404, b'["page not found"]'), Unavailable),
    ],
)
async def test_each_answer_to_a_write_has_one_meaning(handler, expected):
    async with api(handler) as cluster:
        with pytest.raises(RampError) as caught:
            await cluster.merge_patch(Resource.DEPLOYMENTS, API, PINNED)
    assert type(caught.value) is expected


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_error_to_a_read_or_a_dry_run_leaves_nothing_unknown(status):
    async with api(refusal(status)) as cluster:
        with pytest.raises(Unavailable) as read:
            await cluster.get(Resource.DEPLOYMENTS, API)
        with pytest.raises(Unavailable) as dry:
            await cluster.apply(API, PINNED, dry_run=True)
    assert {type(read.value), type(dry.value)} == {Unavailable}


async def test_a_failed_test_of_a_json_patch_is_a_conflict():
    generic = "the server rejected our request due to an error in our request"
    async with api(refusal(422, generic)) as cluster:
        with pytest.raises(Conflict, match="rejected"):
            await cluster.json_patch(Resource.DEPLOYMENTS, API, [])
    async with api(refusal(422, causes=VALUE)) as cluster:
        with pytest.raises(Refused):
            await cluster.json_patch(Resource.DEPLOYMENTS, API, [])


async def test_a_refusal_says_what_where_and_in_whose_words():
    async with api(refusal(403, 'admission webhook "policy" denied: no')) as cluster:
        with pytest.raises(Refused) as caught:
            await cluster.merge_patch(Resource.DEPLOYMENTS, API, PINNED)
    assert str(caught.value) == 'patch deployments shop/api: admission webhook "policy" denied: no'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", timedelta(seconds=7)),
        ("86400", timedelta(seconds=30)),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        ("9" * 99, None),
    ],
)
async def test_a_server_may_ask_to_wait_within_reason(header, expected):
    async with api(always(429, {}, **{"Retry-After": header})) as cluster:
        with pytest.raises(Unavailable) as caught:
            await cluster.get(Resource.PODS, API)
    assert caught.value.retry_after == expected


# --- silence -------------------------------------------------------------------------------------


async def test_a_server_that_is_not_there_did_nothing():
    async with cluster_at(f"http://127.0.0.1:{unused_port()}") as cluster:
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            await cluster.merge_patch(Resource.DEPLOYMENTS, API, PINNED)
    assert type(caught.value) is Unavailable


async def test_a_write_without_an_answer_may_have_happened():
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async def cut(request: web.Request) -> web.Response:
        request.transport.close()
        return web.Response()

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"kind"')
        request.transport.close()
        return response

    for fault in (hang, cut, half):
        async with api(fault) as cluster:
            with pytest.raises(TimedOut):
                await cluster.merge_patch(Resource.DEPLOYMENTS, API, PINNED)
            with pytest.raises(Unavailable) as caught:
                await cluster.get(Resource.DEPLOYMENTS, API)
            assert type(caught.value) is Unavailable


async def test_a_replaced_token_is_read_again_once():
    configuration = Configuration()
    logins = []

    async def log_in() -> None:
        logins.append(1)
        configuration.api_key["BearerToken"] = "bearer new"

    async def handler(request: web.Request) -> web.Response:
        known = request.headers.get("Authorization") == "bearer new"
        return web.json_response({"known": True}) if known else web.Response(status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        configuration.host = str(server.make_url("")).rstrip("/")
        configuration.api_key["BearerToken"] = "bearer old"
        cluster = KubernetesCluster(configuration, log_in=log_in)
        assert await cluster.get(Resource.PODS, API) == {"known": True}
        assert await cluster.get(Resource.PODS, API) == {"known": True}
        await cluster.close()
    assert logins == [1]


# --- watches -------------------------------------------------------------------------------------


def stream(*chunks: bytes, end: bool = True) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        if not end:
            await asyncio.sleep(5)
        return response

    return handler


def event(kind: str, **what: object) -> bytes:
    return orjson.dumps({"type": kind, "object": what}) + b"\n"


async def watched(cluster: KubernetesCluster) -> list[Json]:
    return [seen async for seen in cluster.watch(Resource.PODS, "shop", selector="app=api")]


async def test_a_watch_yields_changes_and_no_bookmarks():
    lines = event("ADDED", n=1) + event("BOOKMARK", n=2) + event("MODIFIED", n=3)
    cuts = (lines[:10], lines[10:11], lines[11:60], lines[60:], event("DELETED", n=4))
    async with api(stream(*cuts)) as cluster:
        assert await watched(cluster) == [{"n": 1}, {"n": 3}, {"n": 4}]


async def test_a_watch_asks_for_bookmarks_and_an_end():
    server = Recorder({"type": "ADDED", "object": {}})
    async with api(server) as cluster:
        await watched(cluster)
    assert server.asked[0][2] == {
        "watch": "true",
        "resourceVersion": "0",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "290",
        "labelSelector": "app=api",
    }


async def test_an_event_may_be_longer_than_any_buffer():
    long = "x" * 5_000_000
    async with api(stream(event("ADDED", long=long))) as cluster:
        assert await watched(cluster) == [{"long": long}]


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (stream(event("ERROR", code=410, message="too old resource version")), Gone),
        (stream(event("ERROR", code=500, message="etcd")), Unavailable),
        (refusal(410), Gone),
        (refusal(403), Refused),
        (stream(b"no json\n"), Unavailable),
        (stream(b'{"type": "ERROR"}\n'), Unavailable),
        (stream(b'{"type": "ADDED", "object": 3}\n'), Unavailable),
        (stream(event("ADDED", n=1), end=False), Unavailable),
    ],
)
async def test_a_watch_that_goes_wrong_says_how(handler, expected):
    async with api(handler) as cluster:
        with pytest.raises(expected):
            await watched(cluster)


async def test_a_watch_can_be_left_at_any_time():
    calls = []
    handler = stream(event("ADDED", n=1), event("ADDED", n=2), end=False)
    async with (
        api(handler, on_call=lambda *call: calls.append(call)) as cluster,
        aclosing(cluster.watch(Resource.PODS, "shop", selector="")) as changes,
    ):
        assert await anext(changes) == {"n": 1}
    assert calls == [("watch", "pods", "cancelled")]


# --- counting ------------------------------------------------------------------------------------


async def test_every_call_is_counted_by_verb_resource_and_result():
    calls = []
    async with api(refusal(409), on_call=lambda *call: calls.append(call)) as cluster:
        with pytest.raises(Conflict):
            await cluster.put_status(API, PINNED)
    async with api(always(200), on_call=lambda *call: calls.append(call)) as cluster:
        await cluster.get(Resource.RAMPS, API)
    assert calls == [
        ("update", "experimentramps/status", "conflict"),
        ("get", "experimentramps", "ok"),
    ]
