"""The operator is killed at chosen API calls, its answer lost or not; every ramp ends right."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.operators import Operator
from e2e.proxies import Blows, api_proxy
from e2e.stage import ENV, Json, Stage, pause, until

QUICK = [3, 12, 16, 9, 21, 14]  # calls that each life has; a pass has about fifteen
THOROUGH = [*range(2, 26), *range(3, 24, 2)]


@contextmanager
def mortal(stage: Stage, home: Path, lives: list[int]) -> Iterator[Blows]:
    """Run an operator that is killed at the end of each of its lives, and started again."""
    over = threading.Event()
    blows = Blows(list(lives))
    with api_proxy(home, blows) as config:
        running = Operator(stage.namespace, home, environment={"KUBECONFIG": str(config)})
        blows.victim = running

        def keep_up() -> None:
            while not over.is_set():
                if not running.is_alive:
                    running.start()
                over.wait(0.3)

        keeper = threading.Thread(target=keep_up)
        keeper.start()
        try:
            yield blows
        finally:
            over.set()
            keeper.join()
            running.kill()


@contextmanager
def watched(stage: Stage) -> Iterator[list[str]]:
    """Look all the time, from outside, whether what must never be is."""
    broken: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            status = stage.status()
            for name in ("api", "worker"):
                told = stage.annotations(name)
                stamped = any(key.startswith("rampguard.dev/") for key in told)
                if stage.value(name) != "0" and not stamped and not _recorded(stage):
                    broken.append(f"{name} was changed, and its original is written nowhere")
            if status.get("phase") == "RolledBack" and not stage.only("0"):
                broken.append("RolledBack, and a pod still runs the new value")
            over.wait(0.5)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield broken
    finally:
        over.set()
        thread.join()


def _recorded(stage: Stage) -> bool:
    targets: list[Json] = stage.status().get("targets", [])
    return all("original" in target for target in targets) and len(targets) == 2


def told_once(stage: Stage) -> bool:
    """Say whether no reason that can come once only was told in two ways."""
    found = [(e["reason"], e["note"]) for e in stage.events()]
    once = ("ShareChanged", "RollbackVerified", "Completed", "CompletedInconclusive")
    return all(sum(r == reason for r, _ in set(found)) <= 1 for reason in once)


def a_whole_ramp(stage: Stage, home: Path, lives: list[int]) -> None:
    with watched(stage) as broken, mortal(stage, home, lives) as blows:
        stage.apply()
        stage.reaches("Completed", limit=300)
        assert stage.only("50")
        until(lambda: not stage.stamps(), 30, "the stamps are gone")
        assert told_once(stage)
    assert broken == []
    print(*blows.struck, sep="\n")


def a_whole_rollback(stage: Stage, home: Path, lives: list[int]) -> None:
    ups = len(lives) // 2
    with watched(stage) as broken, mortal(stage, home, lives[:ups]) as blows:
        stage.apply(soak="10m")
        stage.reaches("Soaking", limit=180)
        blows.lives.extend(lives[ups:])
        stage.ask("abort", "Rollback")
        stage.reaches("RolledBack", limit=240)
        assert stage.only("0")
        until(lambda: not stage.stamps(), 30, "the stamps are gone")
        assert told_once(stage)
    assert broken == []
    assert len(blows.struck) >= ups
    print(*blows.struck, sep="\n")


def test_a_ramp_lives_through_six_deaths(stage: Stage, tmp_path: Path) -> None:
    a_whole_ramp(stage, tmp_path, QUICK)


def test_a_rollback_lives_through_six_deaths(stage: Stage, tmp_path: Path) -> None:
    a_whole_rollback(stage, tmp_path, QUICK)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(4))
def test_a_ramp_lives_through_many_deaths(stage: Stage, tmp_path: Path, part: int) -> None:
    a_whole_ramp(stage, tmp_path, THOROUGH[part::4])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(4))
def test_a_rollback_lives_through_many_deaths(stage: Stage, tmp_path: Path, part: int) -> None:
    a_whole_rollback(stage, tmp_path, THOROUGH[part::4])


def test_two_operators_do_no_harm(stage: Stage, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    with (
        watched(stage) as broken,
        Operator(stage.namespace, tmp_path) as one,
        Operator(stage.namespace, second),
    ):
        stage.apply()
        stage.reaches("Soaking", limit=180)
        one.kill()
        pause(2)
        one.start()
        stage.reaches("Completed", limit=180)
        assert stage.only("50")
        until(lambda: not stage.stamps(), 30, "the stamps are gone")
        assert told_once(stage)
    assert broken == []


def test_an_operator_that_is_asked_to_end_ends_soon_and_goes_on_later(
    stage: Stage, tmp_path: Path
) -> None:
    running = Operator(stage.namespace, tmp_path)
    with running:
        stage.apply()
        until(lambda: stage.value("api") == "50", 60, "the first write")
        assert running.stop() == 0
        assert "stopped" in running.log.read_text()
        running.start()
        stage.reaches("Completed", limit=180)
        assert stage.only("50")
        assert ENV in stage.annotations("api")["kubernetes.io/change-cause"]
