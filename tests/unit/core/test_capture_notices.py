"""Notices of a capture: that it is to come, where it is, and that there will be none."""

from datetime import timedelta

from rampguard.core.capture import Captured
from rampguard.core.decide import decide
from rampguard.core.export import Analytics
from rampguard.core.model import Because, Observation, RollbackRecord
from rampguard.core.outbox import Kind, Notice, Notify
from rampguard.core.plan import Plan
from rampguard.core.reasons import Reason
from scenes import DAY, HOUR, MINUTE, SECOND, T, pair, plan, restoring, seen, state

RECORD = RollbackRecord(because=Because(Reason.GUARDRAIL_BREACHED, "share 38%"), started_at=T)
BACK = state(restoring(), rollback=RECORD)


def ask(**asked: object) -> Plan:
    return plan(**({"notify": (Notify("team"),)} | asked))


def sees(*workloads: object, **facts: object) -> Observation:
    return seen(*workloads, channels=("team",), **facts)


ANALYSED = ask(analytics=Analytics("events"))


def test_a_rollback_says_that_its_capture_is_to_come() -> None:
    saw = sees(*pair(10), after=90 * SECOND, captures=True)
    notice = decide(ANALYSED, BACK, saw).state.outbox[0].notice
    assert notice.details[-1] == (
        "the sessions of affected users are captured after 2026-11-23T12:06:30Z; where is told then"
    )
    assert notice.about == ""


def of_the_capture(captured: Captured, after: timedelta) -> tuple[Notice, Notice]:
    """Return what is told of a rollback, and of its capture."""
    proven = decide(ANALYSED, BACK, sees(*pair(10), captures=True)).state
    made = decide(ANALYSED, proven, sees(*pair(10), after=after, captured=captured))
    first, second = (one.notice for one in made.state.outbox)
    return first, second


def test_a_capture_is_told_by_a_notice_of_its_own() -> None:
    kept = Captured(number=1, url="file:///c/x", records=12, users=3, sha256="ab")
    first, second = of_the_capture(kept, 6 * MINUTE)
    assert (first.kind, second.kind) == (Kind.ROLLBACK_VERIFIED, Kind.ROLLBACK_VERIFIED)
    assert (second.key, second.about) == ("SessionsCaptured/capture", "capture")
    assert second.text == "12 records of 3 users captured: file:///c/x"
    span = "2026-11-23T12:00:00Z to 2026-11-23T12:06:00Z"
    assert second.details == (
        f"what users did who were exposed to treatment, {span}",
        "sha256: ab",
        "to fetch: kubectl ramp capture tree-50 -n app",
        "of the rollback because: share 38%",
    )


def test_a_capture_that_is_given_up_is_told() -> None:
    _, second = of_the_capture(Captured(number=1, failed="gone"), DAY + HOUR)
    assert (second.key, second.about) == ("CaptureGivenUp/capture", "capture")
    assert second.text.endswith("gone; given up after 24h")
    assert [line.partition(",")[0] for line in second.details] == [
        "what users did who were exposed to treatment",
        "of the rollback because: share 38%",
    ]


def test_a_capture_that_is_tried_again_is_told_to_nobody() -> None:
    proven = decide(ANALYSED, BACK, sees(*pair(10), captures=True)).state
    failed = Captured(number=1, failed="gone")
    made = decide(ANALYSED, proven, sees(*pair(10), after=6 * MINUTE, captured=failed))
    assert len(made.state.outbox) == 1


def test_a_channel_without_rollbacks_hears_of_no_capture() -> None:
    of = ask(
        analytics=Analytics("events"),
        notify=(Notify("team", frozenset({Kind.RAMP_STARTED})),),
    )
    proven = decide(of, BACK, sees(*pair(10), captures=True)).state
    kept = Captured(number=1, url="file:///c/x", records=12, users=3, sha256="ab")
    assert not decide(of, proven, sees(*pair(10), after=HOUR, captured=kept)).state.outbox
