"""`kubectl ramp replay`: files, URLs, standard input, and the operator through a port-forward."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fake_operator import DEPLOYMENT, RAMP, Operator, reached
from rampguard.core.model import Because, Verdict
from rampguard.core.reasons import Reason
from rampguard.core.replay import Record
from scenes import SECOND
from taped import UID, one, walked, written

NAME = f"app_skill-tree-layout-50_{UID}.jsonl.gz"


@pytest.fixture
async def kept() -> list[Record]:
    return await walked("counted")


@pytest.fixture
def file(kept: list[Record], tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(written(kept))
    return path


def tampered(kept: list[Record]) -> list[Record]:
    """Return records of which one says of one judgement what it was not."""
    n = next(i for i, r in enumerate(kept) if r.seen.looks and r.seen.looks[0].judgements[0].number)
    looks = kept[n].seen.looks
    (judged,) = looks[0].judgements
    changed = replace(looks[0], judgements=(replace(judged, verdict=Verdict.BREACHED),))
    seen = replace(kept[n].seen, looks=(changed, *looks[1:]))
    return [*kept[:n], replace(kept[n], seen=seen), *kept[n + 1 :]]


def test_a_ramp_comes_out_as_it_was_recorded(file, kept, ramp, golden):
    said = ramp("replay", str(file))
    assert (said.code, said.err) == (0, "")
    golden("cli/replay.txt", said.out)
    table = dict(zip(*(row.split() for row in said.out.splitlines()[2:4]), strict=True))
    looks = sum(len(one.seen.looks) for one in kept)
    assert looks > 3
    assert table == {
        "RECORDS": str(len(kept)),
        "LOOKS": str(looks),
        "JUDGEMENTS": str(looks),
        "DECISIONS": str(len(kept)),
        "DIFFERENCES": "0",
        "GAPS": "0",
        "VERSIONS": "1.2.3",
    }


def test_a_changed_judgement_is_that_difference_and_no_other(kept, ramp, tmp_path, golden):
    path = tmp_path / "changed.jsonl.gz"
    path.write_bytes(written(tampered(kept)))
    said = ramp("replay", str(path))
    assert said.code == 1
    golden("cli/replay-differs.txt", said.out)
    told = json.loads(ramp("replay", str(path), "-o", "json").out)
    (found,) = told["differences"]
    assert (told["different"], told["exitCode"]) == (1, 1)
    assert found["path"] == "seen.looks[0].judgements[0 balance].verdict"
    assert (found["recorded"], found["recomputed"]) == ("Breached", "Inconclusive")


def test_one_changed_byte_of_the_lines_is_that_difference(kept, ramp, tmp_path):
    rows = gzip.decompress(written(kept)).splitlines(keepends=True)
    n = next(i for i, row in enumerate(rows) if b'"counted":[' in row)
    at = rows[n].index(b'"counted":[') + len(b'"counted":[')
    other = b"1" if rows[n][at : at + 1] != b"1" else b"2"
    rows[n] = rows[n][:at] + other + rows[n][at + 1 :]
    path = tmp_path / "changed.jsonl"
    path.write_bytes(b"".join(rows))
    said = ramp("replay", str(path), "-o", "json")
    assert said.code == 1
    (found,) = json.loads(said.out)["differences"]
    assert found["path"] == "seen.looks[0].judgements[0 balance].counted"
    assert len(found["recorded"]) == len(found["recomputed"])


def test_programs_get_it_as_json(file, ramp):
    told = json.loads(ramp("replay", str(file), "-o", "json").out)
    assert (told["apiVersion"], told["kind"]) == ("rampguard.dev/cli/v1", "RampReplay")
    assert (told["namespace"], told["name"], told["versions"]) == ("app", RAMP, ["1.2.3"])
    assert (told["different"], told["differences"], told["gaps"], told["exitCode"]) == (
        0,
        [],
        [],
        0,
    )


def test_each_look_is_a_line_where_it_is_asked_for(file, kept, ramp):
    said = ramp("replay", str(file), "--verbose")
    rows = [row for row in said.out.splitlines() if "  same     balance" in row]
    assert len(rows) == sum(len(one.seen.looks) for one in kept)


def test_standard_input_may_be_compressed_or_not(file, program):
    import subprocess  # noqa: PLC0415 - bytes on a pipe
    import sys  # noqa: PLC0415 - as above

    for raw in (file.read_bytes(), gzip.decompress(file.read_bytes())):
        done = subprocess.run(
            [sys.executable, "-m", "rampguard.cli", "replay", "-"],
            input=raw,
            check=False,
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")


def test_parts_behind_a_url_are_one_record(kept, ramp, tmp_path):
    for n, part in enumerate((kept[:4], kept[4:]), 1):
        (tmp_path / f"app_x_u.{n:06}.jsonl.gz").write_bytes(written(part))
    said = ramp("replay", f"file://{tmp_path}/app_x_u.*", "-o", "json")
    assert (said.code, json.loads(said.out)["records"]) == (0, len(kept))


def test_a_tail_that_is_cut_off_is_told_and_is_no_difference(kept, ramp, tmp_path):
    path = tmp_path / "torn.jsonl.gz"
    path.write_bytes(written(kept)[:-40])
    said = ramp("replay", str(path), "-o", "json")
    told = json.loads(said.out)
    assert said.code == 0
    assert told["records"] in {len(kept) - 1, len(kept) - 2}
    assert len(told["gaps"]) <= 1
    assert "after record" in ramp("replay", str(path)).out or not told["gaps"]


UNREADABLE = {
    "no such file": ("nothing.jsonl.gz", None, "No such file"),
    "no record": ("text.gz", b"hello", "there is no record of a ramp"),
    "empty": ("empty.gz", b"", "there is no record of a ramp"),
    "of a later format": (
        "later.jsonl",
        b'{"rampguard.dev/record":2}\n{"record":{}}\n',
        "it is of format 2, this version knows 1",
    ),
}


@pytest.mark.parametrize(("name", "raw", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_record_is_told(name, raw, words, ramp, tmp_path):
    path = tmp_path / name
    if raw is not None:
        path.write_bytes(raw)
    said = ramp("replay", str(path))
    assert (said.code, said.out) == (3, "")
    assert words in said.err


@pytest.mark.parametrize("url", ["nosuch://x/y", "file:///nowhere/at/all", "file:///nowhere/*"])
def test_a_url_that_leads_nowhere_is_told(url, ramp):
    said = ramp("replay", url)
    assert said.code == 3
    assert url in said.err


@pytest.mark.parametrize("name", ["NOPE", "a_b", "ramp/", "ramp/A"])
def test_what_is_neither_is_a_mistake_of_the_command_line(name, ramp):
    assert ramp("replay", name).code == 64


def test_a_hostile_record_moves_no_cursor(ramp, tmp_path, kept):
    worst = Because(Reason.SOAKING, "\x1b[2J\u202e")
    bad = [replace(r, decision=replace(r.decision, because=worst)) for r in kept]
    path = tmp_path / "bad.jsonl.gz"
    path.write_bytes(written(bad))
    said = ramp("replay", str(path))
    assert said.code == 1
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out


def test_many_differences_are_counted_and_the_first_are_shown(ramp, tmp_path):
    wrong = [
        replace(r, decision=replace(r.decision, fenced=not r.decision.fenced))
        for r in (one(i * SECOND) for i in range(30))
    ]
    path = tmp_path / "wrong.jsonl.gz"
    path.write_bytes(written(wrong))
    said = ramp("replay", str(path))
    assert said.code == 1
    assert said.out.count("decision.fenced") == 20
    assert "and 10 more differences" in said.out


@pytest.fixture
def operator(kept: list[Record]) -> Iterator[Operator]:
    with Operator({NAME: written(kept)}).running() as server:
        yield server


@pytest.mark.parametrize("name", [RAMP, f"ramp/{RAMP}"])
def test_the_record_of_a_ramp_is_fetched_from_its_operator(name, operator, kubectl, ramp, kept):
    reached(kubectl, operator)
    said = ramp("replay", name, "-n", "app", "--context", "there", "-o", "json")
    assert (said.code, json.loads(said.out)["records"]) == (0, len(kept))
    (forward,) = [call for call in kubectl.calls() if call[0] == "port-forward"]
    assert forward == [
        "port-forward",
        "deployment/rampguard",
        ":9000",
        "--namespace=rampguard-system",
        "--context=there",
    ]


def test_a_ramp_that_is_gone_is_found_by_its_name(operator, kubectl, ramp, kept):
    operator.files[f"app_{RAMP}_older.jsonl.gz"] = b"not this one"
    operator.files[f"other_{RAMP}_{UID}.jsonl.gz"] = b"nor this"
    reached(kubectl, operator, uid=None)
    said = ramp("replay", RAMP, "-n", "app", "-o", "json")
    assert (said.code, json.loads(said.out)["records"]) == (0, len(kept))


def test_the_record_of_an_earlier_ramp_of_the_name_is_not_taken_for_it(operator, kubectl, ramp):
    reached(kubectl, operator, uid="another")
    said = ramp("replay", RAMP, "-n", "app")
    assert said.code == 3
    assert f"no operator has a record of {RAMP}" in said.err


def test_a_forward_that_fails_is_told_in_the_words_of_kubectl(kubectl, ramp):
    kubectl.on("get", "experimentramps", out={"metadata": {"name": RAMP, "namespace": "app"}})
    kubectl.on("get", "deployments", out={"items": [DEPLOYMENT]})
    words = 'Error from server (Forbidden): "me" cannot create resource "pods/portforward"'
    kubectl.on("port-forward", err=words, code=1)
    said = ramp("replay", RAMP, "-n", "app")
    assert said.code == 3
    assert "cannot reach the operator in namespace rampguard-system" in said.err
    assert "pods/portforward" in said.err


def test_without_an_operator_there_is_nothing_to_ask(kubectl, ramp):
    kubectl.on("get", "experimentramps", out={"metadata": {"name": RAMP, "namespace": "app"}})
    kubectl.on("get", "deployments", out={"items": []})
    said = ramp("replay", RAMP)
    assert said.code == 3
    assert "no operator is seen" in said.err
