"""`kubectl ramp report`: one page from a ramp and its record, whatever stands in them."""

import asyncio
import copy
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import cli_ramps
from fake_operator import RAMP, Operator, reached
from fakes import Json
from rampguard.api.members import lines
from rampguard.api.record import read as entries
from rampguard.cli.report import page
from rampguard.cli.report.course import MOST, Course, course, numbers
from rampguard.cli.report.facts import Known, facts
from rampguard.cli.report.rebuilt import rebuilt
from rampguard.cli.report.verb import form
from rampguard.cli.text import safe
from rampguard.core.links import Link
from rampguard.core.replay import Record, differences, replayed
from reported import HARMFUL, HARMLESS, LOST, told, with_a_gap
from scenes import HOUR, MINUTE, SECOND, T
from taped import UID, written

FILE = f"app_{RAMP}_{UID}.jsonl.gz"
WRITTEN = T + 24 * HOUR
BLIND = (20 * MINUTE, 27 * MINUTE)
WORST = (
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)><!--|`_*[x](javascript:alert(1))"
    "\n# h\n- &amp; $x^2$ {{ 7*7 }} \x1b[31m\u202e @everyone https://evil.example www.evil.example"
)


@dataclass(frozen=True)
class Flight:
    """A ramp that was recorded, and its object in the end."""

    records: list[Record]
    ramp: Json
    raw: bytes

    @property
    def course(self) -> Course:
        went = course(entries(lines([self.raw])))
        assert isinstance(went, Course)
        return went

    @property
    def facts(self) -> Json:
        return facts(Known(ramp=self.ramp, course=self.course, at=WRITTEN))


@pytest.fixture(scope="module")
def good() -> Flight:
    records, ramp = asyncio.run(told(HARMLESS))
    return Flight(records, ramp, written(records))


@pytest.fixture(scope="module")
def bad() -> Flight:
    """Return a ramp that was blind for a while, lost records later, and was rolled back."""
    records, ramp = asyncio.run(told(HARMFUL, BLIND))
    return Flight(records, ramp, with_a_gap(records, 66))


@pytest.fixture(scope="module")
def good_page(good: Flight) -> str:
    return form(Known(ramp=good.ramp, course=good.course, at=WRITTEN), "html")


@pytest.fixture(scope="module")
def bad_page(bad: Flight) -> str:
    return form(Known(ramp=bad.ramp, course=bad.course, at=WRITTEN), "html")


@pytest.fixture
def files(good: Flight, bad: Flight, tmp_path: Path) -> Path:
    (tmp_path / "good.jsonl.gz").write_bytes(good.raw)
    (tmp_path / "bad.jsonl.gz").write_bytes(bad.raw)
    return tmp_path


def parsed(text: str) -> Element:
    """Return a page that has no mistake a parser of the standard could find."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(text)


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def hrefs(element: Element) -> list[str]:
    return [one.attrib["href"] for one in element.iter("a")]


# --- the course of a ramp, from its record -------------------------------------------------------


def test_every_part_that_is_compared_has_a_curve(good: Flight) -> None:
    assert [(one.guardrail, one.part) for one in good.course.curves] == [
        ("balance", ""),
        ("starts", "drop"),
        ("errors", "history"),
        ("errors", "concurrent"),
        ("p95", ""),
    ]


def test_a_curve_ends_with_what_the_last_look_judged(good: Flight) -> None:
    look = next(r.seen.looks[-1] for r in reversed(good.records) if r.seen.looks)
    share, starts = good.course.curves[0].last, good.course.curves[1].last
    assert share is not None
    assert starts is not None
    assert (share.at, share.value, share.floor, share.ceiling) == (
        look.at,
        look.judgements[0].number,
        0.45,
        0.55,
    )
    (part,) = look.judgements[1].parts
    assert part.interval == f"[{starts.low:.3g}, {starts.high:.3g}]"
    assert (starts.value, starts.floor, starts.ceiling) == (1.0, 0.95, None)


def test_soaks_are_told_with_what_they_counted(good: Flight) -> None:
    (first, last) = good.course.watches
    assert (first.share, last.share) == (10, 50)
    assert last.until - last.since == 40 * MINUTE + 15 * SECOND
    assert first.counted is not None
    assert last.counted is not None
    assert first.counted.treatment == pytest.approx(first.counted.total / 10, rel=0.01)
    assert last.counted.treatment == pytest.approx(last.counted.total / 2, rel=0.01)


def test_blind_times_and_lost_records_are_holes(bad: Flight) -> None:
    blind, lost = bad.course.holes
    assert blind.guardrails == ("balance", "starts", "errors", "p95")
    assert blind.why == "prometheus does not answer"
    assert BLIND[1] - BLIND[0] <= blind.until - blind.since < BLIND[1] - BLIND[0] + 2 * MINUTE
    assert lost.guardrails == ()
    assert lost.why.startswith(f"{LOST} records are missing")
    assert LOST * 30 * SECOND <= lost.until - lost.since < (LOST + 2) * 30 * SECOND


def test_a_line_breaks_in_every_hole_and_between_soaks(bad: Flight) -> None:
    (share, *_) = bad.course.curves
    assert sum(one.value is None for one in share.points) == 4  # the last ends the last soak


def test_a_breach_is_on_the_curve_of_the_part_that_broke(bad: Flight) -> None:
    broken = {c.guardrail for c in bad.course.curves if any(p.breached for p in c.points)}
    assert broken == {"starts"}


def test_looks_that_an_operator_missed_are_a_hole(good: Flight) -> None:
    away = [r for r in good.records if not _between(r, good, 25 * MINUTE, 35 * MINUTE)]
    went = course(entries(lines([written(away)])))
    assert isinstance(went, Course)
    (hole,) = went.holes
    assert hole.why == "no look was taken"
    assert 10 * MINUTE <= hole.until - hole.since < 12 * MINUTE


def _between(record: Record, flight: Flight, since: timedelta, until: timedelta) -> bool:
    return since <= record.seen.now - flight.records[0].seen.now < until


def test_a_record_that_is_cut_off_ends_in_a_hole(good: Flight) -> None:
    went = course(entries(lines([good.raw[:-3000]])))
    assert isinstance(went, Course)
    (hole,) = went.holes
    assert hole.since == hole.until == went.last
    told = facts(Known(ramp=good.ramp, course=went, at=WRITTEN))
    assert told["gaps"][0]["lasted"] is None
    assert told["timeline"] == good.facts["timeline"]  # the object knows how it ended
    assert "unknown how long" in page.markdown(told)


def test_the_timeline_is_longer_than_that_of_the_status(good: Flight) -> None:
    short = {**good.ramp, "status": {**good.ramp["status"]}}
    short["status"]["timeline"] = short["status"]["timeline"][-3:]
    told = facts(Known(ramp=short, course=good.course, at=WRITTEN))
    assert told["timeline"] == good.facts["timeline"]
    assert len(told["timeline"]) > 3


def test_why_no_look_was_taken_is_told(good: Flight) -> None:
    failing = [
        replace(r, seen=replace(r.seen, looks=(), look_failed="the pods cannot be read"))
        if _between(r, good, 25 * MINUTE, 35 * MINUTE)
        else r
        for r in good.records
    ]
    went = course(entries(lines([written(failing)])))
    assert isinstance(went, Course)
    assert [one.why for one in went.holes] == ["the pods cannot be read"]


def test_a_long_curve_is_thinned_and_keeps_its_ends_and_turns(bad: Flight) -> None:
    record = next(r for r in reversed(bad.records) if r.seen.looks)
    (look,) = record.seen.looks
    many = [
        replace(
            record,
            seen=replace(record.seen, looks=(replace(look, at=look.at + n * 30 * SECOND),)),
        )
        for n in range(10 * MOST)
    ]
    went = course(iter([*bad.records[:-1], *many[1:]]))
    assert isinstance(went, Course)
    for curve in went.curves:
        assert MOST < len(curve.points) <= 2 * MOST + 2
        times = [one.at for one in curve.points]
        assert times == sorted(times)
        assert curve.last is not None
        assert curve.last.at == look.at + (10 * MOST - 1) * 30 * SECOND


NUMBERS = {
    "49.7%": (0.497,),
    "[48.7%, 50.7%]": (0.487, 0.507),
    "x0.95": (0.95,),
    "x1": (1.0,),
    "[0.1, inf]": (0.1, float("inf")),
    "[1.2e+03, 3e-05]": (1200.0, 3e-05),
    "": (),
    "nothing": (),
}


@pytest.mark.parametrize(("text", "told"), NUMBERS.items())
def test_numbers_are_read_from_what_was_shown(text: str, told: tuple[float, ...]) -> None:
    assert numbers(text) == pytest.approx(told)


def test_a_record_without_a_record_says_why() -> None:
    assert course(iter(())) == "it holds no record of a ramp"


# --- the same facts in every form ----------------------------------------------------------------


@pytest.mark.parametrize("which", ["good", "bad"])
def test_a_record_alone_tells_what_the_object_tells(
    which: str, request: pytest.FixtureRequest
) -> None:
    flight: Flight = request.getfixturevalue(which)
    alone = Known(ramp=rebuilt(flight.course.final), course=flight.course, at=WRITTEN)
    assert facts(alone) == flight.facts


def test_links_of_the_status_are_in_every_form(bad: Flight, bad_page: str) -> None:
    told = bad.facts
    assert [one["name"] for one in told["links"]][:2] == ["dashboard", "thread"]
    frozen = told["rollback"]["links"]
    assert [one["name"] for one in frozen] == [
        *("dashboard", "thread", "prometheus (starts)"),
        *(f"prometheus ({name})" for name in ("balance", "errors", "p95")),
    ]
    urls = {one["url"] for one in (*told["links"], *frozen)}
    assert urls <= set(hrefs(parsed(bad_page)))
    text = page.markdown(told)
    assert all(one in text for one in urls)


def test_a_record_with_links_replays_to_the_bit(bad: Flight) -> None:
    for record in bad.records:
        assert list(differences(record, replayed(record))) == []


CAPTURED = {
    "since": "2026-11-23T12:01:00Z", "until": "2026-11-23T13:35:00Z", "url": "s3://bucket/x",
    "records": 1234, "users": 57, "sha256": "ab",
}  # fmt: skip


def _with_capture(**capture: object) -> Json:
    ramp = copy.deepcopy(cli_ramps.SCENES["rolled-back"])
    ramp["status"]["rollback"]["capture"] = capture
    return facts(Known(ramp=ramp, course="none", at=cli_ramps.NOW))


def test_a_capture_is_told_with_the_command_that_fetches_it() -> None:
    told = _with_capture(**CAPTURED)
    command = "kubectl ramp capture tree-50 -n app --to tree-50.jsonl.gz"
    assert told["rollback"]["capture"] == {**CAPTURED, "why": None, "fetch": command}
    shown = words(parsed(page.html(told, (), "none")))
    assert "1234 records of 57 users who were exposed to treatment, 2026-11-23 12:01:00" in shown
    for text in (shown, page.markdown(told)):
        assert "s3://bucket/x" in text
        assert command in text


def test_without_a_capture_every_form_says_why() -> None:
    told = _with_capture(since=CAPTURED["since"], until=CAPTURED["until"], why="the disk is full")
    assert told["rollback"]["capture"] == {
        "url": None,
        "why": "not captured yet: the disk is full",
    }
    shown = words(parsed(page.html(told, (), "none")))
    for text in (shown, page.markdown(told)):
        assert "not captured yet: the disk is full" in text


def test_a_link_of_a_status_that_is_not_safe_to_follow_is_none() -> None:
    ramp = copy.deepcopy(cli_ramps.SCENES["rolled-back"])
    for where in (ramp["status"], ramp["status"]["rollback"]):
        where["links"] = [{"name": "x", "url": "javascript:alert(1)"}, {"name": "y"}, "z"]
    told = facts(Known(ramp=ramp, course="none", at=cli_ramps.NOW))
    assert told["links"] == []
    assert told["rollback"]["links"] == []


def test_a_ramp_that_was_rolled_back_reads_so(bad: Flight, golden: Callable[..., None]) -> None:
    golden("cli/report-rolled-back.md", page.markdown(bad.facts))


def test_a_ramp_that_completed_reads_so(good: Flight, golden: Callable[..., None]) -> None:
    golden("cli/report-completed.md", page.markdown(good.facts))


@pytest.mark.parametrize("scene", ["soaking", "blind", "inconclusive", "unseen", "contested"])
def test_a_ramp_without_a_record_reads_so(scene: str, golden: Callable[..., None]) -> None:
    golden(f"cli/report-{scene}.md", page.markdown(_unrecorded(scene)))


@pytest.mark.parametrize("scene", ["soaking", "rolled-back"])
def test_programs_get_it_as_facts(scene: str, golden: Callable[..., None]) -> None:
    golden(f"cli/report-{scene}.json", f"{json.dumps(_unrecorded(scene), indent=2)}\n")


def _unrecorded(scene: str, **more: Any) -> Json:
    ramp, at = cli_ramps.SCENES[scene], cli_ramps.now_of(scene)
    told = Known(ramp=ramp, course="no operator is seen in this cluster", at=at, **more)
    return facts(told)


def test_on_whose_word_a_ramp_went_on_is_told() -> None:
    told = _unrecorded("held")
    for text in (page.markdown(told), page.html(told, (), "")):
        assert text.count("On somebody") == 3
        assert "AlertsFiring overridden by" in text


@pytest.mark.parametrize("scene", cli_ramps.SCENES)
def test_the_page_of_every_phase_is_valid(scene: str) -> None:
    told = _unrecorded(scene)
    tree = parsed(page.html(told, (), "there is none"))
    assert words(tree.find(".//h1")) == told["name"]
    assert "There are no pictures: there is none." in words(tree)
    for command in told["undo"]["commands"]:
        assert command in words(tree)


WAYS = {
    "unseen": ("Nothing was changed", 0),
    "blocked": ("Nothing was changed", 0),
    "soaking": ("With the operator: kubectl ramp abort tree-50 -n app.", 5),
    "rolling-back": ("With the operator", 5),
    "rolled-back": ("The originals are back", 0),
    "completed": ("To go back, set the originals:", 2),
    "aborted": ("To go back, set the originals:", 2),
    "contested": ("What the ramp still held is back", 0),
}


@pytest.mark.parametrize(("scene", "way"), WAYS.items())
def test_the_way_back_is_that_of_the_phase(scene: str, way: tuple[str, int]) -> None:
    told = _unrecorded(scene)["undo"]
    assert (way[0] in told["text"], len(told["commands"])) == (True, way[1])


TONES = {
    "completed": "good",
    "inconclusive": "plain",
    "at-goal": "plain",
    "rolled-back": "bad",
    "blocked": "needs",
    "soaking": "moving",
}


@pytest.mark.parametrize(("scene", "tone"), TONES.items())
def test_only_what_was_proven_looks_good(scene: str, tone: str) -> None:
    assert _unrecorded(scene)["verdict"]["tone"] == tone


def test_what_was_not_watched_is_said_to_be_no_evidence() -> None:
    assert "this is no evidence" in _unrecorded("at-goal")["verdict"]["text"]


# --- the page ------------------------------------------------------------------------------------


def written_page(ramp: Any, *arguments: str) -> Element:
    said = ramp("report", *arguments)
    assert (said.code, said.err) == (0, "")
    return parsed(said.out)


def test_the_page_of_a_record_is_valid_and_whole(bad_page: str) -> None:
    tree = parsed(bad_page)
    figures = tree.findall(".//figure")
    assert len(figures) == 5
    for one in figures:
        assert one.find("figcaption") is not None
        assert re.search(
            r"From .* UTC to .* UTC, \d+ looks", one.find("./div").attrib["aria-label"]
        )
        assert len(one.findall(".//tbody/tr")) >= 2
    text = words(tree)
    assert "Rolled back (GuardrailBreached): starts x0.75" in text
    assert f"{LOST} records are missing" in text
    assert "prometheus does not answer" in text
    assert 'experiment_assignments_total{source="assignment",namespace="app"}' in asked(tree)
    assert "Users keep the arm that they were assigned until their cookie ends" in text


def asked(tree: Element) -> list[str]:
    """Return what the findings say was asked."""
    (table,) = (one for one in tree.iter("table") if words(one.find(".//th")) == "Finding")
    return [words(one) for one in table.iter("code")]


def test_the_page_needs_nothing_from_outside(good_page: str) -> None:
    tree = parsed(good_page)
    assert {one.tag for one in tree.iter()} & {"script", "link", "img", "iframe", "object"} == set()
    ours = ("https://prom.example/", "https://grafana.example/", "https://chat.example/")
    assert all(one.startswith(ours) for one in hrefs(tree))  # followed only by a person
    inside = [
        value
        for one in tree.iter()
        for key, value in one.attrib.items()
        if (key.endswith("href") and one.tag != "a") or "url(" in value
    ]
    assert inside
    assert [value for value in inside if "#p" not in value] == []
    css = "".join(one.text or "" for one in tree.iter("style"))
    assert "@import" not in css
    assert "url(" not in css


def test_every_id_is_there_once_and_every_name_for_it_leads_to_it(bad_page: str) -> None:
    tree = parsed(bad_page)
    ids = [one.attrib["id"] for one in tree.iter() if "id" in one.attrib]
    assert len(ids) == len(set(ids)) > 10
    named = {
        name
        for one in tree.iter()
        for key, value in one.attrib.items()
        for name in (
            value.split() if key == "aria-labelledby" else re.findall(r"#(p\d+-[\w-]+)", value)
        )
    }
    assert named <= set(ids)


def test_the_pictures_take_their_colours_from_the_page(good_page: str) -> None:
    (svg, *_) = re.findall(r"<svg.*?</svg>", good_page, re.DOTALL)
    assert "var(--line)" in svg
    assert re.findall(r"(?:fill|stroke): (#\w+)", svg) == []


def test_headings_go_down_by_one_and_tables_have_heads(bad_page: str) -> None:
    tree = parsed(bad_page)
    levels = [int(one.tag[1]) for one in tree.iter() if re.fullmatch("h[1-6]", str(one.tag))]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in tree.iter("table"):
        assert all(one.attrib.get("scope") for one in table.iter("th"))
        assert table.find(".//thead/tr/th") is not None


def test_queries_lead_to_a_prometheus_where_one_is_named(files: Path, ramp: Any) -> None:
    record = str(files / "bad.jsonl.gz")
    tree = written_page(
        ramp, record, "--prometheus", "https://p.example/x/", "--link", "board=https://g.example/d"
    )
    graphs = [one for one in hrefs(tree) if one.startswith("https://p.example/")]
    (board,) = (one for one in hrefs(tree) if one.startswith("https://g.example/"))
    assert board == "https://g.example/d"
    assert len(graphs) == 4
    assert graphs[0].startswith("https://p.example/x/graph?g0.expr=experiment_assignments_total%7B")
    assert "g0.end_input=2026-11-23+" in graphs[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--link", "board=javascript:alert(1)"),
        ("--link", "board"),
        ("--link", "=https://g.example"),
        ("--prometheus", "prometheus:9090"),
        ("--prometheus", "http://[::1"),
        ("-o", "pdf"),
    ],
)
def test_what_is_no_address_or_form_is_a_mistake_of_the_command_line(
    arguments: tuple[str, ...], files: Path, ramp: Any
) -> None:
    said = ramp("report", str(files / "good.jsonl.gz"), *arguments)
    assert (said.code, said.out) == (64, "")


def test_without_matplotlib_the_page_says_so(
    files: Path, ramp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "rampguard.cli.report.plots", raising=False)
    monkeypatch.delattr("rampguard.cli.report.plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    tree = written_page(ramp, str(files / "good.jsonl.gz"))
    assert "pip install 'rampguard[pictures]'" in words(tree)
    assert tree.findall(".//figure") == []


# --- where it comes from -------------------------------------------------------------------------


@pytest.fixture
def operator(bad: Flight) -> Iterator[Operator]:
    with Operator({FILE: bad.raw}).running() as server:
        yield server


def test_a_ramp_by_its_name_has_its_record_from_the_operator(
    operator: Operator, kubectl: Any, ramp: Any, bad: Flight
) -> None:
    reached(kubectl, operator, told={**bad.ramp, "metadata": {**bad.ramp["metadata"], "uid": UID}})
    told = json.loads(ramp("report", RAMP, "-n", "app", "-o", "json").out)
    assert (told["kind"], told["phase"]) == ("RampReport", "RolledBack")
    assert told["record"]["looks"] == bad.course.looks
    assert len(told["curves"]) == 5


def test_a_ramp_that_is_gone_is_told_from_its_record(
    operator: Operator, kubectl: Any, ramp: Any
) -> None:
    reached(kubectl, operator, uid=None)
    told = json.loads(ramp("report", RAMP, "-n", "app", "-o", "json").out)
    assert (told["name"], told["phase"]) == (RAMP, "RolledBack")


def test_without_a_record_the_page_says_why_it_has_no_pictures(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", "experimentramps", out=cli_ramps.SCENES["completed"])
    kubectl.on("get", "deployments", out={"items": []})
    text = words(written_page(ramp, "tree-50"))
    assert "There are no pictures: no operator is seen in this cluster" in text
    assert "Completed at 50%" in text


def test_what_is_neither_a_ramp_nor_recorded_is_told(kubectl: Any, ramp: Any) -> None:
    missing = 'Error from server (NotFound): experimentramps.rampguard.dev "x" not found'
    kubectl.on("get", "experimentramps", "x", err=missing, code=1)
    kubectl.on("get", "experimentramps", out={"items": []})
    kubectl.on("get", "deployments", out={"items": []})
    said = ramp("report", "x", "-n", "app")
    assert (said.code, said.out) == (3, "")
    assert "there is no ramp" in said.err


def test_a_server_that_does_not_answer_is_told(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", err="Unable to connect to the server: EOF", code=1)
    said = ramp("report", "x", "-n", "app")
    assert (said.code, said.out) == (3, "")


@pytest.mark.parametrize("raw", [b"", b"hello", None])
def test_a_file_that_is_no_record_is_told(raw: bytes | None, ramp: Any, tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl.gz"
    if raw is not None:
        path.write_bytes(raw)
    said = ramp("report", str(path))
    assert (said.code, said.out) == (3, "")
    assert "none.jsonl.gz" in said.err


def test_the_page_is_utf_8_whatever_the_terminal_is(files: Path) -> None:
    import subprocess  # noqa: PLC0415 - bytes on a pipe

    done = subprocess.run(
        [sys.executable, "-m", "rampguard.cli", "report", str(files / "good.jsonl.gz")],
        check=True,
        capture_output=True,
        timeout=60,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
    )
    assert "0 → 10 → 50 percent" in done.stdout.decode()


# --- somebody else's words -----------------------------------------------------------------------


def worse(value: Any, *, keep: str) -> Any:
    """Return an object with every text made hostile, but those that a pattern wants kept."""
    match value:
        case dict():
            return {key: worse(one, keep=keep) for key, one in value.items()}
        case list():
            return [worse(one, keep=keep) for one in value]
        case str() if not (keep and re.fullmatch(keep, value)):
            return value + WORST
        case _:
            return value


INSTANT = r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)"
WORDS = r"[A-Z][A-Za-z]*"  # phases, verdicts, types of conditions
ADDRESS = r"https://\S+"
KEPT = {
    "every text": "",
    "but instants": f"{INSTANT}|{ADDRESS}",
    "but words": f"{INSTANT}|{WORDS}|{ADDRESS}",
}
OURS = tuple(f"https://{one}.example/" for one in ("g", "p", "prom", "chat"))
SAFE_TAGS = {"script", "img", "iframe", "object", "embed", "form", "input", "base", "link"}


@pytest.mark.parametrize("keep", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("scene", ["soaking", "rolled-back", "contested", "gate-breach"])
def test_hostile_words_are_shown_and_do_nothing(scene: str, keep: str) -> None:
    ramp = worse(cli_ramps.SCENES[scene], keep=keep)
    told = facts(
        Known(
            ramp=ramp,
            course=WORST,
            at=cli_ramps.NOW,
            links=(Link(WORST, "https://g.example/"),),
            prometheus="https://p.example",
        )
    )
    text = page.html(told, (), WORST)
    assert "\x1b" not in text
    assert "\u202e" not in text
    tree = parsed(text)
    assert {one.tag for one in tree.iter()} & SAFE_TAGS == set()
    assert [key for one in tree.iter() for key in one.attrib if key.startswith("on")] == []
    assert all(one.startswith(OURS) for one in hrefs(tree))
    assert {one.attrib["rel"] for one in tree.iter("a")} == {"noopener noreferrer"}
    assert words(tree).count("<script>alert(1)</script>") > 20
    assert "49</" not in text  # no template in what is filled in


@pytest.mark.parametrize("keep", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("scene", ["soaking", "rolled-back", "contested"])
def test_hostile_words_are_no_markup_in_markdown(scene: str, keep: str) -> None:
    ramp = worse(cli_ramps.SCENES[scene], keep=keep)
    worst = rendered(facts(Known(ramp=ramp, course=WORST, at=cli_ramps.NOW)))
    benign = rendered(_unrecorded(scene))
    assert set(worst) == set(benign)
    if keep == KEPT["but words"]:  # with others the conditions of the verdict have rows, too
        assert worst == benign


def rendered(told: Json) -> Counter[str]:
    """Return how many elements of each kind become of a report in Markdown."""
    tree = html5lib.parse(MARKDOWN.render(page.markdown(told)), namespaceHTMLElements=False)
    return Counter(one.tag for one in tree.iter() if isinstance(one.tag, str))


MARKDOWN = MarkdownIt("commonmark").enable("table")
MARKS = st.sampled_from(list("\\`*_[]()<>|~&#!$-+=.1:;/@ aw\n"))
TEXTS = st.text(MARKS, max_size=60) | st.text(max_size=200)


