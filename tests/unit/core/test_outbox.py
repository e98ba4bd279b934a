"""The outbox alone: who has still to get what, and when it is tried."""

from dataclasses import replace
from datetime import timedelta

import pytest

from rampguard.core.outbox import (
    FIRST,
    LIFE,
    LONGEST,
    NAMED,
    Delivery,
    Kind,
    Letter,
    Notice,
    Notify,
    Recipient,
    crowded,
    delivered,
    due,
    expired,
    is_expected,
    next_due,
    pause,
    waiting,
    without,
)
from scenes import HOUR, MINUTE, SECOND, T

NOTICE = Notice(
    kind=Kind.BLOCKED, key="a", at=T, text="t", experiment="e", env="E", origin=10, to=50
)
TEAM, MAIL = Recipient(channel="team"), Recipient(channel="mail")
OUTBOX = (Letter(NOTICE, (TEAM, MAIL)), Letter(replace(NOTICE, key="b"), (MAIL,)))


def told(key: str = "a", channel: str = "mail", failed: str = "") -> Delivery:
    return Delivery(key=key, channel=channel, at=T, failed=failed)


def left(outbox) -> list[tuple[str, str]]:
    return [(notice.key, one.channel) for notice, one in waiting(outbox)]


DELIVERED = {
    "one of two channels": (told(), [("a", "team"), ("b", "mail")]),
    "the last channel": (told("b"), [("a", "team"), ("a", "mail")]),
    "of another notice": (told("c"), left(OUTBOX)),
    "to another channel": (told(channel="pager"), left(OUTBOX)),
    "a failure": (told(failed="no"), left(OUTBOX)),
}


@pytest.mark.parametrize(("one", "remains"), DELIVERED.values(), ids=DELIVERED)
def test_what_is_delivered_leaves_and_nothing_else(one, remains) -> None:
    assert left(delivered(OUTBOX, one)) == remains


def test_only_what_waits_is_expected() -> None:
    assert is_expected(OUTBOX, told("b"))
    assert not is_expected(OUTBOX, told("b", "team"))
    assert not is_expected(OUTBOX, told("a", "pager"))


PAUSES = {1: 30 * SECOND, 2: MINUTE, 3: 2 * MINUTE, 7: 32 * MINUTE, 8: HOUR, 9: HOUR, 999: HOUR}


@pytest.mark.parametrize(("tries", "wait"), PAUSES.items())
def test_each_pause_is_twice_the_last_up_to_an_hour(tries: int, wait: timedelta) -> None:
    assert pause(tries) == wait
    assert FIRST <= wait <= LONGEST


def test_a_failure_is_kept_short_and_tried_again_after_its_pause() -> None:
    after = delivered(OUTBOX, told(failed="x" * 999))
    again = delivered(after, told(failed="no"))
    assert after[0].to == (
        TEAM,
        Recipient(channel="mail", tries=1, due=T + FIRST, why="x" * 120),
    )
    assert again[0].to[1] == Recipient(channel="mail", tries=2, due=T + 2 * FIRST, why="no")


def test_what_is_due_is_sent_and_the_rest_says_when() -> None:
    later = Recipient(channel="mail", tries=1, due=T + MINUTE)
    outbox = (Letter(NOTICE, (TEAM, later)),)
    assert due(outbox, T) == ((NOTICE, "team"),)
    for late in (T + MINUTE, T + HOUR):
        assert due(outbox, late) == ((NOTICE, "team"), (NOTICE, "mail"))
        assert next_due(outbox, late) is None
    assert next_due(outbox, T + 20 * SECOND) == 40 * SECOND
    assert next_due((), T) is None


def test_only_what_was_tried_for_a_day_has_expired() -> None:
    tried = replace(MAIL, tries=1)
    outbox = (Letter(NOTICE, (TEAM, tried)),)
    assert expired(outbox, T + LIFE - SECOND) == ()
    assert expired(outbox, T + LIFE) == expired(outbox, T + 9 * LIFE) == ((NOTICE, tried),)
    assert left(without(outbox, ((NOTICE, tried),))) == [("a", "team")]


def test_of_more_than_sixteen_findings_give_way_first_then_the_oldest() -> None:
    kinds = (Kind.BLOCKED, Kind.FINDING_RECORDED, Kind.CHANGE, *(Kind.BLOCKED,) * 16)
    letters = tuple(
        Letter(replace(NOTICE, key=str(i), kind=kind, at=T + i * SECOND), (TEAM,))
        for i, kind in enumerate(kinds)
    )
    assert [notice.key for notice, _ in crowded(letters)] == ["1", "2", "0"]
    assert crowded(letters[:16]) == ()


def test_a_channel_gets_what_can_be_named_and_no_mark() -> None:
    assert len(NAMED) == 8
    assert not Notify("team").wants(Kind.ROLLBACK)
    assert Notify("team", frozenset({Kind.BLOCKED})).wants(Kind.BLOCKED)
