"""`lint -f` says offline what the API server would say."""

import copy
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import cli_ramps
from rampguard.api import rules

ROOT = Path(__file__).parents[3]


def changed(**spec: object) -> dict[str, Any]:
    told = copy.deepcopy(cli_ramps.MANIFEST)
    told["spec"] |= spec
    return told


def watched(*guardrails: dict[str, object], **spec: object) -> dict[str, Any]:
    return changed(guardrails=guardrails, **spec)


COHORT = {"assignments": 'experiment_assignments_total{experiment="tree",source="assignment"}'}
STARTS = {
    "name": "starts",
    "type": "RelativeDrop",
    "tolerance": 5,
    "metric": 'session_starts_total{source="assignment"}',
}
ERRORS = {
    "name": "errors",
    "type": "ErrorRate",
    "tolerance": 20,
    "metric": 'http_requests_total{status=~"5.."}',
    "requests": "http_requests_total",
}


def write(path: Path, *documents: object) -> str:
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


BIASED = (
    'spec.guardrails.0.metric (starts): needs source="assignment" as metrics.assignments has it:'
    " without it, starts of users who were assigned before the change would be counted (biased,"
    " not noisy) (found session_starts_total)"
)
MISTAKES: dict[str, tuple[object, str]] = {
    "a text for from": (
        changed(**{"from": "10"}),
        'spec.from: should be a valid integer (found "10")',
    ),
    "a text beyond all lines for from": (
        changed(**{"from": "1\n" * 200}),
        f'spec.from: should be a valid integer (found "{"1 " * 59}1…")',
    ),
    "a number for soak": (changed(soak=24), "spec.soak: should be a valid string (found 24)"),
    "a duration that is none": (changed(soak="1d"), "(found 1d)"),
    "a guardrail with a name": (
        watched(ERRORS | {"tolerance": "5"}),
        'spec.guardrails.0.tolerance (errors): should be a valid integer (found "5")',
    ),
    "a guardrail without a name": (
        watched({name: told for name, told in ERRORS.items() if name != "name"}),
        "spec.guardrails.0.name: required",
    ),
    "a guardrail with a name of any length": (
        watched(ERRORS | {"name": "x" * 99, "tolerance": "5"}),
        "spec.guardrails.0.tolerance: should be a valid integer",
    ),
    "a guardrail whose name moves the cursor": (
        watched(ERRORS | {"name": "a\x1b[2J", "tolerance": "5"}),
        "spec.guardrails.0.tolerance: should be a valid integer",
    ),
    "equal ends": (changed(to=10), "from and to must differ"),
    "steps out of order": (changed(steps=[40, 20]), "steps must be in the direction of the ramp"),
    "a step outside": (changed(steps=[60]), rules.STEP),
    "a name that is none": (changed(env="1BAD"), rules.ENV),
    "a duration in days": (changed(soak="1d"), rules.DURATION),
    "a finding too late": (
        changed(findings=["48h"]),
        "a finding cannot be due after the end of the soak",
    ),
    "an unknown field": (changed(percent=50), "spec.percent: no such field"),
    "nothing that watches": (changed(guardrails=[]), "at least one guardrail must decide"),
    "starts of everybody": (
        watched(STARTS | {"metric": "session_starts_total"}, metrics=COHORT),
        BIASED,
    ),
    "starts that are no selector": (
        watched(STARTS | {"metric": "rate(session_starts_total[5m])"}, metrics=COHORT),
        "spec.guardrails.0.metric (starts): a selector such as",
    ),
    "errors of no requests": (
        watched({name: told for name, told in ERRORS.items() if name != "requests"}),
        "ErrorRate takes metric, requests and tolerance, optionally killSwitch",
    ),
    "a drop with a killSwitch": (
        watched(STARTS | {"killSwitch": 5}, metrics=COHORT),
        "RelativeDrop takes tolerance with metric, optionally oncePerUser, or with from:",
    ),
    "a drop of everything": (
        watched(STARTS | {"tolerance": 100}, metrics=COHORT),
        "the tolerance of RelativeDrop is at most 90 percent",
    ),
    "a drop without arms": (watched(STARTS, arms=None), "arms and metrics are required"),
    "harm of others that is ignored": (
        changed(onUnattributable="Ignore"),
        "spec.onUnattributable: ",
    ),
    "an announcement to nobody": (
        changed(require={"announced": True}),
        "require.announced: true needs notify",
    ),
    "a target twice": (
        changed(targets=[{"name": "api"}, {"name": "api"}]),
        "spec.targets: Duplicate value: api",
    ),
    "a name too long": (
        {**cli_ramps.MANIFEST, "metadata": {"name": "x" * 64}},
        "the name of a ramp may have at most 63 characters",
    ),
    "no name": ({**cli_ramps.MANIFEST, "metadata": {}}, "metadata.name: required"),
    "no spec": ({k: v for k, v in cli_ramps.MANIFEST.items() if k != "spec"}, "spec"),
    "a version that is not served": (
        {**cli_ramps.MANIFEST, "apiVersion": "rampguard.dev/v9"},
        "rampguard.dev/v9",
    ),
    "a kind that is none": ({**cli_ramps.MANIFEST, "kind": "Ramp"}, "Ramp"),
}


