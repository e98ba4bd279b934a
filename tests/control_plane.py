"""A bare Kubernetes API server with etcd, without controllers or nodes, for one test session.

The programs are looked for in RAMPGUARD_BINARIES (one folder), then on PATH.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from aiohttp.test_utils import unused_port

from skips import needs

ADMIN, STRANGER = "admin-token", "stranger-token"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Where the API server answers, and to whom."""

    url: str
    ca_file: Path


@contextmanager
def control_plane(home: Path) -> Iterator[ControlPlane]:
    """Start etcd and kube-apiserver in a folder; end them, and nothing else, on leaving."""
    etcd, apiserver = needs("etcd"), needs("kube-apiserver")
    peer, client, port = unused_port(), unused_port(), unused_port()
    store = f"http://127.0.0.1:{client}"
    key = home / "accounts.key"
    subprocess.run(
        [needs("openssl"), "genrsa", "-out", key, "2048"], check=True, capture_output=True
    )
    tokens = home / "tokens.csv"
    tokens.write_text(f"{ADMIN},admin,1,system:masters\n{STRANGER},stranger,2\n")
    plane = ControlPlane(f"https://127.0.0.1:{port}", home / "apiserver.crt")
    with ExitStack() as stack:
        stack.enter_context(
            running(
                home / "etcd.log",
                etcd,
                f"--data-dir={home / 'etcd'}",
                f"--listen-client-urls={store}",
                f"--advertise-client-urls={store}",
                f"--listen-peer-urls=http://127.0.0.1:{peer}",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
                f"--initial-cluster=default=http://127.0.0.1:{peer}",
            )
        )
        stack.enter_context(
            running(
                home / "apiserver.log",
                apiserver,
                f"--etcd-servers={store}",
                f"--secure-port={port}",
                "--bind-address=127.0.0.1",
                f"--cert-dir={home}",
                "--authorization-mode=RBAC",
                f"--token-auth-file={tokens}",
                "--service-account-issuer=https://rampguard.test",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--disable-admission-plugins=ServiceAccount",
                "--service-cluster-ip-range=10.0.0.0/24",
            )
        )
        wait_until_ready(plane, home / "apiserver.log")
        yield plane


@contextmanager
def running(log: Path, *command: str) -> Iterator[None]:
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.kill()


def wait_until_ready(plane: ControlPlane, log: Path) -> None:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            url = f"{plane.url}/readyz"
            if requests.get(url, headers=headers, timeout=2, verify=str(plane.ca_file)).ok:
                return
        time.sleep(0.2)  # noqa: TID251 - another process
    pytest.fail(f"kube-apiserver is not ready:\n{log.read_text()[-2000:]}")
