"""Channels that take notices, refuse them, or hang; what they took is kept."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from rampguard.core.ask import Ref
from rampguard.core.outbox import Notice
from rampguard.ports import Refused, Unavailable

Call = Callable[[str, Callable[[], object]], Awaitable[object]]


class Temper(StrEnum):
    """How a channel answers."""

    GOOD = "good"
    DEAD = "dead"
    HANGING = "hanging"
    BROKEN = "broken"  # its library raises what nobody expects


@dataclass(frozen=True)
class Taken:
    """One notice as it arrived."""

    channel: str
    uid: str
    notice: Notice


@dataclass
class FakeNotifier:
    """Implements ports.Notifier. call: what each delivery goes through, to die or fail there."""

    tempers: dict[str, Temper] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    call: Call | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(sorted(self.tempers))

    async def deliver(self, channel: str, ramp: Ref, uid: str, notice: Notice) -> None:
        self.asked.append(channel)
        temper = self.tempers.get(channel)
        if temper is None:
            raise Refused(f"no channel {channel} is configured")
        if temper is Temper.HANGING:
            await asyncio.Event().wait()
        if temper is Temper.DEAD:
            raise Unavailable("refused the connection")
        if temper is Temper.BROKEN:
            raise ZeroDivisionError
        taken = Taken(channel, uid, notice)
        if self.call is None:
            self.taken.append(taken)
        else:
            await self.call("deliver", lambda: self.taken.append(taken))

    def kinds(self, channel: str) -> list[str]:
        """Return the kinds of what a channel took, each notice once."""
        told = {one.notice.key: one.notice.kind for one in self.taken if one.channel == channel}
        return [str(kind) for kind in told.values()]
