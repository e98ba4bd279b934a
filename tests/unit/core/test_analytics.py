"""What an export comes to: events as facts, tallied and summed up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

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
from rampguard.core.analytics.growth import growth
from rampguard.core.analytics.tally import KINDS, LENGTHS, SHOWN, SPANS, TIDY
from rampguard.core.analytics.users import LAST_BITS, PARTS, SPARE, Events, Users


def test_an_arm_is_told_by_exposures_users_starts_and_other_events() -> None:
    tree = Block("tree")
    found = summed(
        [
            exposed("mia", "tree"),
            exposed("mia", "tree"),
            exposed("mia", "tree", "cookie"),
            exposed("noa", "tree", "cookie"),
            Seen("mia", tree, START),
            Seen("noa", tree, START),
            Seen("noa", tree, "page_seen"),
            exposed("oli", "list"),
        ]
    )
    one, other = found.arms
    assert (one.arm, one.exposures, one.by_cookie, one.users, one.new_users) == ("tree", 4, 2, 2, 1)
    assert (one.session_starts, one.other_events) == (2, 1)
    assert (other.arm, other.exposures, other.users, other.session_starts) == ("list", 1, 1, 0)
    assert (found.records, found.exposures, found.valid) == (8, 5, True)


ATTRIBUTED = {
    "by the block, whatever the exposures say": ([exposed("a", "list")], "tree", (1, 0, 0)),
    "by the exposure, where there is no block": ([exposed("a", "list")], None, (0, 1, 0)),
    "by a cookie's exposure as well": ([exposed("a", "tree", "cookie")], None, (1, 0, 0)),
    "to nobody, of a user without exposure": ([exposed("b", "tree")], None, (0, 0, 1)),
    "to nobody, of a user in both arms": (
        [exposed("a", "tree"), exposed("a", "list")],
        None,
        (0, 0, 1),
    ),
    "to nobody, where there is no exposure at all": ([], None, (0, 0, 1)),
}


@pytest.mark.parametrize("first", ["starts", "exposures"])
@pytest.mark.parametrize(("seen", "arm", "told"), ATTRIBUTED.values(), ids=ATTRIBUTED)
def test_a_session_start_is_attributed(
    seen: list[Seen], arm: str | None, told: tuple[int, int, int], first: str
) -> None:
    start = Seen("a", Block(arm) if arm else None, START)
    found = summed([start, *seen] if first == "starts" else [*seen, start])
    starts = tuple(one.session_starts for one in found.arms)
    assert (*starts, found.armless_starts) == told


def test_a_user_starts_several_sessions() -> None:
    events = [Seen("a", None, START)] * 3 + [exposed("a", "list")]
    assert summed(events).arms[1].session_starts == 3


def test_an_event_without_a_block_is_of_no_arm() -> None:
    found = summed([exposed("a", "tree"), Seen("a", None, "page_seen")])
    assert (found.armless, [one.other_events for one in found.arms]) == (1, [0, 0])


def test_another_event_can_be_the_session_start() -> None:
    events = [exposed("a", "tree"), Seen("a", Block("tree"), "lesson_begun")]
    assert summed(events, session_start="lesson_begun").arms[0].session_starts == 1
    assert summed(events).arms[0].other_events == 1


def test_users_in_both_arms_are_told_and_left_out_of_the_test_where_new_in_both() -> None:
    events = [*crowd(10, 10), exposed("x", "list"), exposed("x", "tree")]
    events += [exposed("y", "list"), exposed("y", "tree", "cookie")]
    found = summed(events)
    assert (found.in_both, found.valid) == (2, True)
    assert (found.growths[0].treatment, found.growths[0].control) == (11, 10)


def test_three_arms_are_counted_and_not_tested() -> None:
    events = [exposed("a", "tree"), exposed("b", "list"), exposed("b", "grid")]
    found = summed(events, Asked(arms=("tree", "list", "grid")))
    assert [one.users for one in found.arms] == [1, 1, 1]
    assert (found.in_both, found.growths, found.all_exposures, found.valid) == (1, (), None, True)


def test_arms_that_nobody_named_are_shown_as_they_came() -> None:
    found = summed([exposed("a", "list"), exposed("b", "tree")], Asked())
    assert [one.arm for one in found.arms] == ["list", "tree"]
    assert (found.growths, found.silent, found.valid) == ((), (), True)


def test_an_expected_arm_without_exposures_is_silent() -> None:
    found = summed([exposed("a", "tree"), Seen("b", Block("list"), START)])
    assert (found.silent, found.valid) == (("list",), False)


def test_an_export_without_exposures_is_not_valid() -> None:
    found = summed([Seen("a", Block("tree"), START)], Asked())
    assert (found.exposures, found.valid, found.slices) == (0, False, ())
    nothing = summed([])
    assert (nothing.since, nothing.until, nothing.all_exposures) == (None, None, None)


# --- growth --------------------------------------------------------------------------------------


GROWN = {
    "even": (crowd(500, 500), None, [(0.5, 500, 500, True)]),
    "too few in treatment": (crowd(400, 600), None, [(0.5, 400, 600, False)]),
    "too many in treatment": (crowd(600, 400), None, [(0.5, 600, 400, False)]),
    "uneven as it should be": (crowd(100, 900, rollout=10), None, [(0.1, 100, 900, True)]),
    "the rollout as a string": (crowd(50, 50, rollout="50"), None, [(0.5, 50, 50, True)]),
    "one value written in several ways": (
        crowd(5, 5, rollout=50) + crowd(5, 5, rollout="50.0"),
        None,
        [(0.5, 10, 10, True)],
    ),
    "each rollout for itself": (
        crowd(100, 900, rollout=10) + crowd(500, 500, rollout=50),
        None,
        [(0.1, 100, 900, True), (0.5, 500, 500, True)],
    ),
    "a share that is asked for counts for all": (
        crowd(100, 900, rollout=10) + crowd(500, 500, rollout=50),
        0.3,
        [(0.3, 600, 1400, True)],
    ),
    "cookies do not count": (
        crowd(500, 500) + crowd(0, 900, source="cookie"),
        None,
        [(0.5, 500, 500, True)],
    ),
    "no rollout that is a percentage": (crowd(5, 5, "half") + crowd(5, 5, 101), None, []),
    "a rollout beyond all numbers": (crowd(1, 1, 10**400), None, []),
    "cookies alone": (crowd(5, 5, source="cookie"), None, []),
    "at 0 nobody is treated": (crowd(0, 900, rollout=0), None, [(0.0, 0, 900, True)]),
    "at 0 somebody is": (crowd(30, 900, rollout=0), None, [(0.0, 30, 900, False)]),
    "at 100 everybody is": (crowd(900, 0, rollout=100), None, [(1.0, 900, 0, True)]),
    "other arms alone": ([exposed("a", "grid")], None, []),
}


@pytest.mark.parametrize(("events", "share", "told"), GROWN.values(), ids=GROWN)
def test_growth_is_tested_against_the_odds(
    events: list[Seen], share: float | None, told: list[tuple[float, int, int, bool]]
) -> None:
    found = summed(events, replace(ARMS, share=share))
    assert [(g.expected, g.treatment, g.control, g.in_line) for g in found.growths] == told


def test_arms_out_of_line_are_invalid_only_against_a_share_that_is_asked_for() -> None:
    events = crowd(300, 700)
    assert (summed(events).in_line, summed(events).valid) == (False, True)
    assert not summed(events, replace(ARMS, share=0.5)).valid
    assert summed(events, replace(ARMS, share=0.3)).valid


def test_an_interval_holds_what_was_seen_and_agrees_with_the_test() -> None:
    one = growth(0.5, 450, 550)
    assert one.interval.low < 0.45 < one.interval.high
    assert (one.total, one.in_line) == (1000, one.interval.low < 0.5 < one.interval.high)


def test_the_share_of_all_exposures_is_told_with_what_is_due_under_cookies() -> None:
    events = crowd(50, 50) + crowd(30, 270, source="cookie") + [exposed("z", "grid")]
    told = summed(events).all_exposures
    assert told is not None
    assert (told.exposures, told.by_cookie, told.cookies) == (400, 300, 0.1)
    assert (told.share, told.expected) == (80 / 400, (100 * 0.5 + 30) / 400)
    asked = summed(events, replace(ARMS, share=0.1)).all_exposures
    assert asked is not None
    assert asked.expected == (100 * 0.1 + 30) / 400


def test_without_a_rollout_nothing_is_due_and_without_cookies_there_is_no_share_of_them() -> None:
    told = summed(crowd(5, 5, "half")).all_exposures
    assert told is not None
    assert (told.share, told.expected, told.cookies, told.by_cookie) == (0.5, None, None, 0)


# --- several experiments -------------------------------------------------------------------------


def test_two_experiments_are_not_one() -> None:
    events = [exposed("a", "tree"), Seen("b", Block("blue", name="colour"))]
    events += [Seen("b", Block("blue", name="colour"), START)]
    mixed = summed(events, Asked())
    assert (mixed.mixed, mixed.experiment, mixed.valid) == (True, "", False)
    assert mixed.experiments == (("layout", 1), ("colour", 1))
    chosen = summed(events, Asked(), experiment="layout")
    assert (chosen.mixed, chosen.experiment, chosen.valid) == (False, "layout", True)
    assert [(one.arm, one.users, one.session_starts) for one in chosen.arms] == [("tree", 1, 0)]
    other = summed(events, Asked(), experiment="colour")
    assert [(one.arm, one.session_starts) for one in other.arms] == [("blue", 1)]


# --- time ----------------------------------------------------------------------------------------


WINDOWS = {
    "no window": ({}, 4),
    "from an instant on": ({"since": NOON + 60 * SECOND}, 3),
    "until before an instant": ({"until": NOON + 60 * SECOND}, 1),
    "between": ({"since": NOON + 1 * SECOND, "until": NOON + 61.5 * SECOND}, 2),
    "in another zone": ({"since": datetime(2026, 11, 24, 14, 1, tzinfo=timezone(2 * HOUR))}, 3),
}


@pytest.mark.parametrize(("window", "inside"), WINDOWS.values(), ids=WINDOWS)
def test_a_window_leaves_out_what_is_outside(window: dict[str, datetime], inside: int) -> None:
    found = summed(at(0, 60, 61, 62), Asked(), **window)
    assert (found.exposures, found.outside, found.records) == (inside, 4 - inside, 4)
    assert found.arms[0].users == inside


def test_times_no_clock_has_are_outside_every_window() -> None:
    strange = [
        datetime.min.replace(tzinfo=timezone(14 * HOUR)),
        datetime.max.replace(tzinfo=timezone(-14 * HOUR)),
    ]
    found = summed([Seen("a", Block("tree"), at=one) for one in strange] + at(0), Asked())
    assert (found.outside, found.exposures, found.since, found.until) == (2, 1, NOON, NOON)


def test_records_out_of_order_are_counted_with_their_lines() -> None:
    tally = tallied(at(0, 10, 3, 200, 100, 201))
    back = summary(tally, ARMS, LATER).backwards
    assert (back.count, back.furthest) == (2, 100 * SECOND)
    assert [one.line for one in back.places] == [3, 5]
    assert sum(summed(at(0, 10, 3, 200, 100, 201), Asked()).slices[0].exposures) == 3


def test_only_the_first_lines_out_of_order_are_named() -> None:
    found = summed(at(*range(100, 0, -1)), Asked())
    assert (found.backwards.count, len(found.backwards.places)) == (99, SHOWN)
    assert (found.since, found.until) == (NOON + SECOND, NOON + 100 * SECOND)


def test_another_source_may_begin_earlier() -> None:
    tally = Tally()
    for name in ("one.jsonl", "two.jsonl"):
        tally.begin(name)
        tally.add(at(0, 10, 5), [1, 2, 7])
    assert [(p.source, p.line) for p in tally.backwards.places] == [
        ("one.jsonl", 7),
        ("two.jsonl", 7),
    ]


def test_exposures_of_a_time_to_come_are_told() -> None:
    found = summary(tallied(at(0, 7200)), Asked(), NOON + HOUR)
    assert (found.ahead, found.exposures) == (1, 2)


SLICED = {
    "a minute": ([0, 30, 59], MINUTE, [3]),
    "minutes": ([0, 60, 660], MINUTE, [1, 1, *[0] * 9, 1]),
    "more than an hour": ([0, 3600, 4000], 10 * MINUTE, [1, *[0] * 5, 2]),
    "days": ([0, 8 * 86400], DAY, [1, *[0] * 7, 1]),
    "centuries": ([0, 86400 * 36500], None, []),
    "a single wrong clock at each end": (
        [-86400 * 900, *[1] * 200, *[90] * 50, 86400 * 9000],
        MINUTE,
        [200, 50],
    ),
    "a few wrong clocks among thousands": (
        [*[1] * 9000, *[90] * 500, *[9e8] * 9],
        MINUTE,
        [9000, 500],
    ),
    "all of a few": ([0, *[60] * 99], MINUTE, [1, 99]),
}


@pytest.mark.parametrize(("seconds", "width", "counts"), SLICED.values(), ids=SLICED)
def test_new_exposures_are_shown_in_a_few_slices(
    seconds: list[float], width: timedelta | None, counts: list[int]
) -> None:
    found = summed(at(*seconds), Asked())
    assert [one.exposures for one in found.slices] == [(count,) for count in counts]
    if width:
        assert found.width == width
        assert found.slices[0].start <= NOON + max(0, seconds[0]) * SECOND


def test_slices_are_of_new_exposures_alone() -> None:
    found = summed([*crowd(2, 1), *crowd(0, 9, source="cookie")])
    assert [one.exposures for one in found.slices] == [(1, 2)]
    assert summed(crowd(0, 9, source="cookie")).slices == ()


def test_a_long_export_is_kept_in_longer_spans_without_losing_any() -> None:
    tally = Tally()
    block = Block("tree")
    for n in range(0, 3 * SPANS, 100):
        events = [Seen("u", block, at=NOON + i * HOUR) for i in range(n, n + 100)]
        tally.add(events, range(100))
    assert (tally.width, len(tally.spans)) == (DAY, 3 * SPANS // 24 + 1)
    found = summary(tally, Asked(), LATER)
    assert found.exposures == 3 * SPANS
    shown = sum(one.exposures[0] for one in found.slices)
    assert shown >= 0.998 * 3 * SPANS  # the ends may be rare


def test_spans_do_not_grow_beyond_the_longest() -> None:
    events = [Seen("u", Block("tree"), at=datetime(1970, 1, 1, tzinfo=UTC) + n * 29 * DAY)
              for n in range(12_000)]  # fmt: skip
    tally = tallied(events)
    assert (tally.width, len(tally.spans) <= 13_500) == (LENGTHS[-1], True)
    assert summary(tally, Asked(), LATER).exposures == 12_000


# --- what is refused -----------------------------------------------------------------------------


def test_an_exposure_without_its_block_is_refused_where_it_stands() -> None:
    tally = tallied([exposed("a", "tree"), Seen("b"), Seen("c", None, "page_seen")])
    told = summary(tally, Asked(), LATER)
    assert (told.records, told.refused, told.valid) == (2, 1, False)
    (one,) = told.first_refused
    assert (one.place.line, one.refusal.words) == (2, "experiment is missing")


def test_it_is_refused_outside_the_window_as_well() -> None:
    tally = tallied([exposed("a", "tree"), Seen("b", None, "page_seen"), Seen("c")], until=NOON)
    assert (tally.read, tally.outside, tally.refused) == (2, 2, 1)
    assert tally.first_refused[0].place.line == 3


def test_lines_are_named_up_to_a_number_and_counted_beyond() -> None:
    tally = Tally()
    for line in range(50):
        tally.refuse(line, Refusal(Fault.NOT_JSON if line % 5 else Fault.TOO_LONG))
    told = summary(tally, Asked(), LATER)
    assert (told.refused, len(told.first_refused)) == (50, SHOWN)
    assert [(why.fault, count) for why, count in told.reasons] == [("NotJSON", 40), ("TooLong", 10)]


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_words(fault: Fault) -> None:
    assert Refusal(fault).words.startswith("the line ")
    assert Refusal(fault, "user_id").words.startswith("user_id ")


def test_kinds_without_end_are_not_kept() -> None:
    events = [exposed(f"u{n}", f"arm{n}") for n in range(KINDS + 50)]
    events += [Seen("u", Block(f"arm{n}"), "page_seen") for n in range(2 * KINDS)]
    tally = tallied(events)
    told = summary(tally, Asked(), LATER)
    assert (len(tally.cells), len(tally.others) <= KINDS + 1) == (KINDS, True)
    assert (told.exposures, sum(one.other_events for one in told.arms)) == (
        KINDS,
        KINDS - 2,
    )
    assert (told.beyond, told.valid) == (50 + KINDS + 2, False)


# --- users ---------------------------------------------------------------------------------------


def test_users_are_counted_once_in_8_bytes_each() -> None:
    users = Users()
    every = [n * 0x9E3779B97F4A7C15 % 2**63 for n in range(6 * SPARE * PARTS // 8)]
    for _ in range(6):
        for one in every:
            users.into[one & LAST_BITS](one)
        users.tidy()
    kept = sum(map(len, users._parts))
    assert kept <= 2 * len(every) + 2 * SPARE * PARTS
    assert sum(map(len, users.parts())) == len(every)
    for _ in range(3):
        users.tidy()


def test_a_tally_is_tidied_as_it_grows() -> None:
    tally = Tally()
    again = [exposed("u", "tree")] * 1000
    for _ in range(1 + TIDY // len(again)):
        tally.add(again, range(len(again)))
    (users,) = tally.users.values()
    assert sum(map(len, users._parts)) < len(again)
    assert summary(tally, ARMS, LATER).arms[0].users == 1


def test_what_a_user_did_is_added_up() -> None:
    events, rounds, many = Events(), 40, 20_000
    for _ in range(rounds):
        for user in range(many):
            events.append(user * 7)
        events.tidy(at_least=many)
    assert sum(map(len, events._users)) < 2 * many + SPARE * PARTS
    events.append(7)
    events.tidy()
    told = [part for part in events.parts() if part]
    assert sum(map(len, told)) == many
    counts = {user: count for part in told for user, count in part.items()}
    assert (counts.pop(7), set(counts.values())) == (rounds + 1, {rounds})
