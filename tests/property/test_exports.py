"""Whatever stands in an export: it is counted, each line once, and nothing is raised."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exports import exposure, start, written
from rampguard.api.blocks import Broken
from rampguard.api.events import feed
from rampguard.api.exact import Refusing, exact
from rampguard.cli.analysis import Export, analysis
from rampguard.cli.analysis_facts import of_analysis
from rampguard.cli.symbols import ASCII, UNICODE
from rampguard.cli.text import plain
from rampguard.core.analytics import Asked, Summary, Tally, summary

NOW = datetime(2024, 11, 25, tzinfo=UTC)
ASKED = Asked(arms=("tree", "list"))
ODD = ("tree", "list", "cookie", "", "1e999", "\ud800", "2024-11-24T12:00:00Z")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS | st.sampled_from(ODD),
    lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(max_size=3), of, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat)
USERS = st.sampled_from(("a", "b", "c", 1, 2))
ARMS = st.sampled_from(("tree", "list"))
VALID = st.one_of(
    st.builds(
        exposure,
        USERS,
        ARMS,
        at=TIMES,
        source=st.sampled_from(("assignment", "cookie")),
        rollout=st.sampled_from((10, 50, "50", "x", 0.5)),
    ),
    st.builds(start, USERS, ARMS | st.just(""), at=TIMES),
)


@st.composite
def bent(draw: st.DrawFn) -> dict[str, Any]:
    """Return an event of which something is left out or is something else."""
    told = draw(VALID)
    for _ in range(draw(st.integers(1, 2))):
        part = told
        if isinstance(told.get("experiment"), dict) and draw(st.booleans()):
            part = told["experiment"]
        key = draw(st.sampled_from(sorted(part))) if part else "x"
        if draw(st.booleans()):
            part.pop(key, None)
        else:
            part[key] = draw(VALUES)
    return told


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a line that is cut, doubled or overwritten somewhere."""
    line = written(draw(VALID))[:-1]
    at = draw(st.integers(0, len(line)))
    filler = draw(st.binary(max_size=6) | st.sampled_from((b"\r", b"{", b'"', b"[" * 2000, b"NaN")))
    return line[:at] + filler + line[at + draw(st.integers(0, len(line))) :]


LINES = st.lists(VALID | bent() | damaged() | st.binary(max_size=30), max_size=30).filter(
    lambda lines: not written(*lines).startswith(b"\x1f\x8b")  # that would be gzip
)


def fed(raw: bytes, size: int = 2**16) -> tuple[int, Summary]:
    tally = Tally()
    lines = feed(tally, (raw[i : i + size] for i in range(0, len(raw), size)))
    return lines, summary(tally, ASKED, NOW)


def verdict(line: bytes) -> str:
    try:
        exact(line)
    except Refusing as refusing:
        return refusing.refusal.words
    return ""


@given(lines=LINES, size=st.sampled_from((1, 50, 2**16)))
def test_each_line_is_a_record_or_a_fault_or_empty(lines: list[object], size: int) -> None:
    raw = written(*lines)
    split = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1]
    read, told = fed(raw, size)
    assert read == len(split)
    assert told.records + told.refused == sum(bool(line.strip()) for line in split)
    places = [one.place.line for one in told.first_refused]
    assert places == sorted(set(places))
    assert all(0 < place <= read for place in places)


@given(lines=LINES)
def test_a_line_is_judged_as_if_it_stood_alone(lines: list[object]) -> None:
    raw = written(*lines)
    split = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1]
    wrong = {n: verdict(line) for n, line in enumerate(split, 1) if line.strip()}
    told = fed(raw)[1]
    faults = [(n, words) for n, words in wrong.items() if words]
    assert [(one.place.line, one.refusal.words) for one in told.first_refused] == faults[:20]
    assert told.refused == len(faults)


@given(
    raw=st.binary(max_size=200) | st.binary(max_size=60).map(gzip.compress), cut=st.integers(0, 80)
)
def test_bytes_of_any_kind_are_read_or_told_to_be_broken(raw: bytes, cut: int) -> None:
    for one in (raw, raw[:cut], gzip.compress(raw)[: -cut or None]):
        try:
            _, told = fed(one)
        except Broken:
            continue
        assert told.records + told.refused <= one.count(b"\n") + len(raw) + 1


@given(events=st.lists(VALID, max_size=60))
def test_counts_are_those_of_a_plain_count(events: list[dict[str, Any]]) -> None:
    inside = [one for one in events if 1970 <= _utc_year(one["timestamp"]) < 3000]
    seen = [one for one in inside if one["event_name"] == "experiment_exposure"]
    told = fed(written(*events))[1]
    for arm in told.arms:
        own = [one for one in seen if one["experiment"]["variant"] == arm.arm]
        new = [one for one in own if one["experiment"]["source"] != "cookie"]
        assert (arm.exposures, arm.by_cookie) == (len(own), len(own) - len(new))
        assert arm.users == len({one["user_id"] for one in own})
        assert arm.new_users == len({one["user_id"] for one in new})
    assert told.outside == len(events) - len(inside)
    starts = sum(arm.session_starts for arm in told.arms) + told.armless_starts
    assert starts == len(inside) - len(seen)


def _utc_year(written_as: str) -> int:
    at = datetime.fromisoformat(written_as)
    offset = at.utcoffset() or timedelta(0)
    at = at.replace(tzinfo=None)
    try:
        return (at - offset).year
    except OverflowError:
        return at.year


@given(lines=LINES)
def test_everything_can_be_shown_and_told(lines: list[object]) -> None:
    read, told = fed(written(*lines))
    export = Export(("a", "b"), read)
    for symbols in (UNICODE, ASCII):
        shown = plain(analysis(export, told, symbols))
        assert "\x1b" not in shown
        assert len(shown.splitlines()) < 100
    facts = json.loads(json.dumps(of_analysis(export, told), allow_nan=False))
    assert facts["invalid"] == told.refused
