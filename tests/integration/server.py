"""The lab's API server, asked in plain JSON; kubectl's proxy has the credentials."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

Json = dict[str, Any]
RAMPS = "apis/rampguard.dev/v1alpha1"
DRY = {"dryRun": "All"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said; message is "" where it said yes."""

    code: int
    body: Json

    @property
    def accepted(self) -> bool:
        return self.code < HTTPStatus.BAD_REQUEST

    @property
    def message(self) -> str:
        return "" if self.accepted else str(self.body.get("message"))


@dataclass(frozen=True, slots=True)
class ApiServer:
    """One connection that is kept; fields that are unknown are refused, as kubectl asks for."""

    url: str
    session: requests.Session

    def call(self, method: str, path: str, body: Any = None, **told: Any) -> Answer:
        """Send JSON, or text as it is; told: query, content, headers."""
        headers = {"Content-Type": told.get("content", "application/json")}
        answer = self.session.request(
            method,
            f"{self.url}/{path}",
            params={"fieldValidation": "Strict", **told.get("query", {})},
            headers=headers | told.get("headers", {}),
            timeout=30,
            **({"data": body.encode()} if isinstance(body, str) else {"json": body}),
        )
        return Answer(answer.status_code, answer.json())

    def must(self, method: str, path: str, body: Any = None, **told: Any) -> Json:
        """Send what has to succeed."""
        answer = self.call(method, path, body, **told)
        assert answer.accepted, answer.message
        return answer.body


@contextmanager
def proxied() -> Iterator[ApiServer]:
    """Reach the API server of the current context through a proxy that ends with the test."""
    command = ["kubectl", "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            address = proxy.stdout.readline().split()[-1]
            with requests.Session() as session:
                yield ApiServer(f"http://{address}", session)
        finally:
            proxy.terminate()
