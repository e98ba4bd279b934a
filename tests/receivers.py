"""A real HTTP receiver and a real SMTP server in the test's process, good or bad as a test says."""

import email
import email.policy
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Asked:
    """One request that was taken or refused."""

    path: str
    headers: dict[str, str]
    body: Any  # as JSON
    status: int
    at: float  # monotonic seconds


@dataclass
class HttpReceiver:
    """What a web server got. status: what it answers.

    hangs: what is asked now is held until that is set, and then dropped without an answer.
    """

    url: str = ""  # without a scheme: 127.0.0.1:1234
    status: int = 200
    asked: list[Asked] = field(default_factory=list)
    hangs: threading.Event | None = None
    held: int = 0

    @property
    def taken(self) -> list[Any]:
        """Return the bodies that were accepted, in order."""
        return [one.body for one in self.asked if one.status == 200]


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    """Take whatever is posted."""
    told = HttpReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(size))
            if told.hangs is not None:
                told.held += 1
                told.hangs.wait(120)
                self.close_connection = True
                return
            told.asked.append(
                Asked(self.path, dict(self.headers), body, told.status, time.monotonic())
            )
            self.send_response(told.status)
            if told.status == 302:
                self.send_header("Location", f"http://{told.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        if told.hangs is not None:
            told.hangs.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


@dataclass
class SmtpReceiver:
    """What a mail server got; refuses: it answers 451 to every message."""

    port: int = 0
    refuses: bool = False
    refused: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)  # monotonic seconds

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self.refuses:
            self.refused += 1
            return "451 come back later"
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        self.mails.append(email.message_from_bytes(raw, policy=email.policy.default))  # type: ignore[arg-type]  # by the policy
        self.arrived.append(time.monotonic())
        return "250 taken"

    def bodies(self, kind: str) -> list[str]:
        """Return the bodies of one type, such as html."""
        parts = (mail.get_body((kind,)) for mail in self.mails)
        return [part.get_content() for part in parts if part is not None]


@contextmanager
def smtp_receiver() -> Iterator[SmtpReceiver]:
    """Take whatever is mailed."""
    told = SmtpReceiver()
    controller = Controller(told, hostname="127.0.0.1", port=0)
    controller.port = _free_port()
    controller.start()
    told.port = controller.port
    try:
        yield told
    finally:
        controller.stop()


def _free_port() -> int:
    import socket  # noqa: PLC0415 - of this function alone

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
