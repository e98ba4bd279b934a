"""The skill tree, importable and asked without a network."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

SKILL_TREE = Path(__file__).parents[3] / "examples" / "skill-tree"
sys.path.insert(0, str(SKILL_TREE))

Open = Callable[[FastAPI], httpx.AsyncClient]


@pytest.fixture
def skill_tree() -> Path:
    return SKILL_TREE


@pytest.fixture
async def visit() -> AsyncIterator[Open]:
    """Open an application for requests; cookies are those that each request gives."""
    async with AsyncExitStack() as stack:
        clients: list[httpx.AsyncClient] = []

        def opened(app: FastAPI) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app=app)
            clients.append(httpx.AsyncClient(transport=transport, base_url="http://skills"))
            stack.push_async_callback(clients[-1].aclose)
            return clients[-1]

        yield opened


@pytest.fixture
def counted():
    """Add up what /metrics says of a counter, over the children with these labels."""

    async def count(client: httpx.AsyncClient, name: str, **labels: str) -> float:
        text = (await client.get("/metrics")).text
        found = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no series {name}{labels}"
        return sum(found)

    return count
