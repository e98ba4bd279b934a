"""Collects what the pods write about their users, as an exporter does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.stage import Failed, Stage


def pods(stage: Stage) -> list[str]:
    told = stage.kubectl("get", "pods", "-l", "app.kubernetes.io/name=api", "-o", "name")
    return told.split()


class Collector:
    """Collects the events of all pods, also of those that are gone, as an exporter does."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._folder = folder
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            for pod in pods(self._stage):
                try:
                    told = self._stage.kubectl("exec", pod, "--", "sh", "-c", "cat /events/*.jsonl")
                except Failed:
                    continue  # it goes just now
                whole = told[: told.rfind("\n") + 1]
                path = self._folder / f"events-{pod.rpartition('/')[2]}.jsonl"
                path.with_suffix(".new").write_text(whole)
                path.with_suffix(".new").rename(path)
            self.over.wait(3)


@contextmanager
def collected(stage: Stage, folder: Path) -> Iterator[Collector]:
    collector = Collector(stage, folder)
    thread = threading.Thread(target=collector.run)
    thread.start()
    try:
        yield collector
    finally:
        collector.over.set()
        thread.join()
