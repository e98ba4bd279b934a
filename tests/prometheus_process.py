"""A real Prometheus on a folder of blocks, for as long as a test needs it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from skips import needs

KEPT = "--storage.tsdb.retention.time=10y"  # the past may be old


@contextmanager
def remembering(history: str, home: Path, port: int) -> Iterator[str]:
    """Run one that remembers a history, written as OpenMetrics; yield its URL."""
    prometheus, promtool = needs("prometheus"), needs("promtool")
    (home / "history").write_text(history)
    blocks = ["tsdb", "create-blocks-from", "openmetrics", home / "history", home / "data"]
    subprocess.run([promtool, *blocks], check=True, capture_output=True)
    with running(prometheus, home, port) as url:
        yield url


@contextmanager
def running(prometheus: str, home: Path, port: int) -> Iterator[str]:
    """Run one whose blocks lie in home/data; yield its URL."""
    (home / "config.yml").write_text("{}")
    url = f"http://127.0.0.1:{port}"
    command = [
        prometheus,
        f"--config.file={home / 'config.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        KEPT,
    ]
    with (
        (home / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until_ready(url, home / "log")
            yield url
        finally:
            process.terminate()


def wait_until_ready(url: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/-/ready", timeout=1).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)  # noqa: TID251 - another process
    pytest.fail(f"Prometheus is not ready:\n{log.read_text()}")