@given(TEXTS)
def test_markdown_shows_any_text_as_it_is(text: str) -> None:
    plain = " ".join(safe(text).split())
    shown = html5lib.parse(MARKDOWN.render(page.escaped(safe(text))), namespaceHTMLElements=False)
    body = shown.find("body")
    assert "".join(_texts(body)).strip() == plain
    assert {one.tag for one in body.iter() if isinstance(one.tag, str)} <= {"body", "p"}


def _texts(element: Element) -> Iterator[str]:
    """Yield the texts of an element without its comments."""
    if isinstance(element.tag, str) and element.text:
        yield element.text
    for one in element:
        yield from _texts(one)
        yield one.tail or ""


@given(TEXTS)
def test_a_code_span_shows_any_text_as_it_is(text: str) -> None:
    plain = " ".join(safe(text).split())
    shown = html5lib.parse(
        MARKDOWN.render(f"| a |\n|---|\n| {page.code(safe(text))} |\n"), namespaceHTMLElements=False
    )
    cells = shown.findall(".//td")
    assert [words(one) for one in cells] == [plain]


def test_a_hostile_record_is_shown_and_does_nothing(
    good: Flight, ramp: Any, tmp_path: Path
) -> None:
    def renamed(record: Record) -> Record:
        looks = tuple(
            replace(
                look,
                judgements=tuple(
                    replace(one, name=f"{one.name}{WORST}$\\frac$", why=WORST, query=WORST)
                    for one in look.judgements
                ),
            )
            for look in record.seen.looks
        )
        ask = replace(record.ask, experiment=WORST, owner=WORST)
        return replace(record, ask=ask, seen=replace(record.seen, looks=looks))

    path = tmp_path / "worst.jsonl.gz"
    path.write_bytes(written([renamed(one) for one in good.records]))
    tree = written_page(ramp, str(path))
    assert len(tree.findall(".//figure")) == 5
    assert {one.tag for one in tree.iter()} & SAFE_TAGS == set()
    assert "<script>alert(1)</script>" in words(tree.find(".//figcaption"))
