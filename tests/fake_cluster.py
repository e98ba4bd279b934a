"""The fake cluster as one process sees it: the port, the log of its calls, and its faults."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from fake_clock import FakeClock
from fake_fields import Json
from fake_rollouts import Behaviour, FakeRollouts
from fake_server import FakeServer
from rampguard.core.ask import Ref
from rampguard.ports import RampError, Refused, Resource

WRITES = frozenset({"apply", "merge_patch", "json_patch", "put_status", "create_event"})


class Killed(BaseException):
    """The process is dead; whatever it calls from now on kills it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the port. result: ok, or the name of the error."""

    verb: str
    resource: Resource
    ref: Ref
    at: datetime
    body: object = None
    took_effect: bool = True
    result: str = "ok"

    @property
    def writes(self) -> bool:
        return self.verb in WRITES


@dataclass
class Fault:
    """An error for the next calls of a kind. lost: they take effect, only the answer is lost.

    spared: as many of them go well first.
    """

    error: RampError
    verb: str = ""
    resource: Resource | None = None
    times: int = 1
    lost: bool = False
    spared: int = 0

    def hits(self, verb: str, resource: Resource) -> bool:
        wanted = self.verb in {"", verb} and self.resource in {None, resource}
        if wanted and self.spared > 0:
            self.spared -= 1
            return False
        return self.times > 0 and wanted


@dataclass
class Doom:
    """Kills the process at its nth call from now: before it takes effect, or after."""

    calls_left: int
    answer_lost: bool
    late: bool


@dataclass
class FakeCluster:
    """Implements ports.Cluster. another() is a second process on the same server.

    yields: lets others run around each call, a number of times drawn from the seed. copies: each
    answer is a copy, so that a reader that changes what it read is found out.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    server: FakeServer = field(default=None)  # type: ignore[assignment]  # made below if not given
    rollouts: FakeRollouts = field(default=None)  # type: ignore[assignment]  # likewise
    stale: int = 0
    yields: random.Random | None = None
    copies: bool = False
    manager: str = "rampguard"
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    denied: set[tuple[str, Resource, str]] = field(default_factory=set)
    before: Callable[[str, Resource, Ref], Awaitable[None]] | None = None
    dead: bool = False
    in_flight: Callable[[], object] | None = None  # the last write of the dead, to land any time
    _doom: Doom | None = None

    def __post_init__(self) -> None:
        self.server = self.server or FakeServer(self.clock, stale=self.stale)
        self.clock = self.server.clock
        self.rollouts = self.rollouts or FakeRollouts(self.server)
        self.put, self.edit, self.delete = self.server.put, self.server.edit, self.server.delete
        self.patch, self.set_env = self.server.patch, self.server.set_env
        self.scale = self.server.scale

    def another(self, **changes: object) -> "FakeCluster":
        """Return a new process on the same server, alive and without faults."""
        kept = {"yields": self.yields, "copies": self.copies, "manager": self.manager}
        return FakeCluster(server=self.server, rollouts=self.rollouts, **(kept | changes))  # type: ignore[arg-type]  # by name

    def of(self, deployment: str) -> Behaviour:
        """Return how the pods of a Deployment behave, to be changed."""
        self.rollouts.wake()
        return self.rollouts.of(deployment)

    def seen(self, resource: Resource, namespace: str, name: str) -> Json:
        """Return an object without a call."""
        return self.server.get(resource, Ref(namespace, name))

    def all(self, resource: Resource, selector: str = "") -> tuple[Json, ...]:
        """Return all objects without a call."""
        return self.server.list(resource, None, selector)

    # --- faults ---

    def crash_after(self, calls: int, *, answer_lost: bool = False, late: bool = False) -> None:
        """Kill the process at its nth call from now, before the call takes effect.

        answer_lost: after it took effect, and before anybody is told. late: a write is on its way,
        and land() lets it arrive.
        """
        self._doom = Doom(calls, answer_lost, late)

    def land(self) -> None:
        """Let the write arrive that was on its way when the process died; nobody hears of it."""
        arrive, self.in_flight = self.in_flight, None
        if arrive is not None:
            with contextlib.suppress(RampError):
                arrive()

    def fail(
        self,
        error: RampError,
        *,
        verb: str = "",
        resource: Resource | None = None,
        times: int = 1,
        lost: bool = False,
        spared: int = 0,
    ) -> None:
        """Let the next calls of a kind fail, after as many that are spared.

        lost: they take effect, only the answer is lost.
        """
        self.faults.append(Fault(error, verb, resource, times, lost, spared))

    # --- the port ---

    async def get(self, resource: Resource, ref: Ref) -> Json:
        return await self._call("get", resource, ref, lambda: self.server.get(resource, ref))

    async def list(
        self, resource: Resource, namespace: str | None, *, selector: str = "", fresh: bool = True
    ) -> tuple[Json, ...]:
        ref = Ref(namespace or "", "")
        return await self._call(
            "list",
            resource,
            ref,
            lambda: self.server.list(resource, namespace, selector, fresh=fresh),
        )

    async def watch(
        self, resource: Resource, namespace: str, *, selector: str
    ) -> AsyncIterator[Json]:
        ref = Ref(namespace, "")
        watcher = await self._call(
            "watch", resource, ref, lambda: self.server.watch(resource, namespace, selector)
        )
        try:
            while (changed := await watcher.changes.get()) is not None:
                yield changed
        finally:
            self.server.forget_watch(watcher)

    async def apply(self, ref: Ref, body: Json, *, dry_run: bool = False) -> Json:
        if not (body["metadata"].get("uid") and body["metadata"].get("resourceVersion")):
            raise ValueError("an apply without uid and resourceVersion could overwrite anybody")
        verb = "dry_run" if dry_run else "apply"
        return await self._call(
            verb,
            Resource.DEPLOYMENTS,
            ref,
            lambda: self.server.apply(ref, body, dry_run=dry_run, manager=self.manager),
            body,
        )

    async def merge_patch(self, resource: Resource, ref: Ref, body: Json) -> Json:
        return await self._call(
            "merge_patch",
            resource,
            ref,
            lambda: self.server.merge_patch(resource, ref, body, manager=self.manager),
            body,
        )

    async def json_patch(self, resource: Resource, ref: Ref, patch: Sequence[Json]) -> Json:
        return await self._call(
            "json_patch",
            resource,
            ref,
            lambda: self.server.json_patch(resource, ref, patch, manager=self.manager),
            patch,
        )

    async def put_status(self, ref: Ref, body: Json) -> Json:
        return await self._call(
            "put_status", Resource.RAMPS, ref, lambda: self.server.put_status(ref, body), body
        )

    async def create_event(self, event: Json) -> None:
        ref = Ref(event["metadata"]["namespace"], event["metadata"]["name"])
        await self._call(
            "create_event", Resource.EVENTS, ref, lambda: self.server.create_event(event), event
        )

    async def can_i(
        self, verb: str, resource: Resource, namespace: str | None, sub: str = ""
    ) -> bool:
        ref = Ref(namespace or "", "")
        return await self._call(
            "can_i", resource, ref, lambda: (verb, resource, sub) not in self.denied
        )

    # --- one call ---

    async def _call(
        self,
        verb: str,
        resource: Resource,
        ref: Ref,
        effect: Callable[[], object],
        body: object = None,
    ) -> object:
        await self._others()
        if self.before is not None:
            await self.before(verb, resource, ref)
        result, done = "ok", False

        def carry_out() -> object:
            nonlocal done
            answer = effect()
            done = True
            return answer

        try:
            answer = self._fated(verb, resource, carry_out)
        except (Killed, RampError) as error:
            result = type(error).__name__
            raise
        finally:
            self.calls.append(
                Call(
                    verb=verb,
                    resource=resource,
                    ref=ref,
                    at=self.clock.now(),
                    body=body,
                    took_effect=done,
                    result=result,
                )
            )
        await self._others()
        return orjson.loads(orjson.dumps(answer)) if self.copies and verb != "watch" else answer

    def _fated(self, verb: str, resource: Resource, effect: Callable[[], object]) -> object:
        """Carry out a call, unless the process dies first or the call fails."""
        doom = self._doom_now()
        if self.dead and not (doom and doom.answer_lost):
            if doom and doom.late and verb in WRITES:
                self.in_flight = effect
            raise Killed
        fault = next((f for f in self.faults if f.hits(verb, resource)), None)
        if fault is not None:
            fault.times -= 1
        answer = effect() if fault is None or fault.lost else None
        if self.dead:
            raise Killed
        if fault is not None:
            raise fault.error
        return answer

    def _doom_now(self) -> Doom | None:
        """Return the doom of this very call, and be dead; None: it is not its turn."""
        if self.dead or self._doom is None:
            return None
        self._doom.calls_left -= 1
        self.dead = self._doom.calls_left <= 0
        return self._doom if self.dead else None

    async def _others(self) -> None:
        if self.yields is not None:
            for _ in range(self.yields.randrange(3)):
                await asyncio.sleep(0)


def refused(words: str) -> Refused:
    """Return the error of a webhook that says no."""
    return Refused(f'admission webhook "policy.example.com" denied the request: {words}')
