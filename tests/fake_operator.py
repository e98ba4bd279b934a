"""An operator's HTTP port with flight records, and a kubectl that leads to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from taped import UID

RAMP = "skill-tree-layout-50"


class Operator(ThreadingHTTPServer):
    """An operator's /records."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files = files

    @contextmanager
    def running(self) -> "Iterator[Operator]":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        files = self.server.files  # type: ignore[attr-defined]
        name = self.path.removeprefix("/records").removeprefix("/")
        told = {"records": [listed(n) for n in files]}
        body = files.get(name) if name else json.dumps(told).encode()
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: Any) -> None:
        return


def listed(name: str) -> dict[str, str]:
    namespace, ramp, uid = name.removesuffix(".jsonl.gz").split("_")
    return {
        "name": name,
        "namespace": namespace,
        "ramp": ramp,
        "uid": uid,
        "to": f"2026-11-2{len(uid) % 10}T00:00:00Z",
    }


BOX = {"ports": [{"name": "http", "containerPort": 9000}]}
DEPLOYMENT = {
    "metadata": {"namespace": "rampguard-system", "name": "rampguard"},
    "spec": {"template": {"spec": {"containers": [BOX]}}},
}


def reached(
    kubectl: Any, operator: Operator, uid: str | None = UID, told: dict[str, Any] | None = None
) -> None:
    """Let kubectl show a ramp, gone where uid is None, and lead to an operator."""
    told = told or {"metadata": {"name": RAMP, "namespace": "app", "uid": uid}}
    missing = f'Error from server (NotFound): experimentramps.rampguard.dev "{RAMP}" not found'
    if uid is None:
        kubectl.on("get", "experimentramps", RAMP, err=missing, code=1)
        kubectl.on("get", "experimentramps", out={"items": []})
    else:
        kubectl.on("get", "experimentramps", out=told)
    kubectl.on("get", "deployments", out={"items": [DEPLOYMENT]})
    port = operator.server_address[1]
    kubectl.on("port-forward", out=f"Forwarding from 127.0.0.1:{port} -> 9000\n", stays=True)
