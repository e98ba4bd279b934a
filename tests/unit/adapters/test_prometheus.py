"""The adapter against an HTTP server that answers whatever a test wants."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from rampguard.adapters.prometheus import Patience, PrometheusMetrics, Source, _ahead
from rampguard.core.ask import PromQL
from rampguard.ports import BadQuery, Sample, Unavailable

AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
UP = PromQL("sum by (variant) (up)")
MINUTE = timedelta(minutes=1)
QUICK = Patience(
    connect=timedelta(seconds=0.3), read=timedelta(seconds=0.3), in_all=timedelta(seconds=0.9)
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def prometheus(
    handler: Handler, log: Callable[..., None] = lambda *_, **__: None, **options
) -> AsyncIterator[PrometheusMetrics]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        metrics = PrometheusMetrics(
            {"default": Source(url=str(server.make_url("/")), **options)}, QUICK, log=log
        )
        yield metrics
        metrics.close()


def always(status: int, body: object, **headers: str) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(status=status, body=raw, headers=headers)

    return handler


def success(kind: str, result: object, **more: object) -> Handler:
    envelope = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return always(200, envelope)


def failure(status: int, kind: str, words: str = "no") -> Handler:
    return always(status, {"status": "error", "errorType": kind, "error": words})


def vector(*values: str) -> Handler:
    return success(
        "vector", [{"metric": {"i": str(i)}, "value": [1, v]} for i, v in enumerate(values)]
    )


class Recorder:
    def __init__(self, kind: str = "vector") -> None:
        self.forms: list[dict[str, str]] = []
        self.requests: list[web.Request] = []
        self._answer = success(kind, [])

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.forms.append(dict(await request.post()))
        return await self._answer(request)


# --- what is asked -------------------------------------------------------------------------------


async def test_a_query_is_a_form_and_never_in_the_url():
    server = Recorder()
    async with prometheus(server) as metrics:
        assert await metrics.instant("default", UP, AT) == ()
    assert server.requests[0].method == "POST"
    assert server.requests[0].path_qs == "/api/v1/query"
    form = server.forms[0]
    assert (form["query"], form["time"]) == (UP, "1772366400.250")
    assert 0 < float(form["timeout"]) <= 0.3


async def test_a_range_is_asked_to_the_millisecond():
    server = Recorder("matrix")
    async with prometheus(server) as metrics:
        await metrics.span("default", UP, AT, AT + MINUTE, timedelta(seconds=7.5))
    form = server.forms[0]
    asked = (form["start"], form["end"], form["step"])
    assert asked == ("1772366400.250", "1772366460.250", "7.5")


async def test_a_long_range_is_asked_in_parts_that_meet():
    server = Recorder("matrix")
    second = timedelta(seconds=1)
    async with prometheus(server) as metrics:
        await metrics.span("default", UP, AT, AT + 20_000 * second, second)
    grid = [(float(form["start"]), float(form["end"])) for form in server.forms]
    start = AT.timestamp()
    assert grid == [
        (start, start + 9_999),
        (start + 10_000, start + 19_999),
        (start + 20_000, start + 20_000),
    ]


async def test_an_empty_range_is_not_asked():
    server = Recorder("matrix")
    async with prometheus(server) as metrics:
        assert await metrics.span("default", UP, AT, AT - MINUTE, MINUTE) == ()
    assert server.forms == []


# --- what is understood --------------------------------------------------------------------------


async def test_a_vector_keeps_its_labels_and_its_odd_numbers():
    async with prometheus(vector("1.5", "NaN", "+Inf", "-Inf")) as metrics:
        found = await metrics.instant("default", UP, AT)
    assert found[0] == Sample({"i": "0"}, 1.5)
    assert math.isnan(found[1].value)
    assert [sample.value for sample in found[2:]] == [math.inf, -math.inf]


async def test_a_scalar_is_one_sample_without_labels():
    async with prometheus(success("scalar", [1772366400, "3"])) as metrics:
        assert await metrics.instant("default", PromQL("3"), AT) == (Sample({}, 3.0),)


async def test_a_series_is_one_though_it_came_in_parts():
    async def handler(request: web.Request) -> web.Response:
        form = await request.post()
        items = [{"metric": {"pod": "a"}, "values": [[float(form["start"]), "1"]]}]
        data = {"resultType": "matrix", "result": items}
        return web.json_response({"status": "success", "data": data})

    second = timedelta(seconds=1)
    async with prometheus(handler) as metrics:
        (series,) = await metrics.span("default", UP, AT, AT + 10_000 * second, second)
    assert series.labels == {"pod": "a"}
    assert series.points == ((AT, 1.0), (AT + 10_000 * second, 1.0))


async def test_infos_are_no_warnings():
    async with prometheus(success("vector", [], infos=["not a counter"])) as metrics:
        assert await metrics.instant("default", UP, AT) == ()


# --- what is no answer ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (success("vector", [], warnings=["store x is gone"]), "partial answer.*store x"),
        (failure(422, "execution", "lost a store"), "lost a store"),
        (failure(503, "timeout", "query timed out"), "timed out"),
        (failure(500, "internal", "oh"), "oh"),
        (failure(200, "internal", "oh"), "oh"),
        (always(200, {"status": "error"}), "HTTP 200"),
        (always(500, b""), "HTTP 500"),
        (always(200, b"<html>login</html>"), "without a Prometheus answer"),
        (always(200, b'{"status": "succ'), "without a Prometheus answer"),
        (always(200, b"\xff\xfe"), "without a Prometheus answer"),
        (always(200, b"[" * 100_000), "without a Prometheus answer"),
        (always(200, b"NaN"), "without a Prometheus answer"),
        (always(200, {"status": "success"}), "without data"),
        (always(200, {"status": "success", "data": []}), "without data"),
        (always(200, {"status": "success", "data": {}}), "unknown shape"),
        (always(401, b"no"), "credentials"),
        (always(403, b"no"), "credentials"),
        (always(404, b"404 page not found"), "no /api/v1"),
        (always(302, b"", Location="http://127.0.0.1:1/"), "redirects"),
        (vector("one"), "unknown shape"),
        (success("vector", [{"metric": {}}]), "unknown shape"),
        (success("vector", [{"metric": 3, "value": [1, "1"]}]), "unknown shape"),
        (success("vector", [{"metric": {}, "histogram": [1, {}]}]), "unknown shape"),
        (success("vector", None), "unknown shape"),
        (success("vector", 3), "unknown shape"),
        (success("vector", [3]), "unknown shape"),
        (success("scalar", []), "unknown shape"),
    ],
)
async def test_what_is_not_whole_and_right_is_no_answer(handler, words):
    async with prometheus(handler) as metrics:
        with pytest.raises(Unavailable, match=words):
            await metrics.instant("default", UP, AT)


@pytest.mark.parametrize("at", ["1e300", '"x"', "null"])
async def test_an_odd_time_in_a_series_is_no_answer(at):
    raw = (
        b'{"status":"success","data":{"resultType":"matrix","result":'
        b'[{"metric":{},"values":[[%s,"1"]]}]}}' % at.encode()
    )
    async with prometheus(always(200, raw)) as metrics:
        with pytest.raises(Unavailable, match="unknown shape"):
            await metrics.span("default", UP, AT, AT + MINUTE, MINUTE)


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (failure(400, "bad_data", "parse error at char 3"), "parse error at char 3"),
        (success("matrix", []), "gives a matrix"),
        (success("string", [1, "x"]), "gives a string"),
    ],
)
async def test_a_query_that_cannot_be_answered_is_bad(handler, words):
    async with prometheus(handler) as metrics:
        with pytest.raises(BadQuery, match=words):
            await metrics.instant("default", UP, AT)


async def test_a_server_that_hangs_is_left_in_time():
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response()

    async with prometheus(hang) as metrics:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="no answer in time"):
            await metrics.instant("default", UP, AT)
        assert time.monotonic() - began < 1.2


async def test_a_server_that_drips_is_left_in_time():
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    async with prometheus(drip) as metrics:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await metrics.instant("default", UP, AT)
        assert time.monotonic() - began < 1.2


async def test_the_wait_for_a_thread_counts():
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response()

    async with prometheus(hang) as metrics:
        began = time.monotonic()
        asked = [metrics.instant("default", UP, AT) for _ in range(100)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} == {Unavailable}
        assert time.monotonic() - began < 2


async def test_a_connection_that_was_closed_meanwhile_is_opened_again():
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(1)
        if len(seen) == 1:
            request.transport.close()
        return web.json_response(
            {"status": "success", "data": {"resultType": "vector", "result": []}}
        )

    async with prometheus(handler) as metrics:
        assert await metrics.instant("default", UP, AT) == ()
    assert len(seen) == 2


async def test_a_server_that_is_not_there_says_which():
    url = f"http://127.0.0.1:{unused_port()}"
    metrics = PrometheusMetrics({"default": Source(url=url)}, QUICK)
    with pytest.raises(Unavailable, match=rf"default \({url}\): .*refused"):
        await metrics.instant("default", UP, AT)
    metrics.close()


async def test_an_unknown_source_names_the_known_ones():
    metrics = PrometheusMetrics({"b": Source(url="http://b"), "a": Source(url="http://a")})
    with pytest.raises(Unavailable, match="'main'; there are: a, b"):
        await metrics.instant("main", UP, AT)
    metrics.close()
    metrics = PrometheusMetrics({})
    with pytest.raises(Unavailable, match="there are: none"):
        await metrics.span("main", UP, AT, AT, MINUTE)
    metrics.close()


# --- the way in ----------------------------------------------------------------------------------


async def test_a_token_is_read_at_each_query(tmp_path):
    server = Recorder()
    token = tmp_path / "token"
    async with prometheus(server, token_file=token, headers={"X-Scope-OrgID": "a"}) as metrics:
        for text in ("one\n", "two"):
            token.write_text(text)
            await metrics.instant("default", UP, AT)
    headers = [request.headers for request in server.requests]
    assert [each["Authorization"] for each in headers] == ["Bearer one", "Bearer two"]
    assert headers[0]["X-Scope-OrgID"] == "a"


async def test_a_user_and_a_password_come_from_files(tmp_path):
    server = Recorder()
    user, password = tmp_path / "user", tmp_path / "password"
    user.write_text("rampguard")
    password.write_text("s3cret\n")
    async with prometheus(server, username_file=user, password_file=password) as metrics:
        await metrics.instant("default", UP, AT)
    authorization = server.requests[0].headers["Authorization"]
    assert authorization == "Basic cmFtcGd1YXJkOnMzY3JldA=="


@pytest.mark.parametrize("raw", [None, b"\xff", "\N{SNOWMAN}".encode(), b"a\r\nX-Evil: 1"])
async def test_a_file_that_cannot_be_used_is_no_answer(tmp_path, raw):
    token = tmp_path / "token"
    if raw is not None:
        token.write_bytes(raw)
    server = Recorder()
    async with prometheus(server, token_file=token) as metrics:
        with pytest.raises(Unavailable):
            await metrics.instant("default", UP, AT)
    assert server.requests == []


async def test_a_missing_ca_file_is_no_answer(tmp_path):
    source = Source(url="https://127.0.0.1:1", ca_file=tmp_path / "none.crt")
    metrics = PrometheusMetrics({"default": source}, QUICK)
    with pytest.raises(Unavailable):
        await metrics.instant("default", UP, AT)
    metrics.close()


async def test_a_redirect_does_not_carry_the_token_away(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with prometheus(handler, token_file=token) as metrics:
        with pytest.raises(Unavailable, match="redirects"):
            await metrics.instant("default", UP, AT)
    assert seen == ["/api/v1/query"]


NOTHING = {"status": "success", "data": {"resultType": "vector", "result": []}}


@pytest.mark.parametrize(("hours", "word"), [(1, "ahead of"), (-1, "behind")])
async def test_a_clock_that_is_another_than_ours_is_no_answer(hours: int, word: str) -> None:
    told = formatdate(time.time() + hours * 3600, usegmt=True)
    async with prometheus(always(200, NOTHING, Date=told)) as metrics:
        with pytest.raises(Unavailable, match=rf"ClockSkew: its clock is 3[56]\d\d s {word} ours"):
            await metrics.instant("default", UP, AT)


@pytest.mark.parametrize("behind", [30, None])
async def test_a_clock_that_is_nearly_ours_or_unknown_is_believed(behind: int | None) -> None:
    date = "yesterday" if behind is None else formatdate(time.time() - behind, usegmt=True)
    async with prometheus(always(200, NOTHING, Date=date)) as metrics:
        assert await metrics.instant("default", UP, AT) == ()


async def test_clocks_that_differ_a_little_are_told_once_until_they_agree_again() -> None:
    ahead = iter((3, 30, 31, -20, 0, -20))
    told: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        date = formatdate(time.time() + next(ahead), usegmt=True)
        return await always(200, NOTHING, Date=date)(request)

    def log(level: str, message: str, **facts: str) -> None:
        told.append(f"{level}: {message}: {facts['because']}")

    async with prometheus(handler, log) as metrics:
        counts = []
        for _ in range(6):
            assert await metrics.instant("default", UP, AT) == ()
            counts.append(len(told))
    assert counts == [0, 1, 1, 1, 1, 2]
    assert re.fullmatch(r"warning: clocks differ: its clock is (29|30) s ahead of ours", told[0])
    assert re.fullmatch(r"warning: clocks differ: its clock is (19|20) s behind ours", told[1])


@pytest.mark.parametrize(
    ("date", "seconds"),
    [(99, 0), (100, 0), (109, 0), (111, 1), (120, 10), (98, -1), (80, -19)],
)
def test_a_date_within_the_call_is_our_time(date: int, seconds: int) -> None:
    """A slow answer is no other clock."""
    assert _ahead(formatdate(date, usegmt=True), 100.0, 110.0) == timedelta(seconds=seconds)
