"""The demo: what came of an act, what the pods themselves say, and the summary of all."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import pytest
from lab import demo
from lab.demo import ACTS, Act, Heard, Played

GOOD = Act("50", "a ramp that goes well", "Completed", 50)
BAD = Act("90", "a ramp that does harm", "RolledBack", 50, harm=True)


def played(act: Act = GOOD, phase: str = "Completed", **pods: str) -> Played:
    named = {name.replace("_", "-"): value for name, value in pods.items()}
    return Played(act, phase, "a summary", 61.6, named)


# fmt: off
ENDS: dict[str, tuple[Played, bool]] = {
    "the phase and every pod are right": (played(api_1="50", worker_1="50"), True),
    "a harm that was undone is right": (played(BAD, "RolledBack", api_1="50"), True),
    "another phase": (played(phase="RolledBack", api_1="50"), False),
    "a harm that was not found": (played(BAD, "Completed", api_1="90"), False),
    "no phase, as the ramp is gone": (played(phase="", api_1="50"), False),
    "one pod on another value": (played(api_1="50", worker_1="10"), False),
    "a pod that does not answer": (played(api_1="50", worker_1="unknown"), False),
    "no pods are no proof": (played(), False),
    "a value that only begins alike": (played(api_1="500"), False),
}
# fmt: on


@pytest.mark.parametrize(("one", "right"), ENDS.values(), ids=ENDS)
def test_an_act_ends_as_it_should_only_if_every_pod_says_so(one, right):
    assert one.as_it_should is right


def test_each_act_has_its_manifest_and_begins_where_the_one_before_ended():
    for act, after in pairwise(ACTS):
        manifest = demo.HERE / "ramps" / f"{after.name}.yaml"
        assert f"from: {act.value}" in manifest.read_text()
    assert [act.harm for act in ACTS] == [False, False, True]


def test_the_summary_tells_of_each_act_how_it_ended(capsys):
    demo.sum_up(
        [played(api_1="50", api_2="50"), played(BAD, "Completed", api_1="90", worker_1="50")],
        123.4,
    )
    good, bad = [line for line in capsys.readouterr().out.splitlines() if "a ramp that" in line]
    assert good.split("  ")[0].strip() == "ok"
    assert "Completed" in good
    assert "2 run 50" in good
    assert "62 s" in good
    assert bad.split("  ")[0].strip() == "NO"
    assert "2 run 50, 90" in bad


def test_the_summary_of_a_ramp_that_is_gone_has_no_holes(capsys):
    demo.sum_up([played(phase="")], 1)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "a ramp that" in line]
    assert line.split() == [
        *("NO", "a", "ramp", "that", "goes", "well", "-", "Completed"),
        *("0", "run", "none", "62", "s"),
    ]


def test_the_summary_says_words_of_the_ramp_as_they_are(capsys):
    told = Played(GOOD, "Completed", "[bold]50%[/bold] of 1,234", 1, {"api": "50"})
    demo.sum_up([told], 1)
    assert "  50: [bold]50%[/bold] of 1,234" in capsys.readouterr().out


def test_the_summary_ends_with_what_to_look_at_next(capsys):
    demo.sum_up([], 600)
    told = capsys.readouterr().out
    assert "All in all 600 s." in told
    assert "kubectl ramp explain skill-tree-layout-90 -n app" in told
    assert (demo.ROOT / "docs" / "getting-started.md").name in told


@pytest.fixture
def kubectl(home, monkeypatch):
    """Let kubectl be a script that answers from files: pods.json, and metrics by pod."""
    made = home / "kubectl"
    made.write_text(f"""#!/bin/sh
for word; do case $word in
  */receiver:8080/proxy/) exec cat {home}/notices.json;;
  */proxy/metrics) pod=${{word%%:8080*}}; exec cat {home}/${{pod##*/}};;
  pods) exec cat {home}/pods.json;;
  experimentramp) exec cat {home}/ramp.json;;
