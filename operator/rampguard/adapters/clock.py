"""The real time, only here."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class RealClock:
    """Implements ports.Clock."""

    def now(self) -> datetime:
        """Return the instant, aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the only reading of the clock: all others are told

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    async def sleep(self, delay: timedelta) -> None:
        """Wait; a delay below zero only lets others run."""
        await asyncio.sleep(max(0.0, delay.total_seconds()))
