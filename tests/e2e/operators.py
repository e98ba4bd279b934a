"""Operators as processes of their own, which tests end as rudely as they like."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import requests
import yaml
from aiohttp.test_utils import unused_port

from e2e.stage import PROMETHEUS, ROOT, pause


class Operator:
    """`python -m rampguard` for one namespace; prometheus and kubeconfig may lead to a proxy."""

    def __init__(
        self,
        namespace: str,
        home: Path,
        *,
        prometheus: str = PROMETHEUS,
        environment: Mapping[str, str] = {},
        **settings: Any,
    ) -> None:
        self.port = unused_port()
        self.log = home / f"operator-{self.port}.log"
        self._environment = {**os.environ, **environment}
        self._records = home / "records"
        self._config = home / f"operator-{self.port}.yaml"
        self._config.write_text(
            yaml.safe_dump(
                {
                    "prometheus": {"default": {"url": prometheus}},
                    "lookInterval": "5s",
                    "scrapeInterval": "5s",
                    "assignmentLag": "15s",
                    "historyMinimum": "30s",
                    "namespaces": [namespace],
                    "port": self.port,
                    "records": {"url": str(self._records)},
                    **settings,
                }
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rampguard", "--config", str(self._config)],
                stdout=out,
                stderr=out,
                env=self._environment,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Ask it to end, as Kubernetes does; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(40)

    def metrics(self) -> str:
        return requests.get(f"http://127.0.0.1:{self.port}/metrics", timeout=5).text

    def ready(self) -> None:
        for _ in range(100):
            try:
                if requests.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).ok:
                    return
            except requests.RequestException:
                pass
            if not self.is_alive:
                break
            pause(0.2)
        pytest.fail(f"the operator does not become ready:\n{self.log.read_text()[-3000:]}")

    def __enter__(self) -> Self:
        self.start()
        self.ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        if error is None:
            self.replay()

    def replay(self) -> None:
        """Work out every judgement and decision of this operator once more: none may differ."""
        for record in sorted(self._records.glob("*.jsonl*")):
            done = subprocess.run(
                [str(ROOT / ".venv" / "bin" / "kubectl-ramp"), "replay", str(record)],
                capture_output=True, text=True, check=False, timeout=180,
            )  # fmt: skip
            assert done.returncode == 0, f"{record.name}: {done.stdout[-3000:]}{done.stderr}"
