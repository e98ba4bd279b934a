"""The spot-check of analytics: what the pods wrote is collected into one file, and read."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.collector import collected
from e2e.operators import Operator
from e2e.stage import Stage, pause, until
from receivers import HttpReceiver, http_receiver


def verified(stage: Stage) -> tuple[str, str]:
    found = stage.condition("AnalyticsVerified")
    return found.get("status", ""), found.get("reason", "")


def test_an_export_is_read_in_the_soak_and_at_a_finding(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    exports = {"events": {"url": f"{folder}/events-*.jsonl"}}
    with Operator(stage.namespace, tmp_path, exports=exports):
        stage.apply(analytics={"source": "events", "after": "1m"}, soak="3m", findings=["3m"])
        stage.reaches("Soaking")
        assert verified(stage) == ("Unknown", "Pending")
        until(
            lambda: verified(stage) == ("Unknown", "ExportUnreadable"), 120, "nothing is there yet"
        )
        with collected(stage, folder):
            until(
                lambda: verified(stage) == ("True", "AnalyticsAsWanted"),
                120,
                f"it is read: {stage.condition('AnalyticsVerified')}",
            )
            told = stage.condition("AnalyticsVerified")["message"]
            assert "new users in treatment, want 50%" in told
            done = stage.reaches("Completed", limit=300)
        (finding,) = done["findings"]
        assert any(line.startswith("analytics at ") for line in finding["details"])
        reasons = {one["reason"] for one in stage.events()}
        assert {"ExportUnreadable", "AnalyticsAsWanted"} <= reasons


@pytest.fixture
def team() -> Iterator[HttpReceiver]:
    with http_receiver() as told:
        yield told


@pytest.mark.timeout(1200)
def test_what_treated_users_did_is_captured_after_a_rollback_and_told(
    stage: Stage, tmp_path: Path, team: HttpReceiver
) -> None:
    folder, kept = tmp_path / "exports", tmp_path / "captures"
    folder.mkdir()
    settings = {
        "exports": {"events": {"url": f"{folder}/events-*.jsonl"}},
        "captures": {"url": str(kept)},
        "notices": {"channels": {"team": {"urlFile": str(tmp_path / "team")}}},
    }
    (tmp_path / "team").write_text(f"json://{team.url}/hook")
    with Operator(stage.namespace, tmp_path, **settings), collected(stage, folder):
        stage.apply(
            analytics={"source": "events"},
            soak="30m",
            findings=["30m"],
            notify=[{"channel": "team", "events": ["RollbackVerified"]}],
        )
        stage.reaches("Soaking")
        pause(20)
        stage.ask("abort", "Rollback")
        back = stage.reaches("RolledBack")
        waits = stage.ramp("capture", "ramp")
        assert (waits.returncode, "it is due after" in waits.stderr) == (1, True), waits.stderr
        told = until(
            lambda: stage.status()["rollback"]["capture"].get("url"), 420, "it is captured", 5
        )
        first, second = until(lambda: team.taken[1:] and team.taken, 60, "the team was told twice")
    capture = stage.status()["rollback"]["capture"]
    raw = Path(told.removeprefix("file://")).read_bytes()
    assert first["title"].startswith("RollbackVerified: ")
    assert second["title"].startswith("RollbackVerified, capture: ")
    assert told in second["message"]
    assert hashlib.sha256(raw).hexdigest() == capture["sha256"]
    lines = [json.loads(line) for line in gzip.decompress(raw).splitlines()]
    assert len(lines) == capture["records"] > 100
    users = {one["user_id"] for one in lines}
    treated = {
        one["user_id"]
        for one in lines
        if one["event_name"] == "experiment_exposure" and one["experiment"]["variant"] == "list"
    }
    assert users == treated
    assert len(users) == capture["users"]
    assert any(one["event_name"] == "session_started_from_tree" for one in lines)
    assert min(one["timestamp"] for one in lines) >= back["startedAt"][:19]


def test_an_export_of_another_split_is_told_and_rolls_nothing_back(
    stage: Stage, tmp_path: Path
) -> None:
    """Somebody's export drops most of one arm, while Prometheus counts it well."""
    folder = tmp_path / "exports"
    folder.mkdir()
    with (
        Operator(stage.namespace, tmp_path, exports={"events": {"url": f"{folder}/cut.jsonl"}}),
        collected(stage, folder),
    ):
        stage.apply(analytics={"source": "events", "after": "1m"}, soak="2m", findings=["2m"])
        stage.reaches("Soaking")
        pause(45)
        lines = [
            line
            for path in folder.glob("events-*.jsonl")
            for line in path.read_text().splitlines()
            if json.loads(line).get("experiment", {}).get("variant") != "list"
        ]
        (folder / "cut.jsonl").write_text("\n".join(lines) + "\n")
        until(lambda: verified(stage) == ("False", "ArmSilent"), 120, "the silent arm is told")
        assert stage.only("50")
        stage.reaches("Completed", limit=240)
