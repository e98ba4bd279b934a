"""What the operator serves, over real HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from fakes import FakeClock, FakeCluster, FakeMetrics, FakeTelemetry
from rampguard.core.ask import Ref
from rampguard.core.plan import Tempo
from rampguard.engine.runner import Runner
from rampguard.health import serve
from rampguard.ports import Held, Rules, World
from scenes import MINUTE, T

RAMP = Ref("app", "tree-50")
NAME = "app_tree-50_uid.jsonl.gz"


@dataclass
class Shelf:
    """Implements ports.Records."""

    files: dict[str, list[bytes]] = field(default_factory=lambda: {NAME: [b"one", b"two"]})
    broken: bool = False
    asked: list[str] = field(default_factory=list)

    def held(self) -> tuple[Held, ...]:
        if self.broken:
            raise OSError("the disk is gone")
        return tuple(
            Held(name=name, ramp=RAMP, uid="uid", size=6, since=T, until=T + MINUTE)
            for name in self.files
        )

    def blocks(self, name: str) -> Iterator[bytes] | None:
        self.asked.append(name)
        if self.broken:
            raise OSError("the disk is gone")
        return iter(self.files[name]) if name in self.files else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def served(records: Shelf | None) -> AsyncIterator[aiohttp.ClientSession]:
    cluster = FakeCluster()
    world = World(
        cluster=cluster,
        metrics=FakeMetrics(cluster.clock),
        clock=FakeClock(),
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=Tempo()),
    )
    port, runner = free_port(), Runner(world, (), 1)
    async with serve(
        port, runner, is_ready=lambda: False, metrics=lambda: b"up 1\n", records=records
    ), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:  # fmt: skip
        yield session


async def get(session: aiohttp.ClientSession, path: str) -> tuple[int, bytes]:
    """Ask for a path as it is, not made tidy."""
    url = session._base_url
    assert url is not None
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body


async def test_records_are_listed():
    async with served(Shelf()) as session, session.get("/records") as answer:
        assert await answer.json() == {
            "records": [
                {
                    "name": NAME,
                    "namespace": "app",
                    "ramp": "tree-50",
                    "uid": "uid",
                    "bytes": 6,
                    "from": "2026-11-23T12:00:00+00:00",
                    "to": "2026-11-23T12:01:00+00:00",
                }
            ]
        }


async def test_a_record_is_served_block_by_block():
    async with served(Shelf()) as session, session.get(f"/records/{NAME}") as answer:
        assert (answer.status, await answer.read()) == (200, b"onetwo")
        assert answer.headers["Content-Type"] == "application/gzip"


@pytest.mark.parametrize(
    "name", ["other", "..", "../secret", "..%2f..%2fetc%2fpasswd", "%2e%2e", "%00", "a/b", "%ff"]
)
async def test_no_other_name_leads_anywhere(name):
    async with served(Shelf()) as session:
        status, body = await get(session, f"records/{name}")
    assert status in {400, 404}
    assert b"one" not in body


async def test_a_disk_that_is_gone_is_told():
    async with served(Shelf(broken=True)) as session:
        assert await get(session, "records") == (503, b"no records can be read: the disk is gone")
        assert await get(session, "records/x") == (503, b"it cannot be read: the disk is gone")


async def test_without_a_recorder_there_are_no_records_and_the_rest_is_as_ever():
    async with served(None) as session:
        assert (await get(session, "records"))[0] == 404
        assert await get(session, "healthz") == (200, b"ok")
        assert (await get(session, "readyz"))[0] == 503
        assert await get(session, "metrics") == (200, b"up 1\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_written(method):
    async with served(Shelf()) as session, session.request(method, f"/records/{NAME}") as answer:
        assert answer.status == 405
