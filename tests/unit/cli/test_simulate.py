"""`simulate`: the command line, the file of a history, what Prometheus says, what is refused."""

import gzip
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
import yaml

from pasts import BEGIN, PLAN, PODS, past
from rampguard.cli import exports
from rampguard.cli.exits import Told
from rampguard.cli.past import headers_of
from scenes import MINUTE, SECOND
from simulated import MANIFEST, write_manifest
from skips import missing

DAYS = 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return a manifest and an exported history that fit each other."""
    home = tmp_path_factory.mktemp("simulate")
    told = past(days=DAYS)
    exports.write(str(home / "past.json.gz"), told)
    exports.write(str(home / "past.json"), told)
    return SimpleNamespace(
        home=home,
        manifest=str(write_manifest(home)),
        packed=str(home / "past.json.gz"),
        plain=str(home / "past.json"),
    )


class Prometheus(BaseHTTPRequestHandler):
    """Answers as it is told to: by status and text."""

    answers: list[tuple[int, bytes]]
    asked: list[dict[str, list[str]]]
    headers_seen: list[str]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.asked.append(parse_qs(self.rfile.read(length).decode()))
        self.headers_seen.append(self.headers.get("Authorization", ""))
        status, body = self.answers[min(len(self.asked), len(self.answers)) - 1]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    """Return a Prometheus that answers what it is told to; url, answers, asked."""
    kind = type("Told", (Prometheus,), {"answers": [], "asked": [], "headers_seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as web:
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{web.server_address[1]}"
        yield SimpleNamespace(url=url, told=kind)
        web.shutdown()
        thread.join()


EMPTY = orjson.dumps({"status": "success", "data": {"resultType": "matrix", "result": []}})


# --- from a file ---------------------------------------------------------------------------------


def test_a_ramp_is_simulated_from_a_file(files, ramp):
    said = ramp("simulate", "-f", files.manifest, "--from", files.packed)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Steps\n")
    assert said.out.endswith("\nNothing was changed.\n")


def test_packed_or_not_the_output_is_equal(files, ramp):
    both = [ramp("simulate", "-f", files.manifest, "--from", one) for one in
            (files.packed, files.plain)]  # fmt: skip
    assert both[0] == both[1]


def test_programs_get_facts(files, ramp):
    said = ramp("simulate", "-f", files.manifest, "--from", files.packed, "-o", "json")
    told = json.loads(said.out)
    assert (told["apiVersion"], told["kind"]) == ("rampguard.dev/cli/v1", "Simulation")
    assert (told["replays"]["count"], told["replays"]["rolledBack"], told["changed"]) == (
        1,
        0,
        False,
    )
    assert [one["name"] for one in told["guardrails"]] == [one.name for one in PLAN.ask.guardrails]
    as_yaml = ramp("simulate", "-f", files.manifest, "--from", files.packed, "-o", "yaml")
    assert yaml.safe_load(as_yaml.out) == told


def test_what_was_exported_is_read_again(tmp_path):
    told = past(days=0.5)
    for name in ("a.json", "a.json.gz"):
        exports.write(str(tmp_path / name), told)
        found = exports.read(str(tmp_path / name))
        assert (found.start, found.end, found.step) == (told.start, told.end, told.step)
        assert found.answers == told.answers
    assert (tmp_path / "a.json.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_the_same_history_is_the_same_file(tmp_path):
    for name in ("a.json.gz", "b.json.gz"):
        exports.write(str(tmp_path / name), past(days=0.5))
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


STEPLESS = orjson.dumps(
    {
        "apiVersion": "rampguard.dev/history/v1",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-02T00:00:00Z",
        "stepSeconds": 0,
        "queries": [],
    }
)
# fmt: off
BROKEN_FILES: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{", "is no history that --export wrote"),
    "an empty file": (b"", "is no history that --export wrote"),
    "something else": (b"[]", "is no history that --export wrote"),
    "a later version": (b'{"apiVersion": "rampguard.dev/history/v9"}', "history/v1 is needed"),
    "a step of nothing": (STEPLESS, "is no history"),
    "half a packed file": (gzip.compress(b"{}" * 1000)[:20], "cannot read"),
}
# fmt: on


@pytest.mark.parametrize(("written", "words"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_a_broken_file_is_told(written, words, files, ramp, tmp_path):
    (tmp_path / "past").write_bytes(written)
    said = ramp("simulate", "-f", files.manifest, "--from", str(tmp_path / "past"))
    assert said.code in {1, 3}
    assert words in said.err
    assert said.out == ""


def test_a_file_of_another_ramp_is_told_with_what_it_lacks(files, ramp):
    said = ramp("simulate", "-f", files.manifest, "--from", files.packed, "-n", "other")
    assert said.code == 1
    assert "export it again" in said.err
    assert 'namespace="other"' in said.err


def test_a_history_that_is_too_short_is_told(files, ramp, tmp_path):
    exports.write(str(tmp_path / "short.json"), past(days=0.02))
    said = ramp("simulate", "-f", files.manifest, "--from", str(tmp_path / "short.json"))
    words = (
        "error: Prometheus remembers only 30m of what this ramp counts; it needs 1h: try again in"
    )
    assert (said.code, said.err) == (1, f"{words} 30m\n")


def test_what_began_less_than_a_step_ago_is_told_to_the_quarter_of_a_minute(files, ramp, server):
    at = BEGIN + 4 * MINUTE
    young = orjson.dumps(
        {
            "status": "success",
            "data": {
                "result": [
                    {
                        "metric": {"pod": PODS[0], "variant": arm},
                        "values": [[(at - back * SECOND).timestamp(), "1"] for back in (30, 15, 0)],
                    }
                    for arm in ("tree", "list")
                ]
            },
        }
    )
    server.told.answers = [(200, EMPTY)] * 4 + [(200, young)]
    options = ("--prometheus", server.url, "--at", at.isoformat(), "--days", "0.2")
    said = ramp("simulate", "-f", files.manifest, *options)
    words = (
        "error: Prometheus remembers only 30s of what this ramp counts; it needs 1h: try again in"
    )
    assert (said.code, said.err) == (1, f"{words} 59m\n")
    assert {one["step"][0] for one in server.told.asked[4:]} == {"15"}


def test_a_missing_signal_is_told_and_refused(files, ramp, tmp_path):
    told = orjson.loads(Path(files.plain).read_bytes())
    told["queries"][1]["series"] = []
    (tmp_path / "past.json").write_bytes(orjson.dumps(told))
    said = ramp("simulate", "-f", files.manifest, "--from", str(tmp_path / "past.json"))
    assert said.code == 1
    assert "missing, the ramp would not start: session-starts: no series of a pod" in said.out


# --- from Prometheus -----------------------------------------------------------------------------


def asked(files: Any, ramp: Any, server: Any, *more: str) -> Any:
    where = ("-f", files.manifest, "--prometheus", server.url, "--at", "2026-11-24T12:03Z")
    return ramp("simulate", *where, *more)


def error(words: str) -> bytes:
    return orjson.dumps({"status": "error", "error": words})


PART = orjson.dumps({"status": "success", "data": {}, "warnings": ["a store is gone"]})
ODD = orjson.dumps({"status": "success", "data": {"result": [1]}})
# fmt: off
ANSWERS: dict[str, tuple[int, bytes, str]] = {
    "nothing is remembered": (200, EMPTY, "Prometheus remembers nothing of what this ramp counts"),
    "a login is wanted": (401, b"who are you?", "give --header-file"),
    "a redirect": (302, b"", "give the URL that it redirects to"),
    "another server": (404, b"<html>", "has no /api/v1"),
    "an error of Prometheus": (422, error("too many samples"), "too many samples"),
    "a part of the answer": (200, PART, "a partial answer"),
    "an odd shape": (200, ODD, "unknown shape"),
    "an escape in its words": (500, error("\x1b[31m"), ""),
}
# fmt: on


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_prometheus_says_is_told(answer, files, ramp, server):
    status, body, words = answer
    server.told.answers.append((status, body))
    said = asked(files, ramp, server)
    assert said.code in {1, 3}
    assert words in said.err
    assert "\x1b" not in said.err


def test_a_long_range_is_asked_in_parts_on_a_grid(files, ramp, server):
    server.told.answers.append((200, EMPTY))
    asked(files, ramp, server, "--days", "2")
    coarse = [one for one in server.told.asked if one["step"] == ["300"]]
    spans = [(int(one["start"][0]), int(one["end"][0])) for one in coarse]
    of_one = spans[: len(spans) // 4]  # four queries
    assert len(of_one) == 3
    assert of_one[-1][1] == 1795521600  # noon: --at on the grid
    assert all(start % 300 == 0 for start, _ in of_one)
    assert [b[0] - a[1] for a, b in pairwise(of_one)] == [300, 300]
    assert server.told.asked[:12] == coarse  # then the last hour closer, for it found nothing


def test_a_token_is_sent(files, ramp, server, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    server.told.answers.append((200, EMPTY))
    said = asked(files, ramp, server, "--header-file", str(tmp_path / "token"))
    assert set(server.told.headers_seen) == {"Bearer secret"}
    assert "secret" not in said.err


def test_headers_are_read_line_by_line(tmp_path):
    (tmp_path / "headers").write_text("X-Scope-OrgID: a\nAuthorization: Basic b:c\n")
    told = headers_of(str(tmp_path / "headers"))
    assert told == {"X-Scope-OrgID": "a", "Authorization": "Basic b:c"}
    with pytest.raises(Told, match="cannot read"):
        headers_of(str(tmp_path / "none"))


UNREACHED = {
    "nobody listens": ("http://127.0.0.1:9", "cannot be reached"),
    "no URL": ("prometheus", "is no URL"),
}


@pytest.mark.parametrize(("url", "words"), UNREACHED.values(), ids=UNREACHED)
def test_a_prometheus_that_is_not_there_is_told(url, words, files, ramp):
    said = ramp("simulate", "-f", files.manifest, "--prometheus", url)
    assert (said.code, words in said.err) == (3, True)


def test_the_environment_names_the_prometheus(files, ramp, server):
    server.told.answers.append((200, EMPTY))
    said = ramp("simulate", "-f", files.manifest, RAMPGUARD_PROMETHEUS=server.url)
    assert (said.code, len(server.told.asked) > 0) == (1, True)
    # A file that is named wins over it.
    assert ramp("simulate", "-f", files.manifest, "--from", files.packed).code == 0


# --- refused -------------------------------------------------------------------------------------

USAGE: dict[str, list[str]] = {
    "no source": [],
    "two sources": ["--prometheus", "http://p", "--from", "f"],
    "a file and days": ["--from", "f", "--days", "2"],
    "a file and its export": ["--from", "f", "--export", "g"],
    "no time": ["--prometheus", "http://p", "--at", "noon"],
    "no days": ["--prometheus", "http://p", "--days", "0"],
    "a picture of no kind": ["--from", "f", "--picture", "a.gif"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_wrong_command_line_ends_with_64(arguments, files, ramp):
    assert ramp("simulate", "-f", files.manifest, *arguments).code == 64


def test_a_manifest_that_is_wrong_is_told_as_lint_does(files, ramp, tmp_path):
    wrong = {**MANIFEST, "spec": {**MANIFEST["spec"], "soak": "1d"}}
    (tmp_path / "ramp.yaml").write_text(yaml.safe_dump(wrong))
    said = ramp("simulate", "-f", str(tmp_path / "ramp.yaml"), "--from", files.packed)
    assert (said.code, "spec.soak" in said.err) == (1, True)


def test_one_ramp_is_needed(files, ramp, tmp_path):
    (tmp_path / "two.yaml").write_text(yaml.safe_dump_all([MANIFEST, MANIFEST]))
    for name, words in (("two.yaml", "holds 2"), ("none.yaml", "cannot read")):
        said = ramp("simulate", "-f", str(tmp_path / name), "--from", files.packed)
        assert said.code in {1, 3}
        assert words in said.err
    (tmp_path / "odd.yaml").write_text("a: [")
    said = ramp("simulate", "-f", str(tmp_path / "odd.yaml"), "--from", files.packed)
    assert (said.code, "is not YAML" in said.err) == (1, True)


# --- pictures ------------------------------------------------------------------------------------


def pictures() -> None:
    if find_spec("matplotlib") is None:
        missing("matplotlib is not installed: run `make setup`")


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_a_picture_is_drawn(name, begins, files, ramp, tmp_path):
    pictures()
    path = tmp_path / name
    said = ramp("simulate", "-f", files.manifest, "--from", files.packed, "--picture", str(path))
    assert (said.code, path.read_bytes()[: len(begins)]) == (0, begins)
    again = tmp_path / f"again-{name}"
    ramp("simulate", "-f", files.manifest, "--from", files.packed, "--picture", str(again))
    assert again.read_bytes() == path.read_bytes()


def test_without_the_library_it_says_how_to_get_it(files, ramp, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "rampguard.cli.picture", raising=False)
    said = ramp("simulate", "-f", files.manifest, "--from", files.packed, "--picture", "a.png")
    assert (said.code, "pip install 'rampguard[pictures]'" in said.err) == (3, True)
