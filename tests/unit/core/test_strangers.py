"""Exposures of experiments that were not asked for: counted up to a number, hiding none of ours."""

import pytest

from export_scenes import HOUR, NOON, Block, Seen, exposed, summed, tallied
from rampguard.core.analytics.record import Fault, Refusal
from rampguard.core.analytics.tally import CELLS, ELSEWHERE, KINDS, STRANGERS, Tally


def strangers(count: int) -> list[Seen]:
    return [Seen(f"s{n}", Block("list", name=f"other{n}")) for n in range(count)]


def ours(count: int) -> list[Seen]:
    return [exposed(f"u{n}", "list", rollout=str(n)) for n in range(count)]


@pytest.mark.parametrize(
    ("others", "told", "elsewhere"),
    [(STRANGERS - 1, STRANGERS - 1, 0), (STRANGERS, STRANGERS, 0), (STRANGERS + 3, STRANGERS, 3)],
)
def test_so_many_are_told_apart_and_the_rest_is_elsewhere(
    others: int, told: int, elsewhere: int
) -> None:
    tally = tallied([*strangers(others), *ours(1)], experiment="layout")
    assert len(tally.cells) == told + 1
    (span,) = tally.spans.values()
    assert len(span) == CELLS == 102
    assert (span[ELSEWHERE], span[KINDS], sum(span)) == (elsewhere, 0, others + 1)


def test_half_of_the_kinds_are_left_to_ours() -> None:
    assert STRANGERS == 50
    enough = summed([*strangers(80), *ours(50)], experiment="layout")
    assert (enough.beyond, enough.exposures) == (0, 50)
    assert len(enough.experiments) == 20  # names that are told
    more = summed([*strangers(80), *ours(53)], experiment="layout")
    assert (more.beyond, more.exposures) == (3, 50)


def test_where_no_experiment_is_asked_for_all_are_ours() -> None:
    told = summed([*strangers(60), *ours(30)])
    assert (told.beyond, told.exposures) == (0, 90)


def test_a_stranger_is_no_user_of_ours() -> None:
    tally = tallied([*strangers(3), *ours(1)], experiment="layout")
    assert (
        sum(map(len, next(iter(zip(*[u.parts() for u in tally.users.values()], strict=True))))) <= 1
    )
    assert len(tally.users) == 1


def test_refused_lines_are_inside_from_the_first_event_of_their_source_in_the_window() -> None:
    tally = Tally(since=NOON)
    for source in ("a", "b"):
        tally.begin(source)
        tally.refuse(1, Refusal(Fault.NOT_JSON))
        tally.add([Seen("old", Block("list"), at=NOON - HOUR)], [2])
        tally.refuse(3, Refusal(Fault.NOT_JSON))
        tally.add([Seen("new", Block("list"))], [4])
        tally.refuse(5, Refusal(Fault.NOT_JSON))
    assert (tally.refused, tally.refused_inside) == (6, 2)
