import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter
from skilltree.assignment import Arm
from skilltree.config import Config
from skilltree.events import EventLog
from skilltree.jobs import LARGEST_BATCH, LONGEST_QUEUE, TRIES, Job, Outbox, deliver
from skilltree.metrics import SESSIONS_PATH, WorkerMetrics
from skilltree.serving import operations
from skilltree.tiers import api_app, worker_app
from skilltree.worker import Worker

JOBS = "worker_jobs_total"
JOB = Job(user="mia", skill="ratios", rollout=10, variant=Arm.LIST)


def drop_counter() -> Counter:
    return Counter("dropped", "Jobs dropped.", registry=CollectorRegistry())


def worker(rollout: int, tmp_path) -> Worker:
    config = Config(rollout=rollout)
    return Worker(config, WorkerMetrics(rollout), EventLog(tmp_path, "w", max_bytes=10**6))


def done(one: Worker, arm: str, rollout: str) -> float | None:
    labels = {"experiment": "skill_tree_layout", "variant": arm, "rollout": rollout}
    return one.metrics.registry.get_sample_value(JOBS, labels)


async def test_every_child_is_0_from_the_start(visit, counted) -> None:
    client = visit(worker_app(Config(rollout=10)))
    for arm in Arm:
        for rollout in ("same", "other"):
            assert await counted(client, JOBS, variant=arm, rollout=rollout) == 0
    assert await counted(client, "experiment_rollout_percent") == 10


async def test_a_worker_counts_no_assignments(visit) -> None:
    text = (await visit(worker_app(Config())).get("/metrics")).text
    assert "experiment_assignments" not in text


async def test_a_batch_is_accepted(visit) -> None:
    app = worker_app(Config(rollout=10))
    async with app.router.lifespan_context(app):
        answer = await visit(app).post("/jobs", json=[JOB.model_dump(mode="json")] * 3)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 3})


async def test_what_was_accepted_is_done_and_counted_by_arm(tmp_path) -> None:
    one = worker(10, tmp_path)
    await one.take([JOB] * 3)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(one.run())
        await one.queue.join()
        running.cancel()
    assert done(one, "list", "same") == 3


def test_a_job_of_an_api_at_another_rollout_is_told_apart(tmp_path) -> None:
    one = worker(50, tmp_path)
    one.do(JOB)
    assert (done(one, "list", "other"), done(one, "list", "same")) == (1, 0)


@pytest.mark.parametrize(("rollout", "arm"), [(0, "tree"), (100, "list")])
def test_a_job_of_a_user_without_an_arm_gets_the_one_of_the_workers_rollout(
    tmp_path, rollout, arm
) -> None:
    worker(rollout, tmp_path).do(JOB.model_copy(update={"variant": None}))
    event = json.loads((tmp_path / "w.jsonl").read_text())
    assert event["event_name"] == "session_prepared"
    assert event["experiment"] == {
        "name": "skill_tree_layout", "variant": arm, "rollout": rollout
    }  # fmt: skip


async def test_a_full_queue_takes_no_part_of_a_batch(tmp_path) -> None:
    one = worker(10, tmp_path)
    assert (await one.take([JOB] * LONGEST_QUEUE)).status_code == 202
    assert (await one.take([JOB])).status_code == 503
    assert one.queue.qsize() == LONGEST_QUEUE


@pytest.mark.parametrize("wrong", [{}, [{}], [{"user": "mia", "skill": "x", "rollout": 101}]])
async def test_a_wrong_job_is_refused(visit, wrong) -> None:
    assert (await visit(worker_app(Config())).post("/jobs", json=wrong)).status_code == 422


async def test_an_outbox_sends_what_came_in_batches() -> None:
    sent: list[int] = []
    enough = asyncio.Event()

    async def send(batch) -> bool:
        sent.append(len(batch))
        if sum(sent) == LARGEST_BATCH + 7:
            enough.set()
        return True

    outbox = Outbox(drop_counter(), pause=0)
    for _ in range(LARGEST_BATCH + 7):
        outbox.put(JOB)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(outbox.run(send))
        await enough.wait()
        running.cancel()
    assert sent == [LARGEST_BATCH, 7]


async def test_jobs_that_no_worker_takes_are_tried_again_then_counted_as_dropped() -> None:
    dropped = drop_counter()
    outbox = Outbox(dropped, pause=0)
    second_batch = asyncio.Event()
    tries = 0

    async def refuse(batch) -> bool:
        nonlocal tries
        tries += 1
        if tries == TRIES:
            outbox.put(JOB)
        if tries > TRIES:
            second_batch.set()
        return tries > TRIES

    outbox.put(JOB)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(outbox.run(refuse))
        await second_batch.wait()
        running.cancel()
    assert dropped._value.get() == 1


async def test_jobs_reach_a_worker_over_the_network() -> None:
    taken: asyncio.Queue[object] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        taken.put_nowait(await request.json())
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/jobs", take)
    outbox = Outbox(drop_counter(), pause=0)
    outbox.put(JOB)
    async with asyncio.timeout(5), TestServer(app) as server, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(deliver(outbox, str(server.make_url("")).rstrip("/")))
        assert await taken.get() == [JOB.model_dump(mode="json")]
        running.cancel()


async def test_a_full_outbox_drops_and_the_request_goes_on(visit, counted) -> None:
    client = visit(api_app(Config()))
    for _ in range(LONGEST_QUEUE + 2):
        answer = await client.post(SESSIONS_PATH, json={"skill": "ratios"})
    assert answer.status_code == 201
    assert await counted(client, "jobs_dropped_total") == 2


@pytest.mark.parametrize(("now", "status"), [(0.0, 503), (4.9, 503), (5.0, 200), (60.0, 200)])
async def test_a_process_is_ready_once_its_delay_is_over(visit, now, status) -> None:
    times = iter([0.0, now])
    app = FastAPI()
    app.include_router(operations(CollectorRegistry(), start_delay=5, clock=lambda: next(times)))
    assert (await visit(app).get("/healthz")).status_code == status
