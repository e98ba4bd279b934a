"""Findings: the unchangeable records of a soak, each within what the memory of a ramp can hold."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta

from rampguard.core.answers import heard_briefly, heard_text
from rampguard.core.durations import show_duration
from rampguard.core.inquiring import told_text
from rampguard.core.model import Finding, Judgement, Look, Note, Soaking, State, Verdict
from rampguard.core.moves import note
from rampguard.core.parts import part_text
from rampguard.core.plan import Plan
from rampguard.core.probe import Heard, Occasion
from rampguard.core.reasons import Reason

WORDS, EVIDENCE = 80, 512  # characters that a finding keeps: of a server's answer, and in all
SAID = 256  # characters of what the app said, and of what the export did
DETAILS = 1024  # characters of the lines of numbers that a finding keeps
ASKED = 1024  # characters of the queries that it keeps
MOST_LINES = 20  # of either
BREACHES = 20  # recorded beside the findings that are due
MOST = 11 * 10 + BREACHES  # findings of a ramp: 11 steps of at most 10, and breaches


def finding(  # noqa: PLR0913 - the facts of a record
    plan: Plan,
    stage: Soaking,
    look: Look,
    after: timedelta,
    verdict: Verdict,
    *,
    late: bool,
    state: State,
) -> Finding:
    """Return the record of a look, with what the probe heard last of this share."""
    lines = (f"{one.name} {part_text(part)}" for one in look.judgements for part in one.parts)
    share = plan.values[stage.step]
    heard = _heard(state, share)
    told = evidence_text(look.judgements)
    return Finding(
        after=after,
        at=look.at,
        share=plan.values[stage.step],
        verdict=verdict,
        evidence=f"{told}; {heard_briefly(heard)}" if heard else told,
        late=late,
        details=kept((*_said(state, share), *lines), DETAILS, MOST_LINES),
        asked=kept(look.asked, ASKED, MOST_LINES),
        vouched=len(state.vouched),
    )


def _heard(state: State, share: int) -> Heard | None:
    heard = state.probed.heard
    asked = heard is not None and heard.occasion is not Occasion.START and heard.share == share
    return heard if asked else None


def _said(state: State, share: int) -> Iterator[str]:
    """Yield what the app and the export said last of a share."""
    if heard := _heard(state, share):
        yield f"probe at {heard.at:%Y-%m-%dT%H:%M:%SZ}: {heard_text(heard)}"[:SAID]
    told = state.inquiries.told
    if told is not None and told.share == share:
        yield f"analytics at {told.at:%Y-%m-%dT%H:%M:%SZ}: {told_text(told)}"[:SAID]


def has_room(plan: Plan, recorded: Iterable[Finding]) -> bool:
    """Say whether one more breach is recorded; the findings that are due always are."""
    due = dict(zip(plan.values, plan.findings, strict=True))
    return sum(one.after not in due.get(one.share, ()) for one in recorded) < BREACHES


def evidence_text(judgements: tuple[Judgement, ...]) -> str:
    """Say what was seen of each guardrail, for one line; it is kept for every finding."""
    text = "; ".join(
        " ".join(part for part in (j.name, j.value or j.why[:WORDS], j.interval) if part)
        for j in judgements
    )
    return text if len(text) <= EVIDENCE else f"{text[: EVIDENCE - 1]}…"


def as_note(one: Finding) -> Note:
    """Return the Event of a finding that was due."""
    late = " (late)" if one.late else ""
    text = f"{show_duration(one.after)} finding at {one.share}%: {one.verdict}{late}"
    return note(
        Reason.FINDING_RECORDED,
        f"{text}; {one.evidence}",
        one.share,
        one.after,
        warning=one.verdict is Verdict.BREACHED,
    )


def kept(lines: Iterable[str], characters: float, most: int) -> tuple[str, ...]:
    """Return the first lines that fit; where some do not, the last one says how many are left out.

    characters: of all lines together. most: lines, that one included.
    """
    told = tuple(lines)
    if len(told) <= most and sum(map(len, told)) <= characters:
        return told
    room = characters - len(_left_out(len(told)))
    ends = itertools.accumulate(map(len, told[: most - 1]))
    fit = sum(end <= room for end in ends)
    return *told[:fit], _left_out(len(told) - fit)


def _left_out(count: int) -> str:
    return f"{count} more left out: too long for a finding"
