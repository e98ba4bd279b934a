"""`kubectl ramp analyze`: files, gzip, URLs, standard input, exit codes, what is shown."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml

from exports import NOON, SECOND, crowd, event, exposure, start, written

Golden = Callable[[str, str], None]
BOTH = ("--expected-variant", "tree", "--expected-variant", "list")
FINE = written(*crowd(51, 49), start("u-list-1", "list", at=NOON + 100 * SECOND))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write an export into the folder that commands run in."""
    monkeypatch.chdir(tmp_path)

    def write(raw: bytes = FINE, name: str = "export.jsonl") -> str:
        (tmp_path / name).write_bytes(raw)
        return name

    return write


def told(said: Any) -> dict[str, Any]:
    return json.loads(said.out)


# --- what is shown -------------------------------------------------------------------------------


def runbook() -> bytes:
    """Return an hour of an experiment at 50 %, with users who kept their cookie from 10 %."""
    lines: list[object] = []
    for n in range(1200):
        arm = "list" if n * 7 % 100 < 50 else "tree"
        at = NOON + n * 3 * SECOND
        lines.append(exposure(f"u-{n}", arm, at=at, bucket=n * 7 % 100))
        if n % 3:
            lines.append(start(f"u-{n}", arm, at=at + SECOND))
        if n % 4 == 0:
            old = "list" if n % 40 == 0 else "tree"
            lines.append(exposure(f"old-{n}", old, at=at + SECOND, source="cookie", rollout=50))
        if n % 6 == 0:
            lines.append(event("page_seen", f"u-{n}", at=at + SECOND))
    return written(*lines)


def harmed() -> bytes:
    """Return an export with all that can be wrong."""
    lines: list[object] = [*crowd(140, 260), exposure("u-list-3", "tree"), "{", b"\xff", "[]"]
    lines += [event("experiment_exposure", "z"), start("nobody", "")]
    lines += [exposure("a", "list") | {"user_id": None}] * 20
    late = exposure("late", "tree", at=NOON.replace(year=2900))
    return written(*lines, *crowd(3, 2, name="another"), late)


def test_a_person_reads_it_at_a_glance(file, ramp, golden: Golden) -> None:
    said = ramp("analyze", file(runbook()), *BOTH)
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= 120
    golden("cli/analyze.txt", said.out)


def test_the_documentation_shows_that_screen() -> None:
    root = Path(__file__).parents[3]
    screen = (root / "tests" / "golden" / "cli" / "analyze.txt").read_text(encoding="utf-8")
    assert f"list\n{screen}```" in (root / "docs" / "analyze.md").read_text(encoding="utf-8")


def test_what_is_wrong_is_told(file, ramp, golden: Golden) -> None:
    said = ramp("analyze", file(harmed()), *BOTH, "--rollout", "50")
    assert said.code == 1
    assert max(map(len, said.out.splitlines())) <= 120
    golden("cli/analyze-wrong.txt", said.out)


def test_programs_read_the_same_facts(file, ramp, golden: Golden) -> None:
    said = ramp("analyze", file(harmed()), *BOTH, "--rollout", "50", "-o", "json")
    assert said.code == 1
    facts = told(said)
    golden("cli/facts-analyze.json", f"{json.dumps(facts, indent=2)}\n")
    in_yaml = ramp("analyze", "export.jsonl", *BOTH, "--rollout", "50", "-o", "yaml")
    assert yaml.safe_load(in_yaml.out) == facts


def test_names_cannot_move_the_cursor(file, ramp) -> None:
    raw = written(exposure("a", "\x1b[31mred\u202e"), exposure("b", "x" * 150))
    said = ramp("analyze", file(raw))
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    assert max(map(len, said.out.splitlines())) < 160


# --- exit codes ----------------------------------------------------------------------------------


ENDS = {
    "valid": (FINE, (), 0, "every line is valid, and every arm reports"),
    "both arms expected and there": (FINE, BOTH, 0, "every line is valid, and every arm reports"),
    "a line that is none": (FINE + b"{\n", BOTH, 1, "1 line not valid"),
    "a silent arm": (written(*crowd(0, 9)), BOTH, 1, "no exposures of list"),
    "an arm that nobody expected": (FINE, (*BOTH, "--expected-variant", "grid"), 1, "of grid"),
    "empty": (b"", (), 1, "no exposures"),
    "empty, with arms expected": (b"", BOTH, 1, "no exposures"),
    "another experiment": (FINE, ("--experiment-name", "colours"), 1, "no exposures of colours"),
    "the experiment by name": (FINE, ("--experiment-name", "skill_tree_layout"), 0, "every line"),
    "two experiments": (FINE + written(*crowd(1, 1, name="b")), BOTH, 1, "several experiments"),
    "one of two": (
        FINE + written(*crowd(1, 1, name="b")), ("--experiment-name", "b"), 0, "every line"),
    "as the rollout that is asked for": (FINE, (*BOTH, "--rollout", "50"), 0, "every line"),
    "not as it is": (FINE, (*BOTH, "--rollout", "10"), 1, "do not grow as --rollout says"),
    "not as the records say": (
        written(*crowd(10, 90)), BOTH, 0, "they do not grow as the rollout says"),
    "nothing in the window": (FINE, ("--until", "2024-11-24T12:00Z"), 1, "no exposures"),
    "invalid outside the window": (b"{\n", ("--until", "2024-11-24T12:00Z"), 1, "1 line not valid"),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "options", "code", "words"), ENDS.values(), ids=ENDS)
