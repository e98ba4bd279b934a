"""An export, at the ends of what it may hold."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from export_scenes import (
    ARMS,
    DAY,
    HOUR,
    LATER,
    MINUTE,
    NOON,
    SECOND,
    START,
    Block,
    Seen,
    at,
    crowd,
    exposed,
    summed,
    tallied,
)
from rampguard.core.analytics import Asked, Fault, Refusal, Tally, summary
from rampguard.core.analytics.tally import FIRST, SPANS


@pytest.mark.parametrize("name", ["a_page", "zz_page"])
def test_an_event_is_what_its_whole_name_says(name: str) -> None:
    told = summed([exposed("a", "tree"), Seen("a", Block("tree"), name), Seen("a", None, name)])
    (one, _) = told.arms
    assert (one.exposures, one.session_starts, one.other_events) == (1, 0, 1)
    assert (told.armless, told.armless_starts, told.refused) == (1, 0, 0)


@pytest.mark.parametrize("source", ["a-header", "zz-header"])
def test_only_a_cookie_is_a_cookie(source: str) -> None:
    (one, _) = summed([exposed("a", "tree", source)]).arms
    assert (one.by_cookie, one.new_users) == (0, 1)


def test_starts_with_and_without_a_block_add() -> None:
    events = [exposed("a", "tree"), Seen("a", Block("tree"), START), Seen("a", None, START)]
    assert summed(events).arms[0].session_starts == 2


def test_treatment_is_the_second_arm_whatever_its_name() -> None:
    for arms in (("a", "b"), ("b", "a")):
        events = [exposed("x", arms[0]), exposed("y", arms[0]), exposed("z", arms[1])]
        assert summed(events, Asked(arms=arms)).all_exposures.share == 1 / 3


def test_a_single_arm_is_compared_with_nothing() -> None:
    found = summed([exposed("a", "tree")], Asked(arms=("tree",), share=0.5))
    assert (found.growths, found.all_exposures) == ((), None)


def test_nothing_is_neither_mixed_nor_beyond_nor_out_of_order() -> None:
    nothing = summed([])
    assert (nothing.mixed, nothing.beyond, nothing.exposures) == (False, 0, 0)
    assert (nothing.backwards.count, nothing.backwards.furthest) == (0, timedelta(0))


def test_records_are_those_that_were_not_refused() -> None:
    tally = Tally()
    for _ in range(2):
        tally.refuse(7, Refusal(Fault.NOT_JSON))
    for _ in range(3):
        tally.add([exposed("a", "tree"), Seen("b")], [1, 2])
    assert (tally.read, tally.refused) == (3, 5)


@pytest.mark.parametrize("rollout", [-1, 101, "x"])
def test_a_rollout_is_a_percentage_or_none(rollout: object) -> None:
    assert summed(crowd(5, 5, rollout)).growths == ()


def test_of_many_users_those_in_both_arms_are_left_out() -> None:
    many, both = 9_000, 3_000
    users = [exposed(f"u{n}", "list") for n in range(many)]
    users += [exposed(f"u{n}", "tree") for n in range(many - both, 2 * many - both)]
    (told,) = summed(users).growths
    assert (told.treatment, told.control) == (many - both, many - both)


def day(year: int, month: int = 1, of: int = 1) -> Seen:
    return Seen("u", Block("tree"), at=datetime(year, month, of, tzinfo=UTC))


@pytest.mark.parametrize(
    ("seen", "inside"),
    [
        (day(1969, 12, 31), False),
        (day(1970), True),
        (day(2999, 12, 31), True),
        (day(3000), False),
        (day(3000, 1, 2), False),
    ],
    ids=lambda one: f"{one.at:%Y-%m-%d}" if isinstance(one, Seen) else "",
)
def test_time_is_from_1970_to_2999(seen: Seen, inside: bool) -> None:  # noqa: FBT001
    found = summed([seen])
    assert (found.exposures, found.outside) == ((1, 0) if inside else (0, 1))
    assert found.backwards.count == 0


def test_minutes_are_kept_up_to_a_number_of_them() -> None:
    tally = tallied([Seen("u", Block("tree"), at=NOON + n * MINUTE) for n in range(SPANS)])
    assert (tally.width, len(tally.spans)) == (MINUTE, SPANS)
    tally.add([Seen("u", Block("tree"), at=NOON + SPANS * MINUTE)], [1])
    assert tally.width == HOUR
    assert summary(tally, ARMS, LATER).exposures == SPANS + 1


# --- slices ---


@pytest.mark.parametrize(("seconds", "ahead"), [(0, 0), (240, 0), (300, 0), (359, 0), (360, 1)])
def test_a_clock_may_be_five_minutes_ahead(seconds: int, ahead: int) -> None:
    assert summary(tallied(at(-120, -60, seconds)), ARMS, NOON).ahead == ahead


def starts(seconds: Sequence[float], since: datetime = NOON) -> tuple[timedelta, list[float]]:
    events = [Seen(f"u{n}", Block("tree"), at=since + s * SECOND) for n, s in enumerate(seconds)]
    found = summed(events)
    return found.width, [(one.start - since) / SECOND for one in found.slices]


@pytest.mark.parametrize("since", [NOON, FIRST, FIRST + DAY])
def test_slices_follow_each_other(since: datetime) -> None:
    assert starts([60, 300], since) == (MINUTE, [60, 120, 180, 240, 300])


@pytest.mark.parametrize(
    ("first", "last", "width"), [(0, 11, 1), (0, 12, 2), (1, 23, 2), (1, 24, 5), (0, 23, 2)]
)
def test_there_are_twelve_slices_at_most(first: int, last: int, width: int) -> None:
    found, told = starts([60 * first, 60 * last])
    assert (found, len(told) <= 12) == (width * MINUTE, True)


MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
DAYS = (1, 2, 7, 28, 84, 364)


@pytest.mark.parametrize("width", [*(m * MINUTE for m in MINUTES), *(d * DAY for d in DAYS)])
def test_slices_have_lengths_that_people_count_in(width: timedelta) -> None:
    assert starts([0, 11 * width / SECOND], FIRST)[0] == width
    smaller = [m * MINUTE for m in MINUTES] + [d * DAY for d in DAYS]
    before = [one for one in smaller if one < width]
    if before:
        assert starts([0, 12 * before[-1] / SECOND], FIRST)[0] == width


def test_one_clock_that_is_wrong_among_hundreds_is_left_out_and_two_are_not() -> None:
    assert starts([*[1] * 200, 9e8])[0] == MINUTE
    assert starts([*[1] * 200, 9e8, 9e8 + 1]) == (MINUTE, [])
