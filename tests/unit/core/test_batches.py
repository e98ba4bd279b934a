"""What was counted in each step of the time before, and in the last two minutes."""

import pytest

from rampguard.core.ask import Arms
from rampguard.core.counting import Delta, batches, summed
from rampguard.core.model import Reading, Series
from scenes import MINUTE, T

ARMS, STEP, END = Arms("tree", "list"), 5 * MINUTE, T + 20 * MINUTE
NONE = Reading()


def series(*points: tuple[float, float], arm: str = "tree", pod: str = "a") -> Series:
    """Return a counter at minutes after T."""
    return Series({"pod": pod, "variant": arm}, tuple((T + m * MINUTE, v) for m, v in points))


def told(*found: Series, arms: Arms | None = ARMS) -> list[Reading]:
    young = frozenset({"young"})
    return list(batches(found, "variant", arms, start=T, end=END, step=STEP, young=young))


def tree(*counts: float) -> list[Reading]:
    return [Reading(control=n) for n in counts]


# fmt: off
ROWS: dict[str, tuple[tuple[Series, ...], list[Reading]]] = {
    "nothing is there": ((), [NONE] * 4),
    "a series without a point": ((Series({}, ()),), [NONE] * 4),
    "the first value is a base": ((series((0, 100)),), tree(0, 0, 0, 0)),
    "growth falls into its step": (
        (series((0, 100), (5, 101), (10, 103), (15, 107), (20, 115)),), tree(1, 2, 4, 8)),
    "a step ends with its end": (
        (series((0, 100), (4.9, 101), (5, 103), (5.1, 107)),), tree(3, 4, 0, 0)),
    "empty steps are there": ((series((0, 100), (20, 101)),), tree(0, 0, 0, 1)),
    "a restart counts whole": ((series((0, 100), (5, 7)),), tree(7, 0, 0, 0)),
    "a pod that begins later counts from 0": (
        (series((0, 100), (5, 101)), series((10, 8), pod="young")), tree(1, 8, 0, 0)),
    "a child that comes later counts from 0": (
        (series((0, 100), (5, 101)), series((10, 8), arm="list")),
        [Reading(1), Reading(0, 8), NONE, NONE]),
    "a pod that was only found later brings a base": (
        (series((0, 100), (5, 101)), series((10, 8_000), (15, 8_004), pod="b")),
        tree(1, 0, 4, 0)),
    "two that come first are both bases": (
        (series((5, 100), (10, 101)), series((5, 8), (10, 10), pod="b")), tree(0, 3, 0, 0)),
    "arms are told apart": (
        (series((0, 1), (5, 3)), series((0, 1), (5, 5), arm="list")),
        [Reading(2, 4), NONE, NONE, NONE]),
    "an arm that nobody named": (
        (series((0, 1), (5, 3), arm="new"),), [Reading(other=2), NONE, NONE, NONE]),
    "what lies before and after is left out": (
        (series((-10, 1), (-5, 3), (0, 5), (5, 9), (25, 17), (30, 33)),), tree(4, 0, 0, 0)),
}
# fmt: on


@pytest.mark.parametrize(("found", "counts"), ROWS.values(), ids=ROWS)
def test_each_step_holds_what_was_counted_in_it(found, counts) -> None:
    assert told(*found) == counts


def test_without_arms_all_is_of_none() -> None:
    found = told(series((0, 1), (5, 3)), arms=None)
    assert found == [Reading(other=2), NONE, NONE, NONE]


def test_a_step_that_is_not_whole_is_there() -> None:
    found = batches((), "variant", ARMS, start=T, end=T + 6 * MINUTE, step=STEP)
    assert found == (NONE, NONE)


DELTAS = tuple(Delta(T + m * MINUTE, arm, n) for m, arm, n in (
    (1, "tree", 1.0), (2, "tree", 2.0), (2, "list", 4.0), (3, "", 8.0), (4, "tree", 16.0),
))  # fmt: skip


@pytest.mark.parametrize(
    ("after", "until", "reading"),
    [
        (0, 9, Reading(19, 4, 8)),
        (1, 3, Reading(2, 4, 8)),
        (1, 2, Reading(2, 4)),
        (2, 2, NONE),
        (4, 9, NONE),
    ],
)
def test_a_span_holds_what_came_after_its_start_up_to_its_end(after, until, reading) -> None:
    assert summed(DELTAS, ARMS, T + after * MINUTE, T + until * MINUTE) == reading
