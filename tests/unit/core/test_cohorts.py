"""Users by their first exposure, and who of them had an event soon after it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_scenes import HOUR, MINUTE, NOON, SECOND, START, Block, Seen
from rampguard.core.analytics import Cohorts, Followed
from rampguard.core.analytics.cohorts import BINS
from rampguard.core.counting import MOST as MOST_BINS
from rampguard.core.export import Bin, Recount

SOON = 2 * MINUTE
ORIGIN = NOON - 24 * HOUR
FOLLOWED = Followed(
    uid="u", experiment="layout", arms=("tree", "list"), events=(START,), soon=SOON, origin=ORIGIN
)
END = NOON + HOUR
WANTED = Recount(number=1, origin=ORIGIN, since=NOON, until=END, at=END, size=15 * MINUTE)
LAST = [Seen("watcher", Block("tree", "cookie"), at=END), Seen("other", None, "clicked", at=END)]


def exposed(user: str | int, arm: str = "tree", at: timedelta = MINUTE, **block: object) -> Seen:
    return Seen(user, Block(arm, **block), at=NOON + at)


def started(user: str | int, at: timedelta = 2 * MINUTE, name: str = START) -> Seen:
    return Seen(user, None, name, at=NOON + at)


def cohorts(events: Iterable[Seen], followed: Followed = FOLLOWED, **most: int) -> Cohorts:
    found = Cohorts(followed, **most)
    found.add(events, END)
    return found


def bins(events: Iterable[Seen], wanted: Recount = WANTED) -> tuple[Bin, ...]:
    """Return the bins of an export that reaches until END."""
    return cohorts([*events, *LAST]).count(wanted)[1][START]


def first(*events: Seen) -> Bin:
    return bins(events)[0]


def test_users_are_counted_by_arm_and_by_what_they_did_soon_after() -> None:
    told = first(exposed("a"), started("a"), exposed("b"), exposed("c", "list"), started("c"))
    assert told == Bin(control=2, treatment=1, control_hits=1, treatment_hits=1)


def test_a_user_counts_once_however_often_they_came_and_did_it() -> None:
    again = [exposed("a", at=n * MINUTE) for n in range(1, 5)]
    acts = [started("a", at=MINUTE + n * SECOND) for n in range(50)]
    assert first(*again, *again, *acts, *acts) == Bin(control=1, control_hits=1)


@pytest.mark.parametrize(
    ("at", "hit"),
    [
        (MINUTE - SECOND / 1000, 0),
        (MINUTE, 1),
        (3 * MINUTE, 1),
        (3 * MINUTE + SECOND / 1000, 0),
    ],
)
def test_soon_is_from_the_exposure_on_and_no_longer_than_said(at: timedelta, hit: int) -> None:
    assert first(exposed("a"), started("a", at=at)).control_hits == hit


def test_earlier_events_do_not_hide_one_soon_after() -> None:
    """Whoever does something often is not one who never does it."""
    early = [started("a", at=-n * 5 * MINUTE) for n in range(200)]
    assert first(exposed("a"), *early, started("a")).control_hits == 1
    assert first(exposed("a"), *early, started("a", at=4 * MINUTE)).control_hits == 0
    assert first(*early, started("a"), exposed("a")).control_hits == 1


def test_events_that_can_count_no_more_take_no_room() -> None:
    """A first exposure only ever moves to an earlier time: what comes after it is over."""
    later = [started("a", at=n * 5 * MINUTE) for n in range(1, 9)]
    assert cohorts([exposed("a"), *later], most=1).one_in == 1
    assert cohorts([*later, exposed("a")], most=1).one_in == 1
    assert cohorts([exposed("a"), started("a")], most=2).one_in > 1
    assert cohorts(later, most=9).one_in == 1
    assert cohorts(later, most=8).one_in > 1


def test_events_close_to_each_other_are_one() -> None:
    close = [started("a", at=n * MINUTE) for n in range(50)]
    apart = [started("a", at=n * (SOON + SECOND)) for n in range(3)]
    assert cohorts(close, most=2).one_in == 1
    assert cohorts(apart, most=4).one_in == 1
    assert cohorts(apart, most=3).one_in > 1


def test_only_the_events_that_were_asked_for_count() -> None:
    assert first(exposed("a"), started("a", name="clicked")).control_hits == 0


def test_each_event_has_its_own_bins() -> None:
    followed = replace(FOLLOWED, events=(START, "clicked"))
    events = [exposed("a"), started("a"), exposed("b"), started("b"), started("b", name="clicked")]
    _, told = cohorts([*events, *LAST], followed).count(WANTED)
    assert told[START][0] == Bin(control=2, control_hits=2)
    assert told["clicked"][0] == Bin(control=2, control_hits=1)


@pytest.mark.parametrize(
    "before",
    [
        exposed("a", at=-HOUR),
        exposed("a", "list", at=-23 * HOUR),
        exposed("a", source="cookie", at=SECOND),
        exposed("a", "neither", at=SECOND),
    ],
)
def test_a_user_who_was_exposed_before_is_not_new(before: Seen) -> None:
    assert first(before, exposed("a"), started("a")) == Bin()


def test_a_user_is_of_the_arm_of_the_first_exposure() -> None:
    told = first(exposed("a", at=2 * MINUTE), exposed("a", "list"), started("a"))
    assert told == Bin(treatment=1, treatment_hits=1)


def test_a_drawn_arm_counts_before_a_cookie_of_the_same_instant() -> None:
    assert first(exposed("a", source="cookie"), exposed("a")) == Bin(control=1)


def test_what_is_older_than_the_origin_is_not_known() -> None:
    assert first(Seen("a", Block("tree"), at=ORIGIN - SECOND), exposed("a")) == Bin(control=1)


@pytest.mark.parametrize("other", [Block("tree", name="another"), None])
def test_exposures_to_something_else_are_none(other: Block | None) -> None:
    strange = Seen("a", other, at=NOON + MINUTE)
    assert first(strange) == Bin()
    assert cohorts([strange, LAST[1]]).reach is None


def test_a_number_and_its_digits_are_one_user() -> None:
    assert first(exposed(5), started("5")) == Bin(control=1, control_hits=1)
    assert first(exposed(-1), exposed(-2)) == Bin(control=2)


def test_users_are_binned_by_their_exposure() -> None:
    told = bins([exposed("a", at=timedelta(0)), exposed("b", at=15 * MINUTE), started("b")])
    assert told == (Bin(control=1), Bin(control=1), Bin(), Bin())


@pytest.mark.parametrize(
    ("at", "last"), [(HOUR - SOON, Bin()), (HOUR - SOON - SECOND, Bin(control=1))]
)
def test_a_user_counts_once_all_that_may_count_is_there(at: timedelta, last: Bin) -> None:
    end, _ = cohorts(LAST).count(WANTED)
    assert end == END - SOON
    assert bins([exposed("a", at=at)])[-1] == last


def test_of_the_two_ways_that_records_come_the_slower_counts() -> None:
    slow = Seen("b", None, "clicked", at=NOON + 10 * MINUTE)
    found = cohorts([exposed("a"), LAST[0], slow])
    assert found.reach == NOON + 10 * MINUTE
    assert found.count(WANTED) == (NOON + 8 * MINUTE, {START: (Bin(control=1),)})


@pytest.mark.parametrize("only", [0, 1])
def test_an_export_of_exposures_or_of_other_events_alone_says_nothing(only: int) -> None:
    found = cohorts([exposed("a"), LAST[0]] if only == 0 else [started("a"), LAST[1]])
    assert found.reach is None
    assert found.count(WANTED) == (None, {START: ()})


def test_an_export_that_does_not_reach_into_a_soak_counts_nobody() -> None:
    soon = [Seen(e.user, e.experiment, e.name, at=NOON + SOON) for e in LAST]
    assert cohorts([exposed("a"), *soon]).count(WANTED) == (None, {START: ()})


def test_records_of_the_future_do_not_say_that_the_export_is_there() -> None:
    later = [Seen(e.user, e.experiment, e.name, at=END + SECOND) for e in LAST]
    assert cohorts([exposed("a"), started("a"), *later]).reach == NOON + MINUTE
    # Once it is later they count as any other.
    assert cohorts([exposed("b", at=END - NOON + SECOND)]).count(WANTED) == (None, {START: ()})


def test_nobody_counts_who_came_in_an_outage() -> None:
    lost = replace(WANTED, outages=((NOON + MINUTE, NOON + 2 * MINUTE),))
    events = [exposed(str(n), at=n * MINUTE) for n in range(4)]
    assert bins(events, lost)[0] == Bin(control=3)


def test_a_soak_that_is_held_for_long_has_no_more_bins() -> None:
    short = replace(WANTED, size=SECOND)
    told = bins([exposed("a", at=50 * MINUTE), exposed("b", at=55 * MINUTE)], short)
    assert len(told) == BINS
    assert told[-1] == Bin(control=2)


def crowd(many: int) -> list[Seen]:
    arms = ("tree", "list")
    exposures = [exposed(f"u{n}", arms[n % 2], SECOND * (n % 600)) for n in range(many)]
    return exposures + [started(f"u{n}", SECOND * (n % 600 + 9)) for n in range(0, many, 3)]


def test_of_too_many_users_a_sample_is_counted() -> None:
    found = cohorts([*crowd(8000), *LAST], most=2000)
    assert found.one_in == 8
    (_, told) = found.count(WANTED)
    users = told[START][0].control + told[START][0].treatment
    hits = told[START][0].control_hits + told[START][0].treatment_hits
    assert 900 < users < 1100
    assert 0.25 < hits / users < 0.42


def test_a_sample_is_the_same_whoever_takes_it_and_when() -> None:
    events = crowd(4000)
    once = cohorts([*events, *LAST], most=2000)
    slowly = Cohorts(FOLLOWED, 2000)
    Random(7).shuffle(events)  # noqa: S311 - no secret
    for n in range(0, len(events), 100):
        slowly.add(events[n : n + 100], END)
    slowly.add(LAST, END)
    assert (slowly.one_in, slowly.count(WANTED)) == (once.one_in, once.count(WANTED))


def test_as_many_as_there_is_room_for_are_no_sample() -> None:
    two = [exposed("a"), started("a")]
    assert cohorts(two, most=3).one_in == 1
    assert cohorts(two, most=2).one_in > 1


instants = st.integers(-30, 50).map(lambda minutes: minutes * MINUTE)
exposures = st.builds(
    exposed,
    st.sampled_from("abc"),
    st.sampled_from(["tree", "list", "neither"]),
    instants,
    source=st.sampled_from(["assignment", "cookie"]),
)
records = st.lists(st.one_of(exposures, st.builds(started, st.sampled_from("abc"), instants)))


@given(records, st.randoms(use_true_random=False))
def test_records_may_come_in_any_order_and_twice(events: list[Seen], chance: Random) -> None:
    other = [*events, *(one for one in events if chance.random() < 0.5)]
    chance.shuffle(other)
    assert bins(other) == bins(events)


@given(records)
def test_users_are_counted_as_one_would_count_them_by_hand(events: list[Seen]) -> None:
    assert sum(map(sum, bins(events))) == sum(map(sum, by_hand(events)))


def by_hand(events: list[Seen]) -> Iterable[tuple[int, int]]:
    """Yield 1 for each new user, and 1 if they had the event."""
    for user in "abc":
        seen = [e for e in events if e.user == user and e.experiment]
        if not seen:
            continue
        earliest = min(e.at for e in seen)
        firsts = [e for e in seen if e.at == earliest]
        drawn = [e for e in firsts if e.experiment and e.experiment.source != "cookie"]
        arms = {e.experiment.arm for e in drawn if e.experiment}
        if earliest < NOON or not arms & {"tree", "list"}:
            continue
        acts: list[datetime] = [e.at for e in events if e.user == user and e.name == START]
        yield 1, any(earliest <= act <= earliest + SOON for act in acts)


def test_all_who_were_exposed_are_known_new_or_not() -> None:
    before = exposed("b", at=-HOUR)
    assert cohorts([exposed("a"), exposed("a"), before, started("c"), *LAST]).known == 3


def hit_at(*exposures: timedelta) -> list[int]:
    """Say at which exposures a user with four events counts as one who had it."""
    acts = [started("a", at=n * MINUTE) for n in (0, 10, 12, 11)]
    counts = [
        [first(exposed("a", at=at), *acts).control_hits for at in exposures],
        [first(*acts, exposed("a", at=at)).control_hits for at in exposures],
        [first(*acts[::-1], exposed("a", at=at)).control_hits for at in exposures],
    ]
    assert counts[0] == counts[1] == counts[2]
    return counts[0]


def test_an_event_covers_the_exposures_that_it_is_soon_after() -> None:
    tick = SECOND / 1000
    assert hit_at(0 * MINUTE, tick, 5 * MINUTE, 8 * MINUTE - tick) == [1, 0, 0, 0]
    assert hit_at(8 * MINUTE, 10 * MINUTE, 12 * MINUTE, 12 * MINUTE + tick) == [1, 1, 1, 0]


def test_an_event_within_what_others_cover_adds_nothing() -> None:
    close = [started("a", at=n * MINUTE) for n in (0, 2, 4, 6, 3, 1, 6)]
    for most, events in ((2, close), (2, close[::-1])):
        assert cohorts(events, most=most).one_in == 1
    told = first(exposed("a", at=5 * MINUTE), *close)
    assert told == Bin(control=1, control_hits=1)


def test_spans_that_touch_are_one_and_others_are_not() -> None:
    touching = [started("a", at=0 * MINUTE), started("a", at=SOON)]
    apart = [*touching, started("a", at=9 * MINUTE), started("a", at=10 * MINUTE)]
    assert cohorts(touching, most=2).one_in == 1
    assert cohorts(apart, most=3).one_in == 1
    assert cohorts(apart, most=2).one_in > 1


def test_in_a_soak_of_days_the_bins_go_on() -> None:
    end = NOON + 50 * HOUR
    long = replace(WANTED, until=end, size=HOUR)
    found = Cohorts(FOLLOWED)
    last = [Seen(e.user, e.experiment, e.name, at=end) for e in LAST]
    found.add([exposed("a", at=25 * HOUR), *last], end)
    (_, told) = found.count(long)
    assert [n for n, one in enumerate(told[START]) if one.control] == [25]


def test_there_are_as_many_bins_as_the_users_fill() -> None:
    tick = SECOND / 1000
    for end, many in ((30 * MINUTE, 2), (30 * MINUTE + tick, 3), (30 * MINUTE - tick, 2)):
        last = [Seen(e.user, e.experiment, e.name, at=NOON + end + SOON) for e in LAST]
        _, told = cohorts(last).count(WANTED)
        assert len(told[START]) == many
    assert BINS == MOST_BINS


@pytest.mark.parametrize("name", ["another", "zebra"])
def test_the_experiment_is_told_by_its_whole_name(name: str) -> None:
    assert first(Seen("a", Block("tree", name=name), at=NOON + MINUTE)) == Bin()


def test_any_source_but_a_cookie_is_a_draw() -> None:
    assert first(exposed("a", source="server")) == Bin(control=1)
    assert first(exposed("a", source="")) == Bin(control=1)


def test_of_the_origin_itself_a_record_counts() -> None:
    assert first(Seen("a", Block("tree"), at=ORIGIN), exposed("a")) == Bin()


def test_outages_are_from_their_start_to_before_their_end() -> None:
    lost = replace(WANTED, outages=((NOON + MINUTE, NOON + 4 * MINUTE),))
    for minute, users in ((0, 1), (1, 0), (2, 0), (3, 0), (4, 1), (9, 1)):
        assert bins([exposed("a", at=minute * MINUTE)], lost)[0] == Bin(control=users)


def test_who_comes_after_the_end_is_not_counted_yet() -> None:
    late = exposed("late", at=HOUR - SOON + SECOND)
    assert sum(map(sum, bins([late]))) == 0
    slow = Seen("b", None, "clicked", at=NOON - HOUR)
    assert cohorts([exposed("a"), LAST[0], slow]).count(WANTED) == (None, {START: ()})


def test_the_latest_record_says_how_far_an_export_is() -> None:
    earlier = [Seen(e.user, e.experiment, e.name, at=NOON) for e in LAST]
    for events in ([*LAST, *earlier], [*earlier, *LAST]):
        assert cohorts(events).reach == END


def test_the_arms_of_users_who_had_the_event_are_kept_apart() -> None:
    told = first(exposed("a"), exposed("b", "list"), started("b"))
    assert told == Bin(control=1, treatment=1, control_hits=0, treatment_hits=1)
    told = first(exposed("a"), started("a"), exposed("b", "list"))
    assert told == Bin(control=1, treatment=1, control_hits=1, treatment_hits=0)
