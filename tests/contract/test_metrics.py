"""What ports.Metrics promises, on a real Prometheus and on a local server that speaks its API.

The history is written in beforehand, so that every answer is known to the last digit.
"""

import math
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from prometheus_process import remembering
from rampguard.adapters.prometheus import PrometheusMetrics, Source
from rampguard.core.ask import PromQL
from rampguard.ports import BadQuery, Metrics, Sample, Unavailable

STEP = timedelta(seconds=15)
COUNT = 800  # samples: 3 h 20 min
T0 = datetime.fromtimestamp(time.time() // 3600 * 3600, UTC) - timedelta(hours=6)
COUNTED = PromQL("counted_total")
A_MILLISECOND = timedelta(milliseconds=1)


def history() -> str:
    """One counter that rises by 2 at each step, and numbers that are none; OpenMetrics."""
    lines = ["# TYPE counted counter"]
    at = [(T0 + STEP * i).timestamp() for i in range(COUNT)]
    lines += [f'counted_total{{pod="a"}} {2 * i} {when:.0f}' for i, when in enumerate(at)]
    lines += ["# TYPE odd gauge"]
    lines += [f'odd{{kind="{kind}"}} {kind} {at[0]:.0f}' for kind in ("NaN", "+Inf", "-Inf")]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def real_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("prometheus")
    with remembering(history(), home, unused_port()) as url:
        yield url
    shutil.rmtree(home)


@pytest.fixture(params=["real", "fake"])
async def metrics(request: pytest.FixtureRequest) -> AsyncIterator[Metrics]:
    if request.param == "real":
        adapter = PrometheusMetrics({"default": Source(url=request.getfixturevalue("real_url"))})
        yield adapter
        adapter.close()
        return
    app = web.Application()
    app.router.add_post("/api/v1/{path}", speak)
    async with TestServer(app) as server:
        adapter = PrometheusMetrics({"default": Source(url=str(server.make_url("/")))})
        yield adapter
        adapter.close()


async def speak(request: web.Request) -> web.Response:
    """Answer as Prometheus would, of the queries of this suite alone."""
    form = await request.post()
    query = str(form["query"]).strip()
    if query == "sum(":
        error = {"status": "error", "errorType": "bad_data", "error": "1:5: parse error"}
        return web.json_response(error, status=400)
    if request.match_info["path"] == "query":
        kind, result = instant(query, float(form["time"]))
    else:
        kind, result = "matrix", span(query, *(float(form[k]) for k in ("start", "end", "step")))
    data = {"resultType": kind, "result": result}
    return web.json_response({"status": "success", "data": data})


def instant(query: str, at: float) -> tuple[str, list[object]]:
    if query == "scalar(counted_total)":
        return "scalar", [at, counted(at)]
    if query == "counted_total[1m]":
        return "matrix", []
    if query == "odd":
        kinds = ("NaN", "+Inf", "-Inf")
        return "vector", [
            {"metric": {"__name__": "odd", "kind": kind}, "value": [at, kind]} for kind in kinds
        ]
    value = counted(at)
    items = [{"metric": LABELS, "value": [at, value]}]
    return "vector", items if query == COUNTED and value != "NaN" else []


def span(query: str, start: float, end: float, step: float) -> list[object]:
    grid = [start + i * step for i in range(math.floor((end - start) / step) + 1)]
    values = [[at, counted(at)] for at in grid if counted(at) != "NaN"]
    return [{"metric": LABELS, "values": values}] if query == COUNTED and values else []


LABELS = {"__name__": "counted_total", "pod": "a"}


def counted(at: float) -> str:
    """Return the counter as Prometheus sees it: the last sample of the last 5 minutes."""
    step, last = STEP.total_seconds(), (COUNT - 1) * STEP.total_seconds()
    since = at - T0.timestamp()
    if not 0 <= since <= last + 300:
        return "NaN"
    return str(2 * math.floor(min(since, last) / step))


# --- the contract --------------------------------------------------------------------------------


async def test_an_instant_is_a_vector_with_labels(metrics):
    found = await metrics.instant("default", COUNTED, T0 + 10 * STEP)
    assert found == (Sample({"__name__": "counted_total", "pod": "a"}, 20.0),)


async def test_an_instant_is_exact_to_the_millisecond(metrics):
    for at, value in ((10 * STEP, 20.0), (10 * STEP - A_MILLISECOND, 18.0)):
        (sample,) = await metrics.instant("default", COUNTED, T0 + at)
        assert sample.value == value


async def test_a_scalar_is_one_sample(metrics):
    query = PromQL("scalar(counted_total)")
    assert await metrics.instant("default", query, T0 + 3 * STEP) == (Sample({}, 6.0),)


async def test_what_is_not_there_is_an_empty_answer(metrics):
    assert await metrics.instant("default", PromQL("nothing"), T0) == ()
    assert await metrics.instant("default", COUNTED, T0 - STEP) == ()
    assert await metrics.span("default", PromQL("nothing"), T0, T0 + STEP, STEP) == ()


async def test_odd_numbers_come_as_they_are(metrics):
    found = await metrics.instant("default", PromQL("odd"), T0)
    values = {sample.labels["kind"]: sample.value for sample in found}
    assert math.isnan(values.pop("NaN"))
    assert values == {"+Inf": math.inf, "-Inf": -math.inf}


async def test_a_span_holds_both_ends_on_its_own_grid(metrics):
    start, step = T0 + timedelta(milliseconds=250), timedelta(seconds=30)
    (series,) = await metrics.span("default", COUNTED, start, start + 3 * step, step)
    assert series.labels["pod"] == "a"
    assert series.points == tuple((start + i * step, 4.0 * i) for i in range(4))


@pytest.mark.parametrize("microseconds", [1, 499, 500, 501, 999])
async def test_a_span_bears_the_instants_that_were_asked_for(metrics, microseconds):
    start, step = T0 + timedelta(microseconds=microseconds), timedelta(seconds=5)
    (series,) = await metrics.span("default", COUNTED, start, start + 3 * step, step)
    assert [at for at, _ in series.points] == [start + i * step for i in range(4)]


async def test_a_span_leaves_out_what_was_not_there(metrics):
    (series,) = await metrics.span("default", COUNTED, T0 - 2 * STEP, T0 + STEP, STEP)
    assert series.points == ((T0, 0.0), (T0 + STEP, 2.0))


async def test_a_span_may_be_longer_than_prometheus_answers_at_once(metrics):
    second = timedelta(seconds=1)
    (series,) = await metrics.span("default", COUNTED, T0, T0 + 11_500 * second, second)
    instants = [at for at, _ in series.points]
    assert instants == [T0 + i * second for i in range(11_501)]
    assert series.points[-1][1] == 2 * (11_500 // 15)


async def test_a_query_may_be_long(metrics):
    padded = PromQL(COUNTED + " " * 50_000)
    (sample,) = await metrics.instant("default", padded, T0 + STEP)
    assert sample.value == 2.0


async def test_a_bad_query_is_refused_in_the_words_of_the_server(metrics):
    with pytest.raises(BadQuery, match="parse error"):
        await metrics.instant("default", PromQL("sum("), T0)
    with pytest.raises(BadQuery, match="parse error"):
        await metrics.span("default", PromQL("sum("), T0, T0 + STEP, STEP)


async def test_a_range_is_no_instant(metrics):
    with pytest.raises(BadQuery, match="matrix"):
        await metrics.instant("default", PromQL("counted_total[1m]"), T0 + STEP)


async def test_an_unknown_source_is_unavailable(metrics):
    with pytest.raises(Unavailable, match="default"):
        await metrics.instant("other", COUNTED, T0)
