"""Findings: the unchangeable record at a due instant."""

from dataclasses import replace

import pytest

from rampguard.core.ask import OnFailure, PromQL
from rampguard.core.findings import MOST
from rampguard.core.model import Ended, Finding, Verdict
from rampguard.core.reasons import Reason
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T,
    judged,
    judging,
    look,
    pair,
    plan,
    soaking,
    state,
    told,
    watch,
)

WITHIN, UNSURE, BLIND, BREACHED = (
    Verdict.WITHIN_TOLERANCE,
    Verdict.INCONCLUSIVE,
    Verdict.NO_DATA,
    Verdict.BREACHED,
)
STEPPED = plan(steps=(25,))
ASKED, BREACHES = 1024, 20  # characters of queries in a finding, breaches of a ramp


def test_findings_are_recorded_when_due_and_once() -> None:
    was, found = state(soaking()), []
    for minutes in (30, 60, 61, 359, 360, 361):
        decision = watch(look(minutes * MINUTE), was=was)
        found += [minutes] if told(decision, Reason.FINDING_RECORDED) else []
        was = decision.state
    assert found == [60, 360]
    assert [f.after for f in was.findings] == [HOUR, 6 * HOUR]


def test_a_finding_holds_what_was_judged_at_its_instant() -> None:
    at = judging(HOUR, judged(UNSURE, value="49%", interval="[40%, 58%]"), judged(BLIND, value=""))
    (found,) = watch(at, after=HOUR + 11 * MINUTE).state.findings
    assert (found.after, found.at, found.share, found.verdict) == (HOUR, T + HOUR, 50, BLIND)
    assert found.evidence == "share 49% [40%, 58%]; share why"


def test_a_finding_keeps_80_characters_of_what_a_server_answered() -> None:
    at = judging(HOUR, judged(BLIND, value="", why="w" * 81))
    (found,) = watch(at, after=2 * HOUR).state.findings
    assert found.evidence == f"share {'w' * 80}"


def test_a_finding_names_its_queries_as_far_as_its_memory_reaches() -> None:
    asked = (PromQL("assignments_total"), PromQL("p95"))
    (found,) = watch(replace(look(HOUR), asked=asked)).state.findings
    assert (found.at, found.asked) == (T + HOUR, asked)
    long = (*asked, PromQL("q" * ASKED))
    (found,) = watch(replace(look(HOUR), asked=long)).state.findings
    assert found.asked == (*asked, "1 more left out: too long for a finding")


def queries(*lengths: int) -> tuple[PromQL, ...]:
    return tuple(PromQL("q" * length) for length in lengths)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (queries(ASKED - 1, 1), 2),
        (queries(ASKED, 1), 0),
        (queries(*[1] * 20), 20),
        (queries(*[1] * 21), 19),
    ],
    ids=["1024 characters", "a character more", "20 queries", "a query more"],
)
def test_a_finding_keeps_20_queries_of_1024_characters(asked, kept: int) -> None:
    (found,) = watch(replace(look(HOUR), asked=asked)).state.findings
    assert sum(query in asked for query in found.asked) == kept


def test_the_longest_ramp_has_room_for_its_findings_and_breaches() -> None:
    longest = plan(
        origin=0,
        to=100,
        steps=tuple(range(5, 55, 5)),
        findings=tuple(n * MINUTE for n in range(1, 11)),
    )
    assert sum(map(len, longest.findings)) + BREACHES == MOST


@pytest.mark.parametrize(("value", "kept"), [("x" * 506, "x" * 506), ("x" * 507, "x" * 505 + "…")])
def test_a_finding_keeps_512_characters_of_its_evidence(value: str, kept: str) -> None:
    (found,) = watch(judging(HOUR, judged(value=value))).state.findings
    assert found.evidence == f"share {kept}"
    assert len(found.evidence) == 512


@pytest.mark.parametrize(("seconds", "late"), [(15, False), (75, False), (76, True)])
def test_a_finding_two_looks_and_a_scrape_after_its_instant_is_late(seconds, late) -> None:
    decision = watch(look(HOUR), after=HOUR + seconds * SECOND)
    (found,) = decision.state.findings
    (note,) = told(decision, Reason.FINDING_RECORDED)
    assert found.late is late
    assert not note.warning
    assert note.message.startswith(f"1h finding at 50%: WithinTolerance{' (late)' * late}; ")


