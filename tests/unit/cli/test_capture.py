"""`capture` says where the records of affected users are, and fetches them."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import cli_ramps
from fake_operator import DEPLOYMENT

CONTENT = "what treated users did\n" * 3
SUM = hashlib.sha256(CONTENT.encode()).hexdigest()
SINCE, UNTIL = "2026-11-23T12:01:00Z", "2026-11-23T13:35:00Z"


def rolled_back(**capture: object) -> dict[str, Any]:
    """Return a ramp that was rolled back; with a capture that has these facts."""
    ramp = cli_ramps.ramp_after(
        *cli_ramps.to_the_soak(),
        {"abort": "Rollback"},
        cli_ramps.proven(60),
        cli_ramps.originals_back(70),
    )
    if capture:
        ramp["status"]["rollback"]["capture"] = {"since": SINCE, "until": UNTIL, **capture}
    return ramp


def made(url: str, **facts: object) -> dict[str, Any]:
    return rolled_back(**{"url": url, "records": 1234, "users": 57, "sha256": SUM, **facts})


def test_it_says_where_it_is(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", "tree-50", out=made("s3://bucket/app_tree-50_uid.jsonl.gz"))
    said = ramp("capture", "tree-50")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "Captured    1,234 records of 57 users",
        f"            {SINCE} to {UNTIL}",
        "Where       s3://bucket/app_tree-50_uid.jsonl.gz",
        f"sha256      {SUM}",
        "To fetch    kubectl ramp capture tree-50 -n app --to tree-50.jsonl.gz",
    ]


def test_programs_get_facts(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", "tree-50", out=made("s3://bucket/x"))
    told = json.loads(ramp("capture", "tree-50", "-o", "json").out)
    assert told == {
        "apiVersion": "rampguard.dev/cli/v1",
        "kind": "Capture",
        "since": SINCE,
        "until": UNTIL,
        "url": "s3://bucket/x",
        "records": 1234,
        "users": 57,
        "sha256": SUM,
    }


def test_a_folder_of_the_operator_is_read_through_exec(
    kubectl: Any, ramp: Any, tmp_path: Path
) -> None:
    kubectl.on("get", "tree-50", out=made("file:///captures/app_tree%2050.jsonl.gz"))
    kubectl.on("get", "deployments", out={"items": [DEPLOYMENT]})
    kubectl.on("exec", "cat", out=CONTENT)
    target = tmp_path / "x.jsonl.gz"
    said = ramp("capture", "tree-50", "--to", str(target))
    assert said.code == 0, said.err
    assert target.read_text() == CONTENT
    assert f"Written to  {target}" in said.out
    (call,) = (one for one in kubectl.calls() if one[0] == "exec")
    assert call[:3] == ["exec", "deployment/rampguard", "--namespace=rampguard-system"]
    assert call[-3:] == ["--", "cat", "/captures/app_tree 50.jsonl.gz"]


def test_a_url_is_read_from_here(kubectl: Any, ramp: Any, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text(CONTENT)
    kubectl.on("get", "tree-50", out=made(f"local://{tmp_path}/kept"))
    target = tmp_path / "x"
    assert ramp("capture", "tree-50", "--to", str(target)).code == 0
    assert target.read_text() == CONTENT


def test_what_is_not_what_was_captured_is_told(kubectl: Any, ramp: Any, tmp_path: Path) -> None:
    kubectl.on("get", "tree-50", out=made("file:///c/x", sha256="00"))
    kubectl.on("get", "deployments", out={"items": [DEPLOYMENT]}).on("exec", out=CONTENT)
    (tmp_path / "x").write_text("an earlier copy")
    said = ramp("capture", "tree-50", "--to", str(tmp_path / "x"))
    assert said.code == 1
    assert (tmp_path / "x").read_text() == "an earlier copy"
    assert not (tmp_path / "x.partial").exists()
    assert f"is not what was captured: sha256 {SUM} instead of 00" in said.err


REFUSED = {
    "there is no operator": ({"items": []}, {}, "no operator is seen", 3),
    "its pod does not have it": (
        {"items": [DEPLOYMENT]},
        {"err": "cat: /c/x: No such file or directory", "code": 1},
        "No such file",
        3,
    ),
    "nobody may": (
        {"items": [DEPLOYMENT]},
        {"err": 'Error from server (Forbidden): pods "x" is forbidden', "code": 1},
        "orbidden",
        3,
    ),
}


@pytest.mark.parametrize("told", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_fetched_is_told(
    kubectl: Any, ramp: Any, tmp_path: Path, told: tuple[Any, Any, str, int]
) -> None:
    seen, ran, words, code = told
    kubectl.on("get", "tree-50", out=made("file:///c/x"))
    kubectl.on("get", "deployments", out=seen).on("exec", **ran)
    said = ramp("capture", "tree-50", "--to", str(tmp_path / "x"))
    assert (said.code, words in said.err) == (code, True), said.err


def test_a_kubectl_that_complains_a_lot_does_not_stop(
    kubectl: Any, ramp: Any, tmp_path: Path
) -> None:
    kubectl.on("get", "tree-50", out=made("file:///c/x"))
    kubectl.on("get", "deployments", out={"items": [DEPLOYMENT]})
    kubectl.on("exec", out=CONTENT, err="Defaulted container\n" * 20_000)
    assert ramp("capture", "tree-50", "--to", str(tmp_path / "x")).code == 0


def test_what_breaks_off_is_not_begun_anew_by_another_operator(
    kubectl: Any, ramp: Any, tmp_path: Path
) -> None:
    kubectl.on("get", "tree-50", out=made("file:///c/x"))
    kubectl.on("get", "deployments", out={"items": [DEPLOYMENT, DEPLOYMENT]})
    kubectl.on("exec", out=CONTENT[:5], err="it broke off", code=1)
    said = ramp("capture", "tree-50", "--to", str(tmp_path / "x"))
    assert (said.code, "it broke off" in said.err) == (3, True)
    assert not list(tmp_path.glob("x*"))


def test_it_may_go_to_standard_output(kubectl: Any) -> None:
    kubectl.on("get", "tree-50", out=made("file:///c/x"))
    kubectl.on("get", "deployments", out={"items": [DEPLOYMENT]}).on("exec", out=CONTENT)
    code = subprocess.run(
        [sys.executable, "-m", "rampguard.cli", "capture", "tree-50", "--to", "-"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert (code.returncode, code.stdout.decode()) == (0, CONTENT), code.stderr


def test_a_file_that_cannot_be_written_is_told(kubectl: Any, ramp: Any, tmp_path: Path) -> None:
    kubectl.on("get", "tree-50", out=made("file:///c/x"))
    said = ramp("capture", "tree-50", "--to", str(tmp_path / "no" / "folder"))
    assert said.code == 1
    assert "cannot write" in said.err


WITHOUT = cli_ramps.SCENES
READS = {"source": "events"}
NONE = {
    "it was not rolled back": (WITHOUT["completed"], "was not rolled back: nothing is captured"),
    "no export": (rolled_back(), "has no spec.analytics"),
    "not yet": (rolled_back(), f"not captured yet; it is due after {UNTIL}"),
    "not yet, and why": (rolled_back(why="the disk is full"), "not captured yet: the disk is full"),
    "given up": (
        rolled_back(why="the disk is full", givenUp=True),
        "not captured, and given up: the disk is full",
    ),
    "no place": (rolled_back(), "no place for captures"),
    "not proven": (rolled_back(), "not captured yet: the rollback is not proven"),
}
NONE["not yet"][0]["status"]["rollback"]["capture"] = {"since": SINCE, "until": UNTIL}
for name in ("no place", "not proven"):
    NONE[name][0]["spec"]["analytics"] = READS
del NONE["not proven"][0]["status"]["rollback"]["provenAt"]


@pytest.mark.parametrize(("told", "words"), NONE.values(), ids=NONE)
def test_without_a_capture_it_says_why(kubectl: Any, ramp: Any, told: Any, words: str) -> None:
    kubectl.on("get", "tree-50", out=told)
    said = ramp("capture", "tree-50")
    assert (said.code, said.out) == (1, "")
    assert words in said.err


def test_an_explanation_names_it(kubectl: Any, ramp: Any) -> None:
    kubectl.on("get", "tree-50", out=made("s3://bucket/x"))
    assert "records of those who were exposed: s3://bucket/x" in ramp("explain", "tree-50").out
