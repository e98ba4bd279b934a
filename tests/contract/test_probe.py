"""What ports.Prober promises, of the adapter on real servers: by IPv4, IPv6, TLS; bad apps."""

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from probe_scenes import PROBE
from rampguard.adapters.probe import HttpProber, WayIn
from rampguard.core.probe import Carrier, Probe, Reply, Spot
from rampguard.ports import Door, Unavailable
from skips import needs

UID = "uid-of-the-ramp"
HOST, APP = "api.app.svc", "app"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADER = replace(PROBE, arm=(Spot(Carrier.HEADER, "X-Arm"),), value=None)


def page(arm: str = "list", status: int = 200, **facts: object) -> web.Response:
    """Return what a good app answers."""
    body = {"experiment": {"variant": arm, "rollout": 50}, "arms": ["tree", arm], "rollout": 50}
    answer = web.json_response(facts.get("body", body), status=status)
    answer.headers["X-Arm"] = arm
    answer.set_cookie("arm", arm)
    return answer


class Served:
    """One app that answers in one way, and what it was asked."""

    def __init__(self, handler: Handler) -> None:
        self.asked: list[web.Request] = []
        self._handler = handler

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self._handler(request)


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Served, Door]]:
    app, served = web.Application(), Served(handler)
    app.router.add_route("*", "/{path:.*}", served.handle)
    scheme = "https" if context else "http"
    async with TestServer(app, host=host, scheme=scheme) as server:
        if context:  # TestServer takes its own way with TLS
            await server.close()
            runner = web.AppRunner(app)
            await runner.setup()
            port = unused_port()
            await web.TCPSite(runner, host, port, ssl_context=context).start()
            try:
                yield served, Door(host, port, HOST, APP)
            finally:
                await runner.cleanup()
            return
        yield served, Door(host, server.port or 0, HOST, APP)


async def asked(handler: Handler, probe: Probe = PROBE, **facts: object) -> Reply:
    async with serving(handler) as (_, door):
        return await HttpProber({}, **facts).ask(probe, door, "mia", UID)


async def refused(handler: Handler, probe: Probe = PROBE, **facts: object) -> str:
    with pytest.raises(Unavailable) as caught:
        await asked(handler, probe, **facts)
    return str(caught.value)


def always(answer: web.Response | Callable[[], web.StreamResponse]) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return answer() if callable(answer) else answer

    return handler


