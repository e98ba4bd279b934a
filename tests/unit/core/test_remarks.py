"""What a person is told to look at before a ramp, at the edge of each rule."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.ask import Guardrail
from rampguard.core.model import Phi
from rampguard.core.outlook import Found, Outlook
from rampguard.core.remarks import remarks
from rampguard.core.statistics import Scatter
from rampguard.core.trials import Spread, Tried
from rate_scenes import ERRORS, ERRORS_BEFORE
from scenes import DAY, HOUR, MINUTE, plan

NOTHING = ""


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
ROWS: dict[str, tuple[str, str]] = {
    "a day less an hour will do": (before(23 * HOUR), NOTHING),
    "more than a day is no less": (before(30 * HOUR), NOTHING),
    "a shorter time before": (
        before(23 * HOUR - MINUTE),
        ("the time before the ramp is 22h59m, not 24h: what differs by hour of the day may look"
        " like harm"),
    ),
    "harm that is seen at the end of the soak": (sight(DAY), NOTHING),
    "harm that is seen after the soak": (sight(DAY + HOUR), f"{BLIND} 25h"),
    "harm that takes just less than three days": (sight(71 * HOUR), f"{BLIND} 71h"),
    "harm that takes days": (sight(3 * DAY), f"{BLIND} about 3 days"),
    "harm that is not seen": (sight(None), f"{BLIND} more than 60 days"),
    "no harm that is proven at the end": (sight(HOUR, DAY), NOTHING),
    "no harm that is proven later": (sight(HOUR, 90 * HOUR), VAGUE.format("about 4 days")),
    "no harm that is not proven": (sight(HOUR, None), VAGUE.format("more than 60 days")),
    "one phi that is assumed to be 1": (spread("history", assumed=True), NOTHING),
    "a phi that was measured": (spread("history", 1.5), NOTHING),
    "a phi of the past": (
        spread("history", 1.5, assumed=True), f"{ASSUMED} errors vary: phi 1.5 is assumed"),
    "a phi of the arms": (
        spread("concurrent", 1.5, assumed=True),
        f"{ASSUMED} errors vary between the arms: phi 1.5 is assumed"),
    "a phi of starts": (
        spread("drop", 1.5, assumed=True), f"{ASSUMED} starts cluster: phi 1.5 is assumed"),
    "a share that varies half as much again": (spread("share", hourly=1.5), NOTHING),
    "a share that varies more": (
        spread("share", hourly=1.6),
        ("the share of an hour varies 1.6 times as much as if each user were drawn once: look for"
        " clients without cookies")),
    "errors that vary more from hour to hour": (spread("history", hourly=1.6), NOTHING),
    "errors that vary much": (spread("history", 20.0), NOTHING),
    "errors that follow the hours": (
        spread("history", 20.5),
        ("errors per request follow the hours (phi 20.5): against the time before the ramp little"
        " can be shown")),
    "a share whose phi is as large": (spread("share", 20.5), NOTHING),
    "arms that vary as much": (spread("concurrent", 20.5), NOTHING),
}  # fmt: skip


@pytest.mark.parametrize(("found", "words"), ROWS.values(), ids=ROWS)
def test_what_is_told_at_the_edge(found: str, words: str) -> None:
    assert found == words
