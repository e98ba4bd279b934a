"""What a person is told to look at before a ramp, at the edge of each rule."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rampguard.core.ask import Guardrail
from rampguard.core.model import Phi
from rampguard.core.outlook import Found, Outlook
from rampguard.core.remarks import effect_text, limit_text, remarks
from rampguard.core.replays import Broke
from rampguard.core.statistics import Scatter
from rampguard.core.trials import Spread, Tried
from rate_scenes import ERRORS, ERRORS_BEFORE, STARTS
from scenes import DAY, HOUR, MINUTE, SHARE, plan

NOTHING = ""
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def told(rule: Guardrail = ERRORS, **facts: object) -> str:
    """Return all that is told of a guardrail of which nothing else is known."""
    known = Tried(
        guardrail=rule, promised=0.01, replays=21, broke=(), baseline=None, spreads=(), outlooks=()
    )
    return "; ".join(one.message for one in remarks(plan(), replace(known, **facts)))


def spread(part: str, phi: float = 1.0, *, assumed: bool = False, hourly: float = 1.0) -> str:
    """Return what is told of how the counts of one part vary."""
    lengths = (15 * MINUTE, 2 * HOUR, HOUR)
    by_length = tuple(
        Scatter(length=one, batches=9, phi=hourly if one == HOUR else 9.0) for one in lengths
    )
    used = Phi(value=phi, batch=None if assumed else HOUR)
    return told(spreads=(Spread(part=part, used=used, by_length=by_length),))


def before(span: timedelta, **facts: object) -> str:
    return told(baseline=replace(ERRORS_BEFORE, span=span), **facts)


def sight(half: timedelta | None, clears: timedelta | None = HOUR) -> str:
    """Return what is told of what can be seen in a soak of a day."""
    parts = tuple(
        Outlook(
            part=part,
            side=1,
            limit=0.2,
            visible=(),
            found=(),
            twice=Found(effect=0.4, half=time, ninety=None),
            curve=(),
        )
        for part, time in (("history", half), ("concurrent", None))
    )
    return told(outlooks=parts, clears=clears)


BLIND = (
    "this traffic cannot show x1.4, twice the limit, within the soak of 24h:"
    " half of such ramps would take"
)
VAGUE = (
    "a ramp that does no harm will end Inconclusive: to prove that it keeps to x1.2 takes {}, the"
    " soak is 24h"
)
ASSUMED = "too little was counted to say how"
ROWS: dict[str, tuple[Callable[[], str], str]] = {
    "a day less an hour will do": (lambda: before(23 * HOUR), NOTHING),
    "more than a day is no less": (lambda: before(30 * HOUR), NOTHING),
    "a shorter time before": (
        lambda: before(23 * HOUR - MINUTE),
        ("the time before the ramp is 22h59m, not 24h: what differs by hour of the day may look"
        " like harm"),
    ),
    "harm that is seen at the end of the soak": (lambda: sight(DAY), NOTHING),
    "harm that is seen after the soak": (lambda: sight(DAY + HOUR), f"{BLIND} 25h"),
    "harm that takes just less than three days": (lambda: sight(71 * HOUR), f"{BLIND} 71h"),
    "harm that takes days": (lambda: sight(3 * DAY), f"{BLIND} about 3 days"),
    "harm that is not seen": (lambda: sight(None), f"{BLIND} more than 60 days"),
    "no harm that is proven at the end": (lambda: sight(HOUR, DAY), NOTHING),
    "no harm that is proven later": (lambda: sight(HOUR, 90 * HOUR), VAGUE.format("about 4 days")),
    "no harm that is not proven": (lambda: sight(HOUR, None), VAGUE.format("more than 60 days")),
    "one phi that is assumed to be 1": (lambda: spread("history", assumed=True), NOTHING),
    "a phi that was measured": (lambda: spread("history", 1.5), NOTHING),
    "a phi of the past": (
        lambda: spread("history", 1.5, assumed=True), f"{ASSUMED} errors vary: phi 1.5 is assumed"),
    "a phi of the arms": (
        lambda: spread("concurrent", 1.5, assumed=True),
        f"{ASSUMED} errors vary between the arms: phi 1.5 is assumed"),
    "a phi of starts": (
        lambda: spread("drop", 1.5, assumed=True), f"{ASSUMED} starts cluster: phi 1.5 is assumed"),
    "a share that varies half as much again": (lambda: spread("share", hourly=1.5), NOTHING),
    "a share that varies more": (
        lambda: spread("share", hourly=1.6),
        ("the share of an hour varies 1.6 times as much as if each user were drawn once: look for"
        " clients without cookies")),
    "errors that vary more from hour to hour": (lambda: spread("history", hourly=1.6), NOTHING),
    "errors that vary much": (lambda: spread("history", 20.0), NOTHING),
    "errors that follow the hours": (
        lambda: spread("history", 20.5),
        ("errors per request follow the hours (phi 20.5): against the time before the ramp little"
        " can be shown")),
    "a share whose phi is as large": (lambda: spread("share", 20.5), NOTHING),
    "arms that vary as much": (lambda: spread("concurrent", 20.5), NOTHING),
}  # fmt: skip


@pytest.mark.parametrize(("found", "words"), ROWS.values(), ids=ROWS)
def test_what_is_told_at_the_edge(found: Callable[[], str], words: str) -> None:
    assert found() == words


@pytest.mark.parametrize(
    ("rule", "limit", "drop", "rise"),
    [
        (SHARE, "±5 pp", "a shift of 7 pp", "a shift of 7 pp"),
        (STARTS, "-5%", "a drop of 7%", "x1.07"),
        (ERRORS, "x1.2", "a drop of 7%", "x1.07"),
    ],
    ids=["share", "starts", "errors"],
)
def test_limits_and_effects_are_told_in_their_own_terms(rule, limit, drop, rise) -> None:
    assert limit_text(rule) == limit
    assert (effect_text(rule, -1, 0.07), effect_text(rule, 1, 0.07)) == (drop, rise)


@pytest.mark.parametrize(
    ("rule", "limit"),
    [(SHARE, "±0 pp"), (STARTS, "-0%"), (ERRORS, "x1")],
    ids=["share", "starts", "errors"],
)
def test_no_tolerance_is_none(rule: Guardrail, limit: str) -> None:
    assert limit_text(replace(rule, tolerance=None)) == limit


def test_replays_that_broke_are_told_with_the_first() -> None:
    first, second = (
        Broke(guardrail="errors", after=hours * HOUR, decides=True, acts=True, why=f"x{hours}")
        for hours in (2, 3)
    )
    assert told(broke=((NOW, first), (NOW + HOUR, second))) == (
        "broke in 2 of 21 replays although nothing was changed, first at"
        f" {NOW + 2 * HOUR:%Y-%m-%d %H:%M} UTC (x2): an incident of that day, or a limit too near"
    )