@pytest.mark.parametrize(("document", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_file_line_and_name(
    document: object, words: str, ramp: Any, tmp_path: Path
) -> None:
    path = write(tmp_path / "ramp.yaml", document)
    said = ramp("lint", "-f", path)
    assert said.code == 1
    assert said.out.startswith(f"{path}:1: ")
    assert words in said.out
    assert said.err == "1 of 1 ramps would be refused\n"


RIGHT: dict[str, dict[str, Any]] = {
    "starts of the cohort": watched(STARTS, metrics=COHORT),
    "starts of the cohort in other quotes": watched(
        STARTS | {"metric": "session_starts_total{source='assignment'}"}, metrics=COHORT
    ),
    "starts of everybody, where everybody is counted": watched(
        STARTS | {"metric": "session_starts_total"}
    ),
    "errors without arms and metrics": watched(ERRORS, arms=None, metrics=None),
    "every type at once": changed(
        guardrails=[*cli_ramps.MANIFEST["spec"]["guardrails"], STARTS, ERRORS], metrics=COHORT
    ),
}


@pytest.mark.parametrize("document", RIGHT.values(), ids=RIGHT)
def test_what_the_operator_takes_is_ok(document: object, ramp: Any, tmp_path: Path) -> None:
    said = ramp("lint", "-f", write(tmp_path / "ramp.yaml", document))
    assert (said.code, said.out.endswith(": ok\n")) == (0, True), said.out


def test_every_metric_that_is_biased_has_a_line(ramp: Any, tmp_path: Path) -> None:
    biased = [
        STARTS | {"name": f"starts-{number}", "metric": f"starts_{number}"} for number in range(3)
    ]
    rows = ramp(
        "lint", "-f", write(tmp_path / "ramp.yaml", watched(*biased, metrics=COHORT))
    ).out.splitlines()
    fields = [row.split(": ")[2] for row in rows]
    assert fields == [f"spec.guardrails.{number}.metric (starts-{number})" for number in range(3)]


def test_a_hostile_matcher_is_told_safely(ramp: Any, tmp_path: Path) -> None:
    hostile = {"assignments": 'a_total{source="\x1b[2J; spec.to: ok' + "x" * 999 + '"}'}
    said = ramp("lint", "-f", write(tmp_path / "ramp.yaml", watched(STARTS, metrics=hostile)))
    assert said.code == 1
    assert "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 1000


def test_each_mistake_has_a_line(ramp: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "ramp.yaml", changed(env="1BAD", soak="1d", percent=50))
    rows = ramp("lint", "-f", path).out.splitlines()
    assert [row.split(": ")[2] for row in rows] == ["spec.env", "spec.soak", "spec.percent"]


def test_all_examples_are_valid(ramp: Any) -> None:
    said = ramp("lint", "-f", str(ROOT / "examples" / "ramps"))
    assert (said.code, said.err) == (0, "")
    assert all(row.endswith(": ok") for row in said.out.splitlines())


def test_every_document_of_every_file_is_checked(ramp: Any, tmp_path: Path) -> None:
    service = {"kind": "Service", "apiVersion": "v1"}
    one = write(tmp_path / "a.yaml", service, cli_ramps.MANIFEST, None, changed(to=10))
    two = write(tmp_path / "b.yaml", {"kind": "List", "items": [changed(env="1BAD"), service]})
    said = ramp("lint", "-f", one, "-f", two)
    assert said.code == 1
    assert len(said.out.splitlines()) == 3
    assert said.err == "2 of 3 ramps would be refused\n"


def test_standard_input_is_a_file_too(ramp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written = yaml.safe_dump(cli_ramps.MANIFEST).encode()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(written)))
    said = ramp("lint", "-f", "-")
    assert (said.code, said.out) == (0, "standard input:1: tree-50: ok\n")


NOT_YAML = {
    "an open bracket": (b"spec: [", "expected"),
    "a tab": (b"a:\n\tb: 1", "cannot start any token"),
    "a key twice": (b"kind: ExperimentRamp\nspec: {}\nspec: {}", "key 'spec' stands twice"),
    "a class of Python": (b"!!python/object:os.system {}", "could not determine"),
    "no text at all": (b"\x00\x01\xff", "not YAML"),
    "an alias of nothing": (b"a: *b", "undefined alias"),
    "too deep": (b"[" * 5000, "not YAML"),
}


@pytest.mark.parametrize(("written", "words"), NOT_YAML.values(), ids=NOT_YAML)
def test_what_is_no_yaml_is_told_and_not_run(
    written: bytes, words: str, ramp: Any, tmp_path: Path
) -> None:
    path = tmp_path / "ramp.yaml"
    path.write_bytes(written)
    said = ramp("lint", "-f", str(path))
    assert said.code == 1
    assert words in said.out
    assert "Traceback" not in said.err


def test_hostile_strings_of_a_manifest_are_shown_safely(ramp: Any, tmp_path: Path) -> None:
    hostile = changed(env="\x1b[2J[bold]" + "x" * 9999)
    hostile["metadata"]["name"] = "a\x1b[31mb"
    said = ramp("lint", "-f", write(tmp_path / "ramp.yaml", hostile))
    assert said.code == 1
    assert "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 1000


def test_a_date_stays_text_as_for_the_api_server(ramp: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "ramp.yaml", changed(owner="2026-11-23"))
    assert ramp("lint", "-f", path).code == 0
    text = (tmp_path / "ramp.yaml").read_text().replace("'2026-11-23'", "2026-11-23")
    (tmp_path / "ramp.yaml").write_text(text)
    assert ramp("lint", "-f", path).code == 0


def test_a_file_that_is_not_there_is_unreached(ramp: Any, tmp_path: Path) -> None:
    said = ramp("lint", "-f", str(tmp_path / "none.yaml"))
    assert said.code == 3
    assert "No such file" in said.err


def test_a_file_without_a_ramp_is_no_success(ramp: Any, tmp_path: Path) -> None:
    said = ramp("lint", "-f", write(tmp_path / "a.yaml", {"kind": "Service"}))
    assert said.code == 1
    assert "there is no ExperimentRamp in" in said.err


def test_a_huge_file_is_refused_before_it_is_read(ramp: Any, tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (3 * 2**20 + 1))
    said = ramp("lint", "-f", str(path))
    assert (said.code, "larger than 3 MiB" in said.err) == (1, True)
