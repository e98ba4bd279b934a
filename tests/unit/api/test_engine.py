"""The line that remembers everything stays within what the schema of the status takes."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

import scenes as s
from rampguard.api import engine
from rampguard.api.status import LARGEST, LONGEST_MEMORY, NO_ROOM, to_status
from rampguard.core.ask import EnvValue, GuardrailType, PromQL
from rampguard.core.decide import LINES
from rampguard.core.findings import ASKED, DETAILS, EVIDENCE, MOST, evidence_text
from rampguard.core.guardrails import WORDS
from rampguard.core.links import MOST as MOST_LINKS
from rampguard.core.links import ROOM, Link
from rampguard.core.model import (
    Baseline,
    Because,
    Evidence,
    Finding,
    Judgement,
    Line,
    Original,
    Part,
    Phase,
    Phi,
    Reading,
    RollbackRecord,
    Soaked,
    Soaking,
    State,
    Verdict,
)
from rampguard.core.moves import TOLD
from rampguard.core.notices import DETAILS as DETAILS_OF_A_NOTICE
from rampguard.core.notices import MOST_UNHEARD, QUERIES, TEXT
from rampguard.core.outbox import MOST as MOST_LETTERS
from rampguard.core.outbox import WHY, Kind, Letter, Notice, Recipient
from rampguard.core.preconditions import VOUCHED
from rampguard.core.reasons import Reason
from rampguard.core.view import StatusView

GUARDRAILS, TARGETS = 10, 10  # the most that the schema takes
CHANNELS = 8 + 1  # and Grafana
FAMILIES, BINS = 2 * GUARDRAILS, 288
VOICES = 4  # two links, and two things that a person overrode
MANY_LINKS = tuple(
    Link(f"{n}{'l' * 120}", f"https://x/{'%20' * (ROOM // MOST_LINKS // 3 - 4)}")
    for n in range(MOST_LINKS)
)
VIEW = StatusView(phase=Phase.SOAKING, blind=timedelta(0), links=MANY_LINKS)


def longest_part(name: str) -> Part:
    return Part(
        name=name,
        verdict=Verdict.WITHIN_TOLERANCE,
        value="x1.2345",
        interval="[x1.1111, x1.9999]",
        limit="1.20 of before the ramp or less",
        counts="123456789 of 1234567890 requests, 123456789 of 1234567890 before",
        log_e_null=-1234.5678901234567,
        log_e_margin=-1234.5678901234567,
        threshold_null=12.345678901234567,
        threshold_margin=12.345678901234567,
        phi=12.345678901234567,
        could_see="could have seen a rise of 12.3 % or more",
        onset=s.T,
        marks=("phi assumed", "baseline of 23h55m"),
    )


def longest_judgement(number: int) -> Judgement:
    return Judgement(
        name=f"{number}{'n' * 62}",
        type=GuardrailType.EXPOSURE_BALANCE,
        verdict=Verdict.NO_DATA,
        interval="[49.99999%, 50.00001%]",
        limit="45.123% .. 54.877%",
        why="w" * 512,
        number=0.4999999999999999,
        limits=(0.4499999999999999, 0.5499999999999999),
        counted=123456789.0,
        log_e_null=-1234.5678901234567,
        log_e_margin=-1234.5678901234567,
        threshold_null=12.345678901234567,
        threshold_margin=12.345678901234567,
        could_see="could have seen a shift of 12.3 pp or more",
        onset=s.T,
        query=PromQL("q" * 2400),
        parts=(longest_part("history"), longest_part("concurrent"), longest_part("kill-switch")),
    )


def longest_baseline(name: str) -> Baseline:
    return Baseline(
        guardrail=name,
        span=timedelta(hours=23, minutes=55),
        hits=123456789.0,
        exposure=1234567890.0,
        rate=0.12345678901234567,
        phi_history=Phi(value=12.345678901234567, batch=timedelta(minutes=15)),
        phi_arms=Phi(value=12.345678901234567, batch=timedelta(minutes=60)),
        armed=True,
        busiest=0.12345678901234567,
        enough=True,
    )


def utmost() -> State:
    """Return the state of the largest ramp that is likely, at the end of a long watch."""
    judged = tuple(longest_judgement(i) for i in range(GUARDRAILS))
    findings = tuple(
        Finding(
            after=timedelta(hours=i, microseconds=123456),
            at=s.T + timedelta(hours=i, microseconds=123456),
            share=i % 100,
            verdict=Verdict.NO_DATA,
            evidence=evidence_text(judged),
            late=True,
            details=tuple("d" * (DETAILS // 20) for _ in range(20)),
            asked=tuple(f"{i}{'q' * 80}" for i in range(8)),
            vouched=VOICES,
        )
        for i in range(MOST)
    )
    bins = tuple(Reading(123456.0 + i, 123456.0 + i, 123456.0 + i) for i in range(BINS))
    evidence = Evidence(
        t0=s.T,
        counted_to=s.T + timedelta(hours=720),
        counts=tuple(bins for _ in range(FAMILIES)),
        breached=tuple(j.name for j in judged),
    )
    originals = tuple(
        Original(
            deployment="d" * 253,
            uid="u" * 36,
            container="c" * 63,
            value=EnvValue(str(i)),
            manager="m" * 128,
        )
        for i in range(TARGETS)
    )
    told = tuple(f"Blind/{i}/2026-11-24T02:51:20.565034+00:00" for i in range(TOLD))
    soaking = replace(s.soaking(), evidence=evidence, judged=judged)
    return State(
        stage=soaking,
        started_at=s.T,
        originals=originals,
        baselines=tuple(longest_baseline(j.name) for j in judged),
        findings=findings,
        vouched=tuple(f"{i}{'v' * 100}" for i in range(VOICES)),
        told=told,
        soaked=Soaked(since=s.T, until=s.T),
    )


def going_back(of: State) -> State:
    """Return a state that is being rolled back, with as many links as there are."""
    judged = of.stage.judged if isinstance(of.stage, Soaking) else ()
    because = Because(Reason.GUARDRAIL_BREACHED, "b" * WORDS)
    record = RollbackRecord(because=because, started_at=s.T, links=MANY_LINKS)
    stage = replace(s.restoring(), because=because, judged=judged)
    return replace(of, stage=stage, rollback=record)


def unheard(of: State) -> State:
    """Return a state in which every channel is dead and as much waits as there is room for."""
    recipients = tuple(
        Recipient(channel="c" * 63, tries=30, due=s.T, why="w" * WHY) for _ in range(CHANNELS)
    )
    notice = Notice(
        kind=Kind.ROLLBACK_VERIFIED,
        key="k" * 200,
        at=s.T,
        text="t" * TEXT,
        details=("d" * DETAILS_OF_A_NOTICE,),
        experiment="e" * 63,
        env="E" * 128,
        origin=10,
        to=50,
        owner="o" * 128,
        since=s.T,
        queries=(("g" * 63, "q" * QUERIES),),
    )
    return replace(
        of,
        outbox=(Letter(notice, recipients),) * MOST_LETTERS,
        delivered=999,
        unheard=("c" * 128,) * MOST_UNHEARD,
        announced=("RampPlanned/01234567 to " + "c" * 63,) * CHANNELS,
    )


def test_the_largest_ramp_is_remembered_within_the_schema() -> None:
    line = engine.write(utmost())
    assert len(line) < LONGEST_MEMORY
    assert engine.read(line) == utmost()


def test_a_large_ramp_that_goes_back_keeps_its_links() -> None:
    for was in (going_back(utmost()), unheard(going_back(hostile()))):
        status = to_status(VIEW, was)
        assert len(orjson.dumps(status)) <= LARGEST
        kept = engine.read(status["engine"])
        assert kept.rollback == was.rollback
        assert len(status["rollback"]["links"]) == MOST_LINKS


WIDE = "\U0001f40d"  # four bytes in a status, one of the characters that a schema counts


def hostile() -> State:
    """Return a state in which every count and every word is as long as it can be."""
    was = utmost()
    counts = 2.0**53 / 3, 2.0**52 / 3, 2.0**51 / 3
    (stage,) = (one for one in (was.stage,) if isinstance(one, Soaking))
    evidence = replace(stage.evidence, counts=((Reading(*counts),) * BINS,) * FAMILIES)
    judged = tuple(replace(j, why=WIDE * WORDS, query=PromQL(WIDE * 2400)) for j in stage.judged)
    pods = tuple(f"{n}{'d' * 252}" for n in range(TARGETS))
    return replace(
        was,
        stage=replace(stage, evidence=evidence, judged=judged),
        exporters=tuple((f"{n:02}{WIDE * 2046}", pods) for n in range(FAMILIES)),
        findings=tuple(
            replace(one, evidence=WIDE * EVIDENCE, asked=(WIDE * ASKED,)) for one in was.findings
        ),
        vouched=tuple(f"{n}{WIDE * 540}" for n in range(VOUCHED)),
        gates=tuple(replace(s.gate(f"step-{n}"), why=WIDE * 1024) for n in range(4)),
        timeline=tuple(Line(s.T, WIDE * 1024) for _ in range(LINES)),
    )


def test_the_most_likely_to_be_large_is_shown_whole() -> None:
    status = to_status(VIEW, utmost())
    assert engine.read(status["engine"]) == utmost()
    assert len(orjson.dumps(status)) < LARGEST
    assert sum(len(one["url"]) for one in status["links"]) > ROOM - 16 * MOST_LINKS


def test_whatever_is_counted_and_said_a_status_can_be_stored() -> None:
    status = to_status(VIEW, hostile())
    assert len(status["engine"]) <= LONGEST_MEMORY
    assert len(orjson.dumps(status)) <= LARGEST
    assert status["findings"][0]["evidence"] == NO_ROOM
    assert "links" not in status
    kept = engine.read(status["engine"])
    assert kept == replace(hostile(), findings=kept.findings, timeline=())
    assert [replace(f, evidence="") for f in kept.findings] == [
        replace(f, evidence="", details=(), asked=(), vouched=0) for f in hostile().findings
    ]
    assert len(status["vouched"]) == VOUCHED
    assert len(status["timeline"]) == LINES // 2


def test_dead_channels_cost_a_large_ramp_the_numbers_of_its_findings() -> None:
    was = unheard(utmost())
    kept = engine.read(to_status(VIEW, was)["engine"])
    assert kept == replace(was, findings=kept.findings)
    assert {one.details for one in kept.findings} == {(NO_ROOM,)}


def test_where_nothing_else_is_left_to_shorten_notices_are_given_up_and_it_is_said() -> None:
    status = to_status(VIEW, unheard(hostile()))
    assert len(orjson.dumps(status)) <= LARGEST
    kept = engine.read(status["engine"])
    assert kept.outbox == ()
    assert kept.unheard == (f"{MOST_LETTERS} notices {NO_ROOM}",)


def test_a_memory_that_cannot_be_shortened_is_an_error_of_ours() -> None:
    with pytest.raises(ValueError, match="longer than 524288 characters"):
        to_status(VIEW, State(told=("x" * LONGEST_MEMORY,)))


def test_numbers_of_findings_go_before_their_evidence() -> None:
    was = hostile()
    spoken = replace(was, exporters=(), findings=utmost().findings)
    status = to_status(VIEW, spoken)
    assert {tuple(one["details"]) for one in status["findings"]} == {(NO_ROOM,)}
    assert status["findings"][0]["evidence"] == utmost().findings[0].evidence


def test_counts_and_evidence_come_back_as_they_were() -> None:
    counts = ((Reading(1.0, 2.0, 3.0), Reading()), (Reading(other=4.0),))
    judged = (replace(longest_judgement(1), log_e_null=float("-inf")),)
    evidence = Evidence(t0=s.T, counted_to=s.T, counts=counts)
    state = State(stage=replace(s.soaking(), evidence=evidence, judged=judged))
    assert engine.read(engine.write(state)) == state


READINGS = ((Reading(1.0, 2.0, 0.5),), (Reading(),))


def test_a_line_from_before_there_were_notices_is_read() -> None:
    was = utmost()
    line = engine.write(was)
    assert not {"outbox", "delivered", "unheard", "announced"} & set(orjson.loads(line))
    assert engine.read(line) == was


def soaking_line(counts: str) -> str:
    at = '"2026-11-23T12:00:00Z"'
    evidence = f'{{"t0":{at},"counted_to":{at},"counts":{counts}}}'
    return f'{{"v":2,"stage":"Soaking","facts":{{"since":{at},"step":0,"evidence":{evidence}}}}}'


DAMAGED = {
    "of version 1": ('{"v":1,"stage":"Pending","facts":{}}', "of version 1, and this operator"),
    "of a version to come": ('{"v":3,"stage":"Pending","facts":{}}', "of version 3, and this"),
    "of no version": ('{"stage":"Pending","facts":{}}', "of version None, and this operator"),
    "with the bins of version 1": (soaking_line("[[1,2]]"), "it cannot be read"),
    "with one arm too many": (soaking_line("[[[1,2,3,4]]]"), "it cannot be read"),
    "with a count that is a text": (soaking_line('[[["x",2,3]]]'), "it cannot be read"),
    "a list": ("[]", "it is no object"),
    "nothing": ("", "it cannot be read"),
}


def test_counts_are_written_as_short_as_can_be() -> None:
    stage = replace(s.soaking(), evidence=Evidence(t0=s.T, counted_to=s.T, counts=READINGS))
    assert '"counts":[[[1,2,0.5]],[[0,0,0]]]' in engine.write(State(stage=stage))
    assert engine.read(soaking_line("[[[1,2,0.5]],[[0,0,0]]]")).stage.evidence.counts == READINGS


@pytest.mark.parametrize(("line", "words"), DAMAGED.values(), ids=DAMAGED)
def test_a_line_that_is_not_of_this_version_is_damaged(line: str, words: str) -> None:
    with pytest.raises(engine.Damaged, match=words):
        engine.read(line)
