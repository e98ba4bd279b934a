"""Guardrails from analytics: users who never reach Prometheus decide about a ramp."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e.collector import collected
from e2e.operators import Operator
from e2e.stage import Stage, pause, until

BALANCE = {"name": "balance", "type": "ExposureBalance", "tolerance": 20}
EVENT = "session_started_from_tree"
USERS = {"name": "users", "type": "RelativeDrop", "tolerance": 5}
USERS |= {"from": "analytics", "event": EVENT}
SOON = timedelta(seconds=15)  # the operators' assignmentLag
WATCHED = {"guardrails": [BALANCE, USERS], "analytics": {"source": "events", "after": "1m"}}
NUMBERS = re.compile(
    rf'users drop: .* (\d+) "{EVENT}" of (\d+) users, control: (\d+) of (\d+);'
    r".*users exposed until ([0-9T:-]+)Z"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "exports"
    found.mkdir()
    return found


@pytest.fixture
def operator(stage: Stage, tmp_path: Path, folder: Path) -> Iterator[Operator]:
    exports = {"events": {"url": f"{folder}/events-*.jsonl"}}
    with Operator(stage.namespace, tmp_path, exports=exports) as one:
        yield one


def by_hand(folder: Path, t0: datetime, until_: datetime) -> tuple[int, int, int, int]:
    """Count as the finding does: treated with the event, treated, and the same of control."""
    exposures: dict[str, tuple[datetime, bool, str]] = {}
    starts: dict[str, list[datetime]] = {}
    for path in folder.glob("events-*.jsonl"):
        for line in path.read_text().splitlines():
            one = json.loads(line)
            at = datetime.fromisoformat(one["timestamp"])
            if one["event_name"] == EVENT:
                starts.setdefault(one["user_id"], []).append(at)
            elif one["event_name"] == "experiment_exposure":
                block = one["experiment"]
                told = (at, block["source"] == "cookie", block["variant"])
                exposures[one["user_id"]] = min(told, exposures.get(one["user_id"], told))
    counts = dict.fromkeys(("list", "tree"), (0, 0))
    for user, (at, cookie, arm) in exposures.items():
        if not cookie and t0 <= at < until_:
            hits, users = counts[arm]
            hit = any(at <= one <= at + SOON for one in starts.get(user, ()))
            counts[arm] = (hits + hit, users + 1)
    return *counts["list"], *counts["tree"]


def counted(status: dict[str, Any]) -> tuple[tuple[int, ...], datetime]:
    """Return what the last finding tells of the users, and until when they were exposed."""
    (line,) = [one for one in status["findings"][-1]["details"] if one.startswith("users drop")]
    found = NUMBERS.search(line)
    assert found, line
    return tuple(map(int, found.groups()[:4])), datetime.fromisoformat(f"{found[5]}+00:00")


def test_users_are_counted_as_they_are_through_a_kill(
    stage: Stage, operator: Operator, folder: Path
) -> None:
    """No export, no start; what a killed operator counted its successor counts as well."""
    stage.apply(**WATCHED, soak="4m", findings=["4m"])
    until(lambda: stage.phase() == "Blocked", 60, "there is no export yet")
    ready = stage.condition("Ready")
    assert "users: it cannot be read: FileNotFoundError" in ready["message"], ready
    with collected(stage, folder):
        stage.reaches("Soaking", limit=240)
        t0 = datetime.fromisoformat(json.loads(stage.status()["engine"])["facts"]["since"])
        pause(100)
        operator.kill()
        operator.start()
        operator.ready()
        done = stage.reaches("Completed", limit=360)
    numbers, until_ = counted(done)
    assert sum(numbers) > 100
    # What is told is cut to a second; one user may have come in it.
    most = by_hand(folder, t0, until_ + timedelta(seconds=1))
    least = by_hand(folder, t0, until_)
    assert all(a <= b <= c for a, b, c in zip(least, numbers, most, strict=True)), (
        least, numbers, most,
    )  # fmt: skip


def test_treated_users_who_do_not_start_are_found_in_the_export_alone(
    stage: Stage, operator: Operator, folder: Path, record_property: Callable[[str, object], None]
) -> None:
    assert operator.is_alive
    with collected(stage, folder):
        pause(30)
        stage.apply(**WATCHED, soak="20m")
        stage.reaches("Soaking", limit=240)
        stage.knob(treatment_session_drop=0.5)
        began = time.monotonic()
        until(lambda: stage.phase() in {"RollingBack", "RolledBack"}, 420, "rolled back")
        took = f"{time.monotonic() - began:.0f} s"
        record_property("time to detect", f"sessions -50 % in treatment, by export: {took}")
        back = stage.reaches("RolledBack")
    assert back["rollback"]["because"].startswith("users x0.")
    verdicts = {one["guardrail"]: one["verdict"] for one in back["guardrails"]}
    assert verdicts == {"balance": verdicts["balance"], "users": "Breached"}
    assert stage.only("0")


def test_an_export_that_stops_blinds_the_ramp_and_it_holds(
    stage: Stage, operator: Operator, folder: Path
) -> None:
    assert operator.is_alive
    with collected(stage, folder):
        pause(30)
        stage.apply(**WATCHED, soak="3m", maxBlind="1m", maxHold="1m")
        stage.reaches("Soaking", limit=240)
        pause(30)
    until(lambda: stage.condition("Stalled").get("status") == "True", 300, "it is blind")
    told = {one["guardrail"]: one for one in stage.status()["guardrails"]}["users"]
    assert told["verdict"] == "NoData"
    assert "the export: it ends" in told["why"]
    assert stage.phase() == "Soaking"
    with collected(stage, folder):
        stage.reaches("Completed", limit=240)
