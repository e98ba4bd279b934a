"""Counts and times requests, whatever ends them: an answer, a refused body, an exception."""

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skilltree.metrics import SESSIONS_PATH, TREE_PATH, UNKNOWN

COUNTED = frozenset({TREE_PATH, SESSIONS_PATH})  # a path of anybody's choice is no label
PROBE = b"x-rampguard-probe"


def is_probe(scope: Scope) -> bool:
    """Say whether a request only looks whether the experiment works: nobody's counts grow."""
    return any(name == PROBE for name, _ in scope["headers"])


class RequestCounter:
    """An ASGI middleware; an endpoint that knows the arm leaves it in request.state.variant."""

    def __init__(self, app: ASGIApp, requests: Counter, seconds: Histogram) -> None:
        self._app = app
        self._requests = requests
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it by how it ended."""
        if scope["type"] != "http" or scope["path"] not in COUNTED or is_probe(scope):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._seconds.labels(scope["path"]).time():
                await self._app(scope, receive, watch)
        finally:
            variant = state.get("variant", UNKNOWN)
            self._requests.labels(scope["path"], str(status), variant).inc()