# --- what is asked


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_pod_is_asked_at_its_own_address(host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    async with serving(always(page), host) as (served, door):
        reply = await HttpProber({}).ask(PROBE, door, "mia", UID)
    assert reply == Reply(("list", "list"), "50")
    (request,) = served.asked
    assert (request.method, request.path) == ("GET", "/tree")
    assert request.headers["Host"] == f"{HOST}:{door.port}"
    assert request.headers["User-Agent"] == "rampguard-probe"
    assert request.headers["X-Rampguard-Probe"] == UID
    assert request.headers["X-Request-ID"] == "mia"
    assert "Cookie" not in request.headers


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as one:
        one.bind(("::1", 0))
        return True
    return False


async def test_a_user_is_named_by_a_header_a_parameter_or_a_cookie() -> None:
    async with serving(always(page)) as (served, door):
        for carrier in (Carrier.HEADER, Carrier.QUERY, Carrier.COOKIE):
            probe = replace(PROBE, path="/tree?a=1", identity=Spot(carrier, "user"))
            await HttpProber({}).ask(probe, door, "mia b", UID)
        await HttpProber({}).ask(replace(PROBE, identity=None), door, "mia", UID)
    by_header, by_query, by_cookie, nobody = served.asked
    assert by_header.headers["user"] == "mia b"
    assert dict(by_query.query) == {"a": "1", "user": "mia b"}
    assert by_cookie.headers["Cookie"] == "user=mia b"
    assert not {"user", "Cookie"} & set(nobody.headers)


async def test_no_cookie_of_one_answer_reaches_another_request() -> None:
    async with serving(always(page)) as (served, door):
        prober = HttpProber({})
        for _ in range(2):
            await prober.ask(PROBE, door, "mia", UID)
    assert all("Cookie" not in one.headers for one in served.asked)


async def test_a_path_is_sent_as_it_is_written() -> None:
    async with serving(always(page)) as (served, door):
        await HttpProber({}).ask(replace(PROBE, path="/a%2Fb/..;x?q=%20+"), door, "mia", UID)
    assert served.asked[0].raw_path == "/a%2Fb/..;x?q=%20+"


# --- the way in


async def test_headers_come_from_a_file_that_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    prober = HttpProber({"api": WayIn(namespaces=(APP,), headers_file=file)})
    probe = replace(PROBE, headers_from="api")
    async with serving(always(page)) as (served, door):
        for token in ("one", "two"):
            file.write_text(f"Authorization: Bearer {token}\n\nX-Tenant:  a: b \n")
            await prober.ask(probe, door, "mia", UID)
    assert [one.headers["Authorization"] for one in served.asked] == ["Bearer one", "Bearer two"]
    assert served.asked[0].headers["X-Tenant"] == "a: b"


async def test_a_file_cannot_hide_that_it_is_a_probe(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("X-Rampguard-Probe: no")
    async with serving(always(page)) as (served, door):
        way = {"api": WayIn(namespaces=(APP,), headers_file=file)}
        await HttpProber(way).ask(replace(PROBE, headers_from="api"), door, "mia", UID)
    assert served.asked[0].headers["X-Rampguard-Probe"] == UID


@pytest.mark.parametrize("text", ["secret-token", ": secret-token", "X\x01: secret-token"])
async def test_a_file_of_no_headers_is_told_without_its_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "headers"
    file.write_text(f"A: b\n{text}\n")
    async with serving(always(page)) as (served, door):
        way = {"api": WayIn(namespaces=(APP,), headers_file=file)}
        with pytest.raises(Unavailable) as caught:
            await HttpProber(way).ask(replace(PROBE, headers_from="api"), door, "mia", UID)
    assert "secret-token" not in str(caught.value)
    assert served.asked == []


async def test_an_unknown_way_in_names_the_known() -> None:
    prober = HttpProber({"api": WayIn(), "web": WayIn()})
    with pytest.raises(Unavailable, match=r"no probe .* 'other'; there are: api, web"):
        await prober.ask(
            replace(PROBE, headers_from="other"), Door("127.0.0.1", 1, HOST, APP), "m", UID
        )


async def test_headers_are_told_to_pods_of_their_namespaces_alone(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer x")
    probe = replace(PROBE, headers_from="api")
    async with serving(always(page)) as (served, door):
        prober = HttpProber({"api": WayIn(namespaces=("shop",), headers_file=file)})
        with pytest.raises(Unavailable, match=r"config\.probes\.api is not for namespace app"):
            await prober.ask(probe, door, "mia", UID)
    assert served.asked == []


async def test_a_cookie_of_the_file_stays_beside_that_of_the_user(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("cookie: login=x")
    probe = replace(PROBE, headers_from="api", identity=Spot(Carrier.COOKIE, "user"))
    async with serving(always(page)) as (served, door):
        way = {"api": WayIn(namespaces=(APP,), headers_file=file)}
        await HttpProber(way).ask(probe, door, "mia", UID)
    assert served.asked[0].headers["Cookie"] == "login=x; user=mia"


async def test_a_missing_file_is_told(tmp_path: Path) -> None:
    prober = HttpProber({"api": WayIn(namespaces=(APP,), headers_file=tmp_path / "none")})
    with pytest.raises(Unavailable, match="No such file"):
        await prober.ask(
            replace(PROBE, headers_from="api"), Door("127.0.0.1", 1, HOST, APP), "m", UID
        )


# --- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, and certificates of the Service and of another name."""
    folder = tmp_path_factory.mktemp("tls")
    _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=test CA", "-keyout", "ca.key", "-out", "ca.crt")  # fmt: skip
    for name, host in (("right", HOST), ("other", "web.app.svc")):
        (folder / "names").write_text(f"subjectAltName=DNS:{host}\n")
        _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}",
                 "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                 "-CAcreateserial", "-days", "2", "-extfile", "names",
                 "-out", f"{name}.crt")  # fmt: skip
    return folder


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run([needs("openssl"), *words], cwd=folder, check=True, capture_output=True)


async def over_tls(certificates: Path, name: str, way: WayIn) -> Reply:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / f"{name}.crt", certificates / f"{name}.key")
    async with serving(always(page), context=context) as (_, door):
        probe = replace(PROBE, https=True, headers_from="api")
        return await HttpProber({"api": way}).ask(probe, door, "mia", UID)


async def test_a_certificate_of_the_service_by_the_given_ca_is_trusted(certificates: Path) -> None:
    way = WayIn(namespaces=(APP,), ca_file=certificates / "ca.crt")
    assert await over_tls(certificates, "right", way) == Reply(("list", "list"), "50")


async def test_a_certificate_of_another_name_is_not(certificates: Path) -> None:
    with pytest.raises(Unavailable, match=r"(?i)hostname mismatch|not valid for 'api\.app\.svc'"):
        await over_tls(
            certificates, "other", WayIn(namespaces=(APP,), ca_file=certificates / "ca.crt")
        )


async def test_an_unknown_ca_is_not(certificates: Path) -> None:
    with pytest.raises(Unavailable, match="its certificate is not trusted: "):
        await over_tls(certificates, "right", WayIn(namespaces=(APP,)))


async def test_plain_http_behind_https_is_no_answer() -> None:
    assert await refused(always(page), replace(PROBE, https=True))


# --- where the words stand


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("experiment.variant", "list"),
        ("experiment.rollout", "50"),
        ("arms.1", "list"),
        ("arms.2", None),
        ("arms.x", None),
        ("arms", None),
        ("experiment", None),
        ("nowhere.at.all", None),
        ("experiment.variant.deeper", None),
    ],
)
async def test_a_word_is_found_in_json(path: str, word: str | None) -> None:
    probe = replace(PROBE, arm=(Spot(Carrier.JSON, path),), value=None)
    assert await asked(always(page), probe) == Reply((word,))


