"""The numbers of a finding: a line for each part, as far as its memory reaches."""

import math
from dataclasses import replace

import pytest

from rampguard.core.findings import kept
from rampguard.core.model import Part, Verdict
from rampguard.core.reasons import Reason
from rate_scenes import ERRORS, errors_judged, look_at, watched
from scenes import HOUR, SHARE, judged, plan, told

WITHIN, BREACHED = Verdict.WITHIN_TOLERANCE, Verdict.BREACHED
OUR = plan(guardrails=(ERRORS, SHARE))
DETAILS = 1024  # characters that a finding has for them


def part(name: str = "history", words: int = 10) -> Part:
    return Part(name=name, verdict=WITHIN, counts="x" * words)


def details(*parts: Part, of: Verdict = WITHIN) -> tuple[str, ...]:
    errors = errors_judged(of, parts=parts)
    share = judged(WITHIN, parts=(part("upper"),))
    decision = watched(OUR, look_at(HOUR, errors, share))
    return decision.state.findings[-1].details


def test_a_finding_has_a_line_for_each_part_of_each_guardrail() -> None:
    assert [line.split(":")[0] for line in details(part(), part("concurrent"))] == [
        "errors history",
        "errors concurrent",
        "share upper",
    ]


def test_what_has_no_parts_has_no_line() -> None:
    assert len(details()) == 1


def test_a_breach_is_recorded_with_its_numbers() -> None:
    broken = replace(part(), verdict=BREACHED)
    assert details(broken, of=BREACHED)[0].startswith("errors history: Breached")


def test_lines_end_where_the_memory_of_a_finding_does() -> None:
    many = [part(f"p{i}", 100) for i in range(10, 30)]
    *shown, last = details(*many)
    assert len("".join((*shown, last))) <= DETAILS < len("".join((*shown, shown[0], last)))
    assert shown == [*details(*many[: len(shown)])[: len(shown)]]
    assert last == f"{len(many) + 1 - len(shown)} more left out: too long for a finding"


def test_lines_that_just_fit_are_all_kept() -> None:
    fits = DETAILS - sum(map(len, details(part(words=1)))) + 1
    assert len(details(part(words=fits))) == 2
    first, last = details(part(words=fits + 1))
    assert first.startswith("errors history")
    assert last == "1 more left out: too long for a finding"


def left_out(count: int) -> str:
    return f"{count} more left out: too long for a finding"


TWO = ("x" * 10, "y" * 50)
ROOM = 10 + len(left_out(1))  # for the first of them, and to say that one is left out
# fmt: off
KEPT: dict[str, tuple[tuple[str, ...], float, int, tuple[str, ...]]] = {
    "as many lines as may be": (TWO, math.inf, 2, TWO),
    "two lines more": (tuple("abcdef"), math.inf, 4, (*"abc", left_out(3))),
    "as many characters as may be": (TWO, 60, 2, TWO),
    "a character more": (TWO, 59, 3, (TWO[0], left_out(1))),
    "the first just fits": (TWO, ROOM, 3, (TWO[0], left_out(1))),
    "the first just does not": (TWO, ROOM - 1, 3, (left_out(2),)),
}
# fmt: on


@pytest.mark.parametrize(("lines", "characters", "most", "told"), KEPT.values(), ids=KEPT)
def test_lines_are_kept_from_the_first_on_and_the_last_counts_the_rest(
    lines, characters, most, told
) -> None:
    assert kept(lines, characters, most) == told


def test_a_note_stays_one_line() -> None:
    errors = errors_judged(WITHIN, parts=(part(words=900),))
    (note,) = told(watched(OUR, look_at(HOUR, errors, judged())), Reason.FINDING_RECORDED)
    assert "xxx" not in note.message
