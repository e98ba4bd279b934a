"""What every tier serves beside its own endpoints, and how it is served."""

import time
from collections.abc import Callable

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

PORT = 8080


def operations(
    registry: CollectorRegistry, *, start_delay: float, clock: Callable[[], float] = time.monotonic
) -> APIRouter:
    """Return /healthz, which fails for start_delay seconds, and /metrics."""
    router = APIRouter()
    ready_at = clock() + start_delay

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        left = ready_at - clock()
        if left > 0:
            return JSONResponse({"status": "starting", "seconds": round(left, 1)}, 503)
        return JSONResponse({"status": "ok"})

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def serve(app: FastAPI, port: int) -> None:
    """Serve until SIGTERM; open requests get a second, then the process ends."""
    uvicorn.run(
        app,
        host="0.0.0.0",
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
