"""Takes the notices of the lab over HTTP, and tells which came: a chat of nobody.

POST anything with a title and a message; GET tells all of them, oldest first. Runs in a pod of its
own, on the standard library alone.
"""

import json
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST = 1000  # notices that are kept
TAKEN: deque[dict[str, object]] = deque(maxlen=MOST)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted; the path is the channel."""

    def do_POST(self) -> None:
        """Take a notice; what is none is refused, and tried again by who sent it."""
        size = int(self.headers.get("Content-Length") or 0)
        try:
            told = json.loads(self.rfile.read(size))
            one = {"title": str(told["title"]), "message": str(told["message"])}
        except (ValueError, KeyError, TypeError) as error:
            self._answer(400, str(error).encode())
            return
        TAKEN.append({"at": time.time(), "channel": self.path.strip("/"), **one})
        self._answer(200, b"taken")

    def do_GET(self) -> None:
        """Tell what came."""
        self._answer(200, json.dumps(list(TAKEN)).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Receiver).serve_forever()