def test_the_last_line_says_how_it_ends(  # noqa: PLR0917 - a table's row, and fixtures
    raw: bytes, options: tuple[str, ...], code: int, words: str, ramp, tmp_path: Path
) -> None:
    file = tmp_path / "export.jsonl"
    file.write_bytes(raw)
    said = ramp("analyze", str(file), *options)
    assert said.code == code
    assert words in said.out.splitlines()[-1]
    again = ramp("analyze", str(file), *options, "-o", "json")
    assert (again.code, told(again)["exitCode"], told(again)["valid"]) == (code, code, not code)


UNREADABLE = {
    "no such file": "gone.jsonl",
    "a folder": ".",
    "no such scheme": "nowhere://bucket/export.jsonl",
    "no file under a URL": "memory://gone/*.jsonl",
    "a gzip file that is cut off": "cut.jsonl.gz",
}


@pytest.mark.parametrize("source", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_ends_with_2(source: str, file, ramp) -> None:
    file(gzip.compress(FINE)[:-9], "cut.jsonl.gz")
    said = ramp("analyze", file(), source)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")


USAGE = {
    "no file": (),
    "an arm twice": ("x", "--expected-variant", "tree", "--expected-variant", "tree"),
    "a rollout without arms": ("x", "--rollout", "50"),
    "a rollout beyond all": ("x", *BOTH, "--rollout", "101"),
    "a window the wrong way round": ("x", "--since", "2024-11-25", "--until", "2024-11-24"),
    "a window of words": ("x", "--since", "yesterday"),
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_wrong_command_line_ends_with_64(arguments: tuple[str, ...], ramp) -> None:
    assert ramp("analyze", *arguments).code == 64


# --- sources -------------------------------------------------------------------------------------


def test_gzip_needs_no_option(file, ramp) -> None:
    plain = ramp("analyze", file(), "-o", "json")
    packed = ramp("analyze", file(gzip.compress(FINE), "export.gz"), "-o", "json")
    assert told(packed) | {"sources": []} == told(plain) | {"sources": []}


def test_standard_input_is_a_dash(file, program) -> None:
    said = program("analyze", "-", *BOTH, typed=FINE.decode() + "{\n")
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith("Export      standard input   102 lines")
    assert "line 102   the line is not JSON, or cut off" in said.out


def test_a_url_is_opened_and_a_star_stands_for_all_parts(ramp) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/events/api-1.jsonl", FINE)
    memory.pipe("/events/api-2.jsonl", written(exposure("x", "tree")))
    said = ramp("analyze", "memory://events/*.jsonl", "-o", "json")
    assert (said.code, told(said)["lines"]) == (0, 102)


def test_files_of_several_pods_are_one_export(file, ramp) -> None:
    one = file(written(exposure("a", "tree"), "x"), "api-1.jsonl")
    two = file(written(exposure("a", "tree"), exposure("b", "list"), "x"), "api-2.jsonl")
    said = ramp("analyze", one, two, "-o", "json")
    assert [(line["source"], line["line"]) for line in told(said)["firstInvalid"]] == [
        ("api-1.jsonl", 2),
        ("api-2.jsonl", 3),
    ]
    assert [(arm["arm"], arm["users"]) for arm in told(said)["arms"]] == [("tree", 1), ("list", 1)]
    shown = ramp("analyze", one, two).out
    assert "Export      2 files" in shown
    assert "api-2.jsonl:3" in shown


def test_a_window_is_a_part_of_the_export(file, ramp) -> None:
    window = ("--since", "2024-11-24T12:00:10Z", "--until", "2024-11-24T12:01:00Z")
    facts = told(ramp("analyze", file(), *window, "-o", "json"))
    assert (sum(arm["users"] for arm in facts["arms"]), facts["outsideWindow"]) == (50, 51)


def test_another_event_can_be_the_session_start(file, ramp) -> None:
    raw = FINE + written(event("lesson_begun", "u-list-1", at=NOON + 100 * SECOND))
    facts = told(ramp("analyze", file(raw), *BOTH, "--session-event", "lesson_begun", "-o", "json"))
    assert [arm["sessionStarts"] for arm in facts["arms"]] == [0, 1]


def test_no_cluster_is_asked(file, ramp, kubectl) -> None:
    assert ramp("analyze", file()).code == 0
    assert kubectl.calls() == []
