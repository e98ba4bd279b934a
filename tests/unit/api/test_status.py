"""The numbers behind a verdict stand in the status, within what its schema takes."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from rampguard.api import engine
from rampguard.api.crd import crd
from rampguard.api.status import LONGEST_MEMORY, to_status
from rampguard.core.ask import GuardrailType
from rampguard.core.capture import Capture
from rampguard.core.links import LONGEST, MOST, Link
from rampguard.core.model import (
    Because,
    Finding,
    Judgement,
    Part,
    Phase,
    RollbackRecord,
    State,
    Verdict,
)
from rampguard.core.parts import part_text
from rampguard.core.reasons import Reason
from rampguard.core.view import StatusView
from scenes import T, soaking, state

VIEW = StatusView(phase=Phase.SOAKING, blind=timedelta(0))
PART = Part(name="history", verdict=Verdict.INCONCLUSIVE, value="x1.50", log_e_null=1.0)
OTHER = replace(PART, name="concurrent", verdict=Verdict.BREACHED)
ERRORS = Judgement(name="errors", type=GuardrailType.ERROR_RATE, verdict=Verdict.INCONCLUSIVE)
HOUR = Finding(
    after=timedelta(hours=1), at=T, share=50, verdict=Verdict.INCONCLUSIVE, evidence="errors x1.5"
)
[VERSION] = crd()["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]


def shown(*parts: Part) -> dict[str, Any]:
    """Return how a guardrail with some parts stands in the status."""
    judged = (replace(ERRORS, parts=parts),)
    (one,) = to_status(VIEW, state(soaking(judged=judged)))["guardrails"]
    return dict(one)


def recorded(*details: str) -> dict[str, Any]:
    """Return how a finding with some lines stands in the status."""
    (one,) = to_status(VIEW, State(findings=(replace(HOUR, details=details),)))["findings"]
    return dict(one)


def test_each_part_of_a_judgement_has_a_line() -> None:
    assert shown(PART, OTHER)["details"] == [part_text(PART), part_text(OTHER)]


def test_the_lines_of_a_finding_are_kept_in_order() -> None:
    assert recorded("b", "a", "b")["details"] == ["b", "a", "b"]


def test_without_parts_nothing_is_said() -> None:
    assert "details" not in shown()
    assert "details" not in recorded()


@pytest.mark.parametrize(
    ("details", "list_name"),
    [
        (shown(*(replace(PART, counts="c" * 999) for _ in range(9)))["details"], "guardrails"),
        (recorded(*("x" * 999 for _ in range(30)))["details"], "findings"),
    ],
    ids=["parts of a guardrail", "lines of a finding"],
)
def test_more_and_longer_lines_than_fit_are_cut(details: list[str], list_name: str) -> None:
    told = SCHEMA[list_name]["items"]["properties"]["details"]
    assert len(details) == told["maxItems"]
    assert {len(line) for line in details[:-1]} == {told["items"]["maxLength"]}
    assert all(line.endswith("…") for line in details[:-1])


def test_a_finding_names_what_was_asked() -> None:
    asked = 'errors_total{namespace="app"}', "p95"
    (one,) = to_status(VIEW, State(findings=(replace(HOUR, asked=asked),)))["findings"]
    assert one["asked"] == list(asked)
    assert "asked" not in recorded("a line")


def test_lines_that_do_not_fit_are_counted() -> None:
    assert recorded(*map(str, range(20)))["details"] == [str(n) for n in range(20)]
    assert recorded(*map(str, range(21)))["details"] == [
        *(str(n) for n in range(19)),
        "2 more left out: too long for a finding",
    ]


def test_others_words_in_a_line_move_no_cursor() -> None:
    assert shown(replace(PART, counts="1\x1b[2J\n2"))["details"][0].isprintable()
    assert recorded("a\x1b[31m\r\u202eb")["details"] == ["a [31m  b"]


def test_a_finding_is_remembered_whole_however_it_is_shown() -> None:
    details = tuple(f"{number}\n{'x' * 999}" for number in range(30))
    kept = State(started_at=T, findings=(replace(HOUR, details=details),))
    assert engine.read(to_status(VIEW, kept)["engine"]) == kept


def test_the_schema_takes_the_longest_memory() -> None:
    assert SCHEMA["engine"]["maxLength"] == LONGEST_MEMORY == 512 * 1024


def test_links_of_the_ramp_and_of_its_rollback_stand_where_they_belong() -> None:
    of_ramp, of_rollback = Link("thread", "https://x/"), Link("prometheus (share)", "https://y/")
    record = RollbackRecord(
        because=Because(Reason.ABORT_ASKED, ""), started_at=T, links=(of_rollback,)
    )
    status = to_status(replace(VIEW, links=(of_ramp,)), State(rollback=record))
    assert status["links"] == [{"name": "thread", "url": "https://x/"}]
    assert status["rollback"]["links"] == [{"name": "prometheus (share)", "url": "https://y/"}]
    bare = to_status(VIEW, State(rollback=replace(record, links=())))
    assert "links" not in bare
    assert "links" not in bare["rollback"]


def test_the_schema_takes_every_link_that_there_can_be() -> None:
    for told in (SCHEMA["links"], SCHEMA["rollback"]["properties"]["links"]):
        assert told["maxItems"] == MOST
        assert told["items"]["properties"]["url"]["maxLength"] == LONGEST


@pytest.mark.parametrize(("at", "given_up"), [(T, None), (None, True)])
def test_a_capture_says_whether_it_was_given_up(at: datetime | None, given_up: object) -> None:
    capture = Capture(number=2, since=T, until=T, at=at, why="gone")
    record = RollbackRecord(because=Because(Reason.ABORT_ASKED, ""), started_at=T, capture=capture)
    told = to_status(VIEW, State(rollback=record))["rollback"]["capture"]
    assert (told["why"], told.get("givenUp")) == ("gone", given_up)


LINKS = tuple(f"smoke test: https://wiki.example.com/{n}" for n in range(10))


def test_a_finding_shows_what_was_vouched_for_until_then() -> None:
    findings = tuple(replace(HOUR, vouched=count) for count in (0, 2, 10))
    status = to_status(VIEW, State(findings=findings, vouched=LINKS))
    assert [one.get("vouched") for one in status["findings"]] == [
        None,
        list(LINKS[:2]),
        list(LINKS),
    ]
    assert status["vouched"] == list(LINKS)


def test_where_nobody_vouched_nothing_is_said() -> None:
    assert "vouched" not in to_status(VIEW, State(findings=(HOUR,)))