esac; done
exit 1
""")
    made.chmod(0o755)
    (home / "bin").mkdir()
    made.rename(home / "bin" / "kubectl")
    return home


def pod(name: str, **metadata: str) -> dict[str, object]:
    return {"metadata": {"name": name, **metadata}}


def test_each_pod_is_asked_what_it_runs(kubectl):
    pods = [pod("api-1"), pod("api-2"), pod("worker-1")]
    (kubectl / "pods.json").write_text(json.dumps({"items": pods}))
    help_line = "# HELP experiment_rollout_percent The share that this process runs\n"
    (kubectl / "api-1").write_text(f"{help_line}experiment_rollout_percent 50.0\n")
    (kubectl / "api-2").write_text('a 1\nexperiment_rollout_percent{experiment="x"} 5e+01\n')
    (kubectl / "worker-1").write_text("something_else 50\n")
    assert demo.pods() == {"api-1": "50", "api-2": "50", "worker-1": "unknown"}


def test_a_pod_that_goes_is_not_asked(kubectl):
    pods = [pod("api-1"), pod("api-0", deletionTimestamp="2026-11-24T00:00:00Z")]
    (kubectl / "pods.json").write_text(json.dumps({"items": pods}))
    (kubectl / "api-1").write_text("experiment_rollout_percent 10.0\n")
    assert demo.pods() == {"api-1": "10"}


def test_a_pod_that_does_not_answer_is_unknown_not_left_out(kubectl):
    (kubectl / "pods.json").write_text(json.dumps({"items": [pod("api-1")]}))
    assert demo.pods() == {"api-1": "unknown"}


def test_a_cluster_that_does_not_answer_has_no_pods(kubectl):
    assert demo.pods() == {}


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ('{"status": {"phase": "Soaking"}}', {"phase": "Soaking"}),
        ("{}", {}),
        (None, {}),
    ],
    ids=["it soaks", "nobody looked at it yet", "it is gone"],
)
def test_a_status_is_what_stands_there(told, status, kubectl):
    if told is not None:
        (kubectl / "ramp.json").write_text(told)
    assert demo._status("a") == status


def notice(at: float, kind: str, act: str, message: str = "it says\n\nmore") -> dict[str, object]:
    title = f"{kind}: app/skill-tree-layout-{act}, SKILL_TREE_LIST_ROLLOUT 0 -> 10"
    return {"at": at, "channel": "calc-design", "title": title, "message": message}


ENDINGS = (("RampSucceeded", "10"), ("RampSucceeded", "50"), ("RollbackVerified", "90"))


def test_the_notices_of_an_earlier_demo_are_not_told_again(kubectl):
    told = [notice(99.9, "RampStarted", "10"), notice(100, "RampSucceeded", "10")]
    (kubectl / "notices.json").write_text(json.dumps(told))
    (one,) = demo.heard(100)
    assert (one.kind, one.ramp, one.sentence) == (
        "RampSucceeded",
        "skill-tree-layout-10",
        "it says",
    )


def test_a_receiver_that_does_not_answer_heard_nothing(kubectl):
    assert demo.heard(0) == []
    assert len(demo.untold(ACTS, [])) == len(ACTS)


def arrived(*notices: tuple[str, str]) -> list[Heard]:
    told = [notice(103.4, *one) for one in notices]
    return [Heard(float(str(n["at"])), str(n["title"]), str(n["message"])) for n in told]


def test_an_end_that_nobody_was_told_is_named():
    assert demo.untold(ACTS, arrived(*ENDINGS)) == []
    assert demo.untold(ACTS, arrived(*ENDINGS[1:])) == ["skill-tree-layout-10"]
    capture = ("RollbackVerified, capture", "90")
    assert demo.untold(ACTS, arrived(*ENDINGS[:2], capture)) == ["skill-tree-layout-90"]


def test_the_notices_are_told_with_their_times(capsys):
    demo.tell(arrived(*ENDINGS[:2]), 100)
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "RampSucceeded" in line and " 10 " in line]
    assert line.split() == ["3", "s", "RampSucceeded", "10", "it", "says"]
    assert "NO  nobody was told how skill-tree-layout-90 ended" in out


def test_words_of_a_notice_are_told_as_they_are(capsys):
    demo.tell([Heard(1, "RampStarted: app/x, E", "[bold]50%[/bold] on api")], 0)
    assert "[bold]50%[/bold] on api" in capsys.readouterr().out


@pytest.fixture
def traffic(monkeypatch):
    """Serve the knobs of the traffic; yields what it was asked."""
    asked: list[tuple[str, str, object]] = []

    class Knobs(BaseHTTPRequestHandler):
        def do_PATCH(self):
            length = int(self.headers["Content-Length"])
            asked.append((self.command, self.path, json.loads(self.rfile.read(length))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            return

    with HTTPServer(("127.0.0.1", 0), Knobs) as server:
        monkeypatch.setattr(demo, "KNOBS", f"http://127.0.0.1:{server.server_port}/knobs")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield asked
        server.shutdown()
        thread.join()


def test_a_knob_is_turned_and_the_others_stay(traffic):
    demo.turn(demo.HARM)
    assert traffic == [("PATCH", "/knobs", {"arm_imbalance": 0.3})]