def test_several_findings_missed_in_an_outage_are_each_of_their_own_instant() -> None:
    decision = watch(look(HOUR), look(6 * HOUR, UNSURE), look(7 * HOUR), after=7 * HOUR)
    assert [(f.after, f.at, f.verdict, f.late) for f in decision.state.findings] == [
        (HOUR, T + HOUR, WITHIN, True),
        (6 * HOUR, T + 6 * HOUR, UNSURE, True),
    ]


def test_a_finding_without_data_waits_for_exactly_max_blind() -> None:
    at = look(HOUR, BLIND)
    assert watch(at, after=HOUR + 10 * MINUTE).state.findings == ()
    (found,) = watch(at, after=HOUR + 10 * MINUTE + SECOND).state.findings
    assert found.verdict is BLIND


def test_a_breach_at_a_due_finding_is_recorded_once() -> None:
    decision = watch(look(HOUR, BREACHED))
    assert [(f.after, f.verdict) for f in decision.state.findings] == [(HOUR, BREACHED)]
    (note,) = told(decision, Reason.FINDING_RECORDED)
    assert note.warning


def test_a_latched_breach_is_recorded_once() -> None:
    asked = plan(on_failure=OnFailure.HOLD)
    first = watch(look(2 * MINUTE, BREACHED), of=asked)
    again = watch(look(3 * MINUTE, BREACHED), of=asked, was=first.state)
    assert [(f.after, f.late) for f in again.state.findings] == [(2 * MINUTE, False)]


def recorded(breaches: int, due: int = 0) -> tuple[Finding, ...]:
    """Return so many breaches of an hour, minute by minute, and findings that were due."""
    told = Finding(after=HOUR, at=T, share=50, verdict=BREACHED, evidence="e")
    return (*(replace(told, after=HOUR * (n + 2.5)) for n in range(breaches)), *(told,) * due)


@pytest.mark.parametrize(
    ("were", "more", "left_out"),
    [
        (recorded(BREACHES - 1), 1, 0),
        (recorded(BREACHES - 1, due=1), 1, 0),
        (recorded(BREACHES), 0, 1),
        (recorded(BREACHES + 1), 0, 1),
    ],
)
def test_of_many_breaches_the_first_are_recorded_and_the_others_counted(
    were: tuple[Finding, ...], more: int, left_out: int
) -> None:
    was = state(soaking(), findings=were, unrecorded=3)
    held = plan(on_failure=OnFailure.HOLD)
    after = watch(look(30 * MINUTE, BREACHED), of=held, was=was)
    assert len(after.state.findings) == len(were) + more
    assert after.state.unrecorded == 3 + left_out
    assert len(told(after, Reason.GUARDRAIL_BREACHED)) == 1
    assert after.state.stage.judged


def test_what_is_due_is_recorded_however_many_breaches_there_were() -> None:
    was = state(soaking(), findings=recorded(BREACHES))
    assert watch(look(HOUR), was=was).state.findings[-1].after == HOUR


def test_the_end_waits_for_a_finding_without_data() -> None:
    quiet = state(soaking(accepted=("share",)))
    at = look(DAY, BLIND)
    waiting = watch(at, was=quiet, after=DAY + MINUTE)
    assert waiting.because.message.endswith("a finding waits for data")
    done = watch(at, was=quiet, after=DAY + 11 * MINUTE)
    assert isinstance(done.state.stage, Ended)


def test_a_finding_of_another_step_is_none_of_this_one() -> None:
    first = watch(look(HOUR), of=STEPPED, both=pair(25))
    (found,) = first.state.findings
    assert found.share == 25
    later = replace(first.state, stage=soaking(step=1))
    decision = watch(look(HOUR), of=STEPPED, was=later)
    assert [(f.after, f.share) for f in decision.state.findings] == [(HOUR, 25), (HOUR, 50)]
