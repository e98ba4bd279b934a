"""The API tier: shows the skills, starts sessions, leaves the work to the workers."""

import uuid
from dataclasses import dataclass

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from skilltree.assignment import COOKIE, EXPERIMENT, HEADER, Assignment, Source, assign
from skilltree.config import Config
from skilltree.counting import is_probe
from skilltree.events import EventLog
from skilltree.faults import Faults
from skilltree.jobs import Job, Outbox
from skilltree.metrics import ApiMetrics
from skilltree.skills import LAYOUTS, NAMES

THIRTY_DAYS = 30 * 24 * 3600  # seconds
SESSION_COOKIE = "session"
REQUEST_ID = "X-Request-ID"


class SessionStart(BaseModel):
    """A user starts to learn a skill. source: as the tree said from which it was started."""

    model_config = ConfigDict(extra="forbid")
    skill: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, and the arm that the user has."""

    user: str
    request_id: str
    given: Assignment


@dataclass(frozen=True, slots=True)
class Api:
    """The endpoints of users, over what they need."""

    config: Config
    metrics: ApiMetrics
    events: EventLog
    outbox: Outbox
    faults: Faults

    async def tree(self, request: Request) -> JSONResponse:
        """Show the skills as the user's arm wants them; the arm stands, also in a failure."""
        visitor = self._visitor(request)
        if not is_probe(request.scope):
            self._count_exposure(visitor)
        return self._answer(visitor, *self._page(request, visitor))

    async def start_session(self, start: SessionStart, request: Request) -> JSONResponse:
        """Start a session from the tree."""
        visitor = self._visitor(request)
        if start.skill not in NAMES:
            return JSONResponse({"error": f"there is no skill {start.skill!r}"}, 404)
        if not is_probe(request.scope):
            self._count_session(visitor, start)
        return JSONResponse({"skill": start.skill, "variant": visitor.given.arm}, 201)

    def _visitor(self, request: Request) -> Visitor:
        request_id = request.headers.get(REQUEST_ID) or uuid.uuid4().hex
        user = request.cookies.get(SESSION_COOKIE) or request_id
        drawn = assign(user, self.config.rollout, request.cookies.get(COOKIE))
        given = self.faults.diverted(user, drawn, request.headers)
        request.state.variant = given.arm
        return Visitor(user, request_id, given)

    def _page(self, request: Request, visitor: Visitor) -> tuple[dict[str, object], int]:
        if self.faults.fails(visitor.given.arm, request.headers):
            return {"error": "the lab asked for a failure"}, 500
        if request.query_params.get("skill", "arithmetic") not in NAMES:
            return {"error": "there is no such skill"}, 404
        return {"skills": LAYOUTS[visitor.given.arm]}, 200

    def _answer(self, visitor: Visitor, page: dict[str, object], status: int) -> JSONResponse:
        arm = visitor.given.arm
        answer = JSONResponse({"experiment": self._block(visitor), **page}, status)
        answer.headers[HEADER] = arm
        answer.set_cookie(COOKIE, arm, max_age=THIRTY_DAYS, httponly=True, samesite="lax")
        return answer

    def _block(self, visitor: Visitor) -> dict[str, object]:
        return {
            "name": EXPERIMENT,
            "variant": visitor.given.arm,
            "source": visitor.given.source,
            "bucket": visitor.given.bucket,
            "rollout": self.config.rollout,
            "request_id": visitor.request_id,
        }

    def _count_exposure(self, visitor: Visitor) -> None:
        given = visitor.given
        self.metrics.assignments.labels(EXPERIMENT, given.arm, given.source).inc()
        self.events.write("experiment_exposure", visitor.user, experiment=self._block(visitor))

    def _count_session(self, visitor: Visitor, start: SessionStart) -> None:
        arm, source = visitor.given.arm, start.source or visitor.given.source
        self.metrics.sessions.labels(EXPERIMENT, arm, source).inc()
        block = self._block(visitor) | {"source": source}
        self.events.write(
            "session_started_from_tree", visitor.user, skill=start.skill, experiment=block
        )
        self.outbox.put(
            Job(user=visitor.user, skill=start.skill, rollout=self.config.rollout, variant=arm)
        )
