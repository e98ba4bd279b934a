"""python -m lab.demo: three ramps on the lab, of which the last does harm and is undone."""

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lab.__main__ import up
from lab.kind import kubectl
from lab.places import CONTEXT, HERE, PORTS, ROOT
from lab.steps import LabError, environment, run, say, step

ENV = "SKILL_TREE_LIST_ROLLOUT"
KNOBS = f"http://127.0.0.1:{PORTS['traffic knobs'][0]}/knobs"
CALM = {"rps": 100, "arm_imbalance": 0}  # enough users for a verdict in two minutes
HARM = {"arm_imbalance": 0.3}  # of the new users in treatment, who land in control
LIMIT = 600  # seconds for one ramp
LAST = 30  # seconds that the last notice may take
RECEIVER = "/api/v1/namespaces/people/services/receiver:8080/proxy/"
COMMAND = str(ROOT / ".venv" / "bin" / "kubectl-ramp")


@dataclass(frozen=True, slots=True)
class Act:
    """One ramp of the demo, how it must end, and the value that every pod must run then."""

    name: str
    title: str
    phase: str
    value: int
    harm: bool = False

    @property
    def told(self) -> str:
        """Return the notice that ends it."""
        return "RollbackVerified" if self.harm else "RampSucceeded"


SAID = 80  # letters of a notice that are shown
ACTS = (
    Act("10", "a smoke test, 0 -> 10", "Completed", 10),
    Act("50", "a ramp that goes well, 10 -> 50", "Completed", 50),
    Act("90", "a ramp that does harm, 50 -> 90", "RolledBack", 50, harm=True),
)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one act."""

    act: Act
    phase: str
    summary: str
    took: float
    pods: dict[str, str]  # the value that each pod's process says it runs

    @property
    def as_it_should(self) -> bool:
        """Say whether it ended as it should, and every pod says so itself."""
        values = set(self.pods.values())
        return self.phase == self.act.phase and values == {str(self.act.value)}


@dataclass(frozen=True, slots=True)
class Heard:
    """One notice as it arrived. at: in seconds, as of time.time()."""

    at: float
    title: str
    message: str

    @property
    def kind(self) -> str:
        """Return what it is about."""
        return self.title.partition(": ")[0]

    @property
    def ramp(self) -> str:
        """Return the name of the ramp."""
        return self.title.partition("/")[2].partition(",")[0]

    @property
    def sentence(self) -> str:
        """Return what it says first."""
        return self.message.partition("\n")[0]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--keep-lab", is_flag=True, help="The lab is up: do not look after it.")
def main(*, keep_lab: bool) -> None:
    """Play three ramps on the lab and sum up; exit code 0 only if all end as they should."""
    began = time.monotonic()
    if not keep_lab and up.callback:
        up.callback()
    with step("the stage: no ramp, no harm, the variable at 0"):
        clear()
    since = time.time()
    played = [play(act) for act in ACTS]
    turn(CALM)
    _until(lambda: not untold(ACTS, heard(since)), LAST)
    notices = heard(since)
    tell(notices, since)
    sum_up(played, time.monotonic() - began)
    sys.exit(0 if all(one.as_it_should for one in played) and not untold(ACTS, notices) else 1)


def clear() -> None:
    """Delete all ramps of the example, which restores what they changed, and begin at 0."""
    turn(CALM)
    run(*_kubectl("delete", "experimentramps", "--all", "--timeout=240s"), log="demo")
    run(*_kubectl("set", "env", "deploy/api", "deploy/worker", f"{ENV}=0"), log="demo")
    for name in ("api", "worker"):
        run(*_kubectl("rollout", "status", f"deploy/{name}", "--timeout=180s"), log="demo")


def play(act: Act) -> Played:
    """Apply a ramp, show its tree until it ends, and ask every pod what it runs."""
    began = time.monotonic()
    manifest = HERE / "ramps" / f"{act.name}.yaml"
    name = f"skill-tree-layout-{act.name}"
    say(f"\n== {act.title}: kubectl apply -f {manifest.relative_to(ROOT)}\n")
    run(*_kubectl("apply", "-f", str(manifest)), log="demo")
    if act.harm:
        threading.Thread(target=_do_harm, args=(name,), daemon=True).start()
    watching = [COMMAND, "get", name, "-n", "app", "--context", CONTEXT, "-w"]
    shown = subprocess.Popen(watching, env=environment())
    try:
        shown.wait(LIMIT)
    except subprocess.TimeoutExpired:
        say(f"      {name} does not end")
    finally:
        shown.kill()
    status = _status(name)
    took = time.monotonic() - began
    return Played(act, status.get("phase", ""), status.get("summary", ""), took, pods())


def pods() -> dict[str, str]:
    """Return what each process says that it runs, by pod, from its own /metrics."""
    listed = (
        kubectl(
            "-n",
            "app",
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/name in (api, worker)",
            "-o",
            "json",
        )
        or '{"items": []}'
    )
    serving = [p for p in json.loads(listed)["items"] if not p["metadata"].get("deletionTimestamp")]
    return {p["metadata"]["name"]: _rollout(p["metadata"]["name"]) for p in serving}


def heard(since: float) -> list[Heard]:
    """Return the notices that arrived since an instant, oldest first."""
    told = json.loads(kubectl("get", "--raw", RECEIVER) or "[]")
    return [Heard(n["at"], n["title"], n["message"]) for n in told if n["at"] >= since]


def untold(acts: Iterable[Act], notices: Iterable[Heard]) -> list[str]:
    """Return the ramps of whose end nobody was told."""
    ends = {(one.ramp, one.kind) for one in notices}
    names = ((f"skill-tree-layout-{act.name}", act.told) for act in acts)
    return [name for name, kind in names if (name, kind) not in ends]


def tell(notices: list[Heard], since: float) -> None:
    """Print who was told what, and when."""
    table = Table(title="\nWhat #calc-design was told", title_justify="left", box=None)
    for column in ("after", "notice", "ramp", "it says"):
        table.add_column(column, no_wrap=True)
    for one in notices:
        said = one.sentence if len(one.sentence) <= SAID else f"{one.sentence[: SAID - 1]}…"
        cells = (f"{one.at - since:.0f} s", one.kind, one.ramp.rpartition("-")[2], said)
        table.add_row(*map(escape, cells))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    for name in untold(ACTS, notices):
        say(f"  NO  nobody was told how {name} ended")


def turn(knobs: Mapping[str, float]) -> None:
    """Turn the knobs of the traffic."""
    body = json.dumps(knobs).encode()
    asked = urllib.request.Request(
        KNOBS, body, {"Content-Type": "application/json"}, method="PATCH"
    )
    try:
        with urllib.request.urlopen(asked, timeout=10):
            pass
    except OSError as error:
        raise LabError(f"the traffic does not answer at {KNOBS}: {error}; try make lab") from error


def sum_up(played: list[Played], seconds: float) -> None:
    """Print what came of each act, and where to look next."""
    table = Table(title="\nThe demo", title_justify="left", box=None)
    for column in ("", "ramp", "ended", "wanted", "pods", "took"):
        table.add_column(column, no_wrap=column != "pods")
    for one in played:
        values = sorted(set(one.pods.values())) or ["none"]
        table.add_row(
            "ok" if one.as_it_should else "NO",
            one.act.title,
            one.phase or "-",
            one.act.phase,
            f"{len(one.pods)} run {', '.join(values)}",
            f"{one.took:.0f} s",
        )
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for one in played:
        console.print(f"  {one.act.name}: {one.summary}", markup=False, highlight=False)
    say(
        f"\nAll in all {seconds:.0f} s. To look at next:\n"
        "  kubectl describe experimentramp skill-tree-layout-90 -n app\n"
        "  kubectl ramp explain skill-tree-layout-90 -n app\n"
        "  kubectl ramp capture skill-tree-layout-90 -n app    (five minutes after the rollback)\n"
        "  kubectl -n rampguard-system logs deploy/rampguard\n"
        '  (eval "$(.venv/bin/python -m lab env)" puts both programs on the PATH)\n'
        "  docs/getting-started.md goes through it by hand; make lab-down ends the lab"
    )


def _do_harm(name: str) -> None:
    """Let users of treatment land in control once the ramp soaks."""
    _until(lambda: _status(name).get("phase") in {"Soaking", "RolledBack", "Completed"})
    turn(HARM)


def _until(true: Callable[[], bool], limit: int = LIMIT) -> None:
    for _ in range(limit):
        if true():
            return
        time.sleep(1)  # noqa: TID251 - another process


def _status(name: str) -> dict[str, str]:
    told = kubectl("-n", "app", "get", "experimentramp", name, "-o", "json")
    return json.loads(told).get("status", {}) if told else {}


def _rollout(pod: str) -> str:
    proxied = f"/api/v1/namespaces/app/pods/{pod}:8080/proxy/metrics"
    told = kubectl("get", "--raw", proxied) or ""
    found = [line for line in told.splitlines() if line.startswith("experiment_rollout_percent")]
    return str(round(float(found[0].split()[-1]))) if found else "unknown"


def _kubectl(*arguments: str) -> tuple[str, ...]:
    return ("kubectl", "--context", CONTEXT, "-n", "app", *arguments)


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        say(f"\ndemo: {error}")
        sys.exit(1)
