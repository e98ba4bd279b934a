"""Work beside the passes: no pass waits for an app, an export or a file system."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from rampguard.core.ask import Ref
from rampguard.ports import Telemetry


class Numbered(Protocol):
    """What a pass leaves to be done for a ramp; its number tells it from what was done before."""

    @property
    def uid(self) -> str:
        """The ramp's."""

    @property
    def number(self) -> int:
        """That of the request in the status."""


class Result(Protocol):
    """What came of it."""

    @property
    def number(self) -> int:
        """That of the request."""


Left = TypeVar("Left", bound=Numbered)
Came = TypeVar("Came", bound=Result)


class Beside(Generic[Left, Came]):
    """One task for each ramp that left something to do; the next pass is told what came of it.

    A process that dies takes its tasks along: the status remembers the request, and the next
    process begins anew.
    """

    def __init__(  # noqa: PLR0913 - where from, where to, how
        self,
        *,
        left: dict[Ref, Left | None],
        results: dict[str, Came],
        make: Callable[[Left], Awaitable[Came]],
        failed: Callable[[Left, str], Came],
        wake: Callable[[Ref], None],
        telemetry: Telemetry,
    ) -> None:
        self._left = left
        self._results = results
        self._make = make
        self._failed = failed
        self._wake = wake
        self._telemetry = telemetry
        self._under_way: dict[Ref, tuple[Left, asyncio.Task[None]]] = {}
        self._uids: dict[Ref, str] = {}

    def take(self, ref: Ref) -> None:
        """Do what the last pass of a ramp left, unless it is being done or is done.

        A pass that left nothing ends what is being done; one that broke off says nothing.
        """
        if ref not in self._left:
            return
        left = self._left.pop(ref)
        if left is None:
            self._stop(ref)
            return
        result = self._results.get(left.uid)
        if result and result.number == left.number:
            return
        if running := self._under_way.get(ref):
            if (running[0].uid, running[0].number) == (left.uid, left.number):
                return
            running[1].cancel()
        if (before := self._uids.get(ref)) != left.uid:
            self._results.pop(before or "", None)
        self._uids[ref] = left.uid
        self._under_way[ref] = left, asyncio.create_task(self._do(ref, left))

    def forget(self, ref: Ref) -> None:
        """Drop what is known of a ramp that is gone."""
        self._left.pop(ref, None)
        self._results.pop(self._uids.pop(ref, ""), None)
        self._stop(ref)

    def _stop(self, ref: Ref) -> None:
        if running := self._under_way.pop(ref, None):
            running[1].cancel()

    async def close(self) -> None:
        """End what is under way."""
        tasks = tuple(task for _, task in self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(self, ref: Ref, left: Left) -> None:
        try:
            result = await self._make(left)
        except Exception as error:  # noqa: BLE001 - a bug here must not hold a ramp
            facts = {"ramp": str(ref), "work": type(left).__name__, "exc_info": error}
            self._telemetry.log("error", "work beside the passes failed", **facts)
            result = self._failed(left, f"a bug: {type(error).__name__}")
        self._results[left.uid] = result
        running = self._under_way.get(ref)
        if running and running[0] is left:
            del self._under_way[ref]
        self._wake(ref)