@pytest.mark.parametrize(
    ("value", "word"),
    [(True, "true"), (False, "false"), (50, "50"), (49.5, "49.5"), (None, None), ("", "")],
)
async def test_words_of_json_are_read_as_they_are_written(value: object, word: str | None) -> None:
    answer = page(body={"rollout": value})
    assert (await asked(always(answer))).value == word


async def test_what_is_not_there_is_nothing() -> None:
    answer = web.json_response({})
    assert await asked(always(answer)) == Reply((None, None), None)


async def test_a_header_that_stands_twice_is_both() -> None:
    answer = page()
    answer.headers.add("X-Arm", "tree")
    assert (await asked(always(answer), HEADER)).arms == ("list, tree",)


async def test_long_words_are_cut() -> None:
    answer = page()
    answer.headers["X-Arm"] = "x" * 4000
    assert await asked(always(answer), HEADER) == Reply(("x" * 200,))


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"{", b"<html>"])
async def test_without_json_no_body_is_read(body: bytes) -> None:
    answer = web.Response(body=body, headers={"X-Arm": "list"})
    assert await asked(always(answer), HEADER) == Reply(("list",))


# --- no answers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    answer = page(status=status)
    answer.headers["Location"] = "http://127.0.0.1:1/login"
    assert await refused(always(answer)) == (
        f"HTTP {status}, a redirect to http://127.0.0.1:1/login; redirects are not followed"
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503])
async def test_other_states_are_no_answer_although_they_name_an_arm(status: int) -> None:
    assert await refused(always(page(status=status))) == f"HTTP {status}"


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/octet-stream"])
async def test_another_content_type_is_no_answer(kind: str) -> None:
    answer = web.Response(text="{}", content_type=kind, headers={"X-Arm": "list"})
    assert await refused(always(answer)) == f"the answer is {kind}, and JSON is expected"


