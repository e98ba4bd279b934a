"""`simulate` on a real Prometheus that remembers a day of the example, written in beforehand."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from aiohttp.test_utils import unused_port
from lab import past

from prometheus_process import running
from skips import needs

END = datetime(2026, 11, 23, 12, tzinfo=UTC)
TREE = 'http_requests_total{path="/api/v1/skills/tree"'
ASSIGNED = '{experiment="skill_tree_layout",source="assignment"}'
RAMP = {
    "apiVersion": "rampguard.dev/v1alpha1",
    "kind": "ExperimentRamp",
    "metadata": {"name": "skill-tree-layout-50", "namespace": "app"},
    "spec": {
        "experiment": "skill_tree_layout",
        "env": "SKILL_TREE_LIST_ROLLOUT",
        "targets": [{"name": "api"}, {"name": "worker"}],
        "from": 10,
        "to": 50,
        "arms": {"control": "tree", "treatment": "list"},
        "metrics": {"assignments": f"experiment_assignments_total{ASSIGNED}"},
        "guardrails": [
            {"name": "exposure-balance", "type": "ExposureBalance", "tolerance": 5},
            {
                "name": "session-starts",
                "type": "RelativeDrop",
                "tolerance": 5,
                "metric": f"session_started_from_tree_total{ASSIGNED}",
            },
            {
                "name": "errors-5xx",
                "type": "ErrorRate",
                "tolerance": 20,
                "metric": f'{TREE},status=~"5.."}}',
                "requests": f"{TREE}}}",
            },
            {
                "name": "failing",
                "type": "Threshold",
                "query": f'sum(rate({TREE},status="503"}}[10m])) / sum(rate({TREE}}}[10m]))',
                "max": "0.2",
                "dryRun": True,
            },
        ],
    },
}


@dataclass(frozen=True)
class Lab:
    """A folder with the manifest, and where Prometheus answers."""

    home: Path
    url: str

    def simulate(self, *arguments: str) -> str:
        """Run the command as a person does; it must end with 0."""
        command = [sys.executable, "-m", "rampguard.cli", "simulate", "-f", "ramp.yaml"]
        done = subprocess.run(
            [*command, *arguments], cwd=self.home, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def asked(self, *arguments: str) -> str:
        return self.simulate("--prometheus", self.url, "--at", "2026-11-23T12:00Z", *arguments)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    needs("promtool")
    home = tmp_path_factory.mktemp("past")
    (home / "ramp.yaml").write_text(yaml.safe_dump(RAMP))
    told = past.Past(end=int(END.timestamp()), hours=25, every=60, users=1)
    past.backfill(told, home / "data")
    with running(needs("prometheus"), home, unused_port()) as url:
        yield Lab(home, url)


def test_from_prometheus_and_from_its_export_the_output_is_equal(lab):
    shown = lab.asked("--export", "past.json.gz")
    assert lab.simulate("--from", "past.json.gz") == shown
    assert "1 replay of 24h at 10%, compared with 1h before each" in shown
    assert "rolled back        0 of 1" in shown
    assert shown.endswith("Nothing was changed.\n")


def test_the_facts_are_those_of_the_world(lab):
    told = json.loads(lab.asked("-o", "json"))
    share, starts, errors, failing = told["guardrails"]
    assert told["history"]["missing"] == []
    assert told["history"]["assignmentsPerSecond"] == pytest.approx(0.986, rel=0.03)  # errors: none
    assert len(told["history"]["pods"]) == 4
    assert starts["baseline"]["rate"] == pytest.approx(past.SESSIONS, rel=0.05)
    (clustered,) = starts["phi"]
    assert clustered["used"] > 1.5  # users start several sessions
    assert errors["baseline"]["rate"] == pytest.approx(past.FAILED, rel=0.2)
    assert errors["baseline"]["span"] == "24h"
    assert [one["broke"] for one in (share, starts, errors, failing)] == [0, 0, 0, 0]
    assert failing["extremes"][1] < 0.2


def test_restarts_and_a_rollout_are_no_gap_and_no_jump(lab):
    told = json.loads(lab.asked("-o", "json"))
    assert told["history"]["gaps"] == []
    requests = told["guardrails"][2]["baseline"]["exposure"]
    assert requests == pytest.approx(86_400 * (1 + past.AGAIN), rel=0.03)
