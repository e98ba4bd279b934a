from datetime import UTC, timedelta

from rampguard.adapters.clock import RealClock


async def test_the_clock_is_aware_and_goes_on():
    clock = RealClock()
    instant, ticks = clock.now(), clock.monotonic()
    await clock.sleep(timedelta(milliseconds=5))
    await clock.sleep(timedelta(seconds=-1))
    assert instant.tzinfo is UTC
    assert clock.now() > instant
    assert clock.monotonic() - ticks >= 0.004