async def test_a_kind_of_json_is_json() -> None:
    text = json.dumps({"rollout": 50})
    answer = web.Response(text=text, content_type="application/problem+json")
    assert (await asked(always(answer))).value == "50"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nan", b'{"a": 1}{', b"\xff\xfe", b"[" * 100_000, b'"\xed\xa0\x80"']
)
async def test_no_json_is_no_answer(body: bytes) -> None:
    answer = web.Response(body=body, content_type="application/json")
    assert "no JSON" in await refused(always(answer))


async def test_an_answer_of_ten_megabytes_is_cut_off() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(160):
                await answer.write(b" " * 65536)
                sent += 65536
        return answer

    assert await refused(endless) == "the answer is longer than 1 MiB"
    assert sent < 10 * 2**20


async def test_a_compressed_answer_is_not_unpacked() -> None:
    async def packed(_: web.Request) -> web.StreamResponse:
        answer = page()
        answer.enable_compression(web.ContentCoding.gzip)
        return answer

    assert "no JSON" in await refused(packed)


async def test_a_slow_pod_is_no_answer() -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return page()

    words = await refused(slow, patience=timedelta(milliseconds=200))
    assert words == "no answer within 0.2 s"


async def test_a_pod_that_trickles_is_no_answer() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await answer.write(b" ")
                await asyncio.sleep(0.05)
        return answer

    words = await refused(trickle, patience=timedelta(milliseconds=300))
    assert words == "no answer within 0.3 s"


async def test_a_pod_that_dies_in_the_middle_is_no_answer() -> None:
    async def dies(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(
            headers={"Content-Type": "application/json", "Content-Length": "1000"}
        )
        await answer.prepare(request)
        await answer.write(b"{")
        assert request.transport is not None
        request.transport.abort()
        return answer

    assert await refused(dies)


async def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(Unavailable, match="the connection was refused"):
        await HttpProber({}).ask(PROBE, Door("127.0.0.1", unused_port(), HOST, APP), "mia", UID)


RAW = {
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n",
    "an endless header": b"HTTP/1.1 200 OK\r\nX-Arm: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X-Arm: list\r\n" * 50_000 + b"\r\n",
    "a length of less than nothing": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "an end at once": b"",
    "a chunk of no size": (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    ),
}


@pytest.mark.parametrize("sent", RAW.values(), ids=RAW)
async def test_what_is_no_http_is_no_answer(sent: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        prober = HttpProber({}, patience=timedelta(seconds=2))
        with pytest.raises(Unavailable) as caught:
            await prober.ask(PROBE, Door("127.0.0.1", port, HOST, APP), "mia", UID)
    assert str(port) not in str(caught.value)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    "value", ["\x1b[2J", "list\x00", "\u202elist", "a; b=c", '"list', "lïst", ",", " "]
)
async def test_hostile_words_end_as_words_or_as_no_answer(value: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            told = value.encode()
            writer.write(b"HTTP/1.1 200 OK\r\nX-Arm: " + told + b"\r\nSet-Cookie: arm=" + told)
            writer.write(b"\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    door = Door("127.0.0.1", server.sockets[0].getsockname()[1], HOST, APP)
    async with server:
        with contextlib.suppress(Unavailable):
            reply = await HttpProber({}).ask(replace(PROBE, value=None), door, "mia", UID)
            assert all(word is None or isinstance(word, str) for word in reply.arms)
