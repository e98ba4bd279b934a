"""The lightest application that a ramp can be about: counts assignments by the share that it runs.

Runs in a pod, on the standard library alone. GET /harm lets errors rise, until the process ends.
"""

import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RATE = 40  # assignments a second
SHARE = int(os.environ.get("BENCH_ROLLOUT", "0")) / 100
BEGAN = time.monotonic()
HARM = threading.Event()


def metrics() -> str:
    """Return counters of both arms, at 0 from the start, and whether there are errors."""
    total = (time.monotonic() - BEGAN) * RATE
    counts = {"control": total * (1 - SHARE), "treatment": total * SHARE}
    lines = (f'bench_assigned_total{{variant="{arm}"}} {n:.0f}' for arm, n in counts.items())
    return "\n".join((*lines, f"bench_errors {int(HARM.is_set())}", ""))


class Tier(BaseHTTPRequestHandler):
    """Answers every GET with the metrics of now."""

    def do_GET(self) -> None:
        if self.path == "/harm":
            HARM.set()
        body = metrics().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


if __name__ == "__main__":
    # The first process of a container ignores what it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ThreadingHTTPServer(("", 8080), Tier).serve_forever()
