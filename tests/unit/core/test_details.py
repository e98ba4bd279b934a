"""The numbers of a finding: a line for each part, as far as its memory reaches."""

from dataclasses import replace

from rampguard.core.model import Part, Verdict
from rampguard.core.reasons import Reason
from rampguard.core.soak import DETAILS
from rate_scenes import ERRORS, errors_judged, look_at, watched
from scenes import HOUR, SHARE, judged, plan, told

WITHIN, BREACHED = Verdict.WITHIN_TOLERANCE, Verdict.BREACHED
OUR = plan(guardrails=(ERRORS, SHARE))


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
    many = [part(f"p{i}", 100) for i in range(30)]
    found = details(*many)
    assert len("".join(found)) <= DETAILS
    assert len("".join((*found, found[0]))) > DETAILS
    assert found == details(*many[: len(found)])[: len(found)]


def test_a_note_stays_one_line() -> None:
    errors = errors_judged(WITHIN, parts=(part(words=900),))
    (note,) = told(watched(OUR, look_at(HOUR, errors, judged())), Reason.FINDING_RECORDED)
    assert "xxx" not in note.message
