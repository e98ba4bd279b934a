"""What the operator needs on the lab: memory, and how late it is; prints tables, judges nothing.

    .venv/bin/python benchmarks/bench_operator.py [ramps] [breaches] [minutes of soak]

Runs an operator of its own, outside of the cluster, for the namespace rampguard-bench; needs the
lab (`make lab`) and a few minutes. What happened is taken from watches of the benchmark's own.
An installed operator that runs sees the namespace as well: it is told, and then both are measured.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
from cluster import Api, Late, api
from figures import Times, heading, table, times_table
from tier import ERRORS, LOOK, SCRAPE, Tier

from e2e.operators import Operator
from e2e.stage import PROMETHEUS, kubectl, lab_is_up

FIRST = 10  # percent
EVERY = 0.5  # seconds, between two looks of our own judge
MEGA = 1_000_000
INSTALLED = ("-n", "rampguard-system", "get", "deploy", "rampguard", "--ignore-not-found")
BAR = {
    "proof": "p99 below 1000 ms from the last pod Ready, or the last other gone, to PodsProven",
    "harm": f"below one look + 2 s = {LOOK + 2} s from a visible breach to the write back",
    "memory": "below 90 MB with one ramp",
}


def main(ramps: int, breaches: int, minutes: float) -> None:
    """Print the tables, where there is a lab."""
    if not lab_is_up():
        print("no lab answers as the current context: make lab, then run it again")
        return
    told = "make bench, or .venv/bin/python benchmarks/bench_operator.py [ramps] [breaches] [min]"
    heading(told, "; ".join(BAR.values()))
    _tell_installed()
    with tempfile.TemporaryDirectory() as home, Operator("rampguard-bench", Path(home)) as ours:
        try:
            asyncio.run(measure(ours, ramps, breaches, minutes))
        except (Late, aiohttp.ClientError) as error:
            print(f"{error}\nThe operator says:\n{ours.log.read_text()[-2000:]}")
            raise SystemExit(1) from error


async def measure(ours: Operator, ramps: int, breaches: int, minutes: float) -> None:
    """Raise the tier, measure one thing after the other, strike it."""
    async with api() as way:
        tier = Tier(way, PROMETHEUS)
        try:
            await tier.raise_(_image(), FIRST)
            began = memory(ours.pid)
            await proofs(tier, ramps)
            value = FIRST + ramps
            await harms(tier, value, breaches)
            await soak(tier, ours, value, minutes, began)
        finally:
            await tier.strike()


async def proofs(tier: Tier, count: int) -> None:
    """Let small ramps be proven, and print how long after the fact each was told."""
    found = [await proof(tier, i) for i in range(count)]
    _show({"last pod Ready or other gone -> PodsProven": found})
    early = sum(one == 0 for one in found)
    if early:
        print(f"of them {early} were told before our own watch saw the last pod: counted as 0\n")


async def proof(tier: Tier, i: int) -> float | None:
    """Ramp by one percent, and return the seconds from what is true to what is told."""
    value, name = FIRST + i + 1, f"proof-{i}"
    asked = await tier.ramp(name, value - 1, value)
    told = await tier.proof(name)
    written = await tier.carries(value, asked)
    true = tier.all_there(value, written.at)
    await tier.end(name, abort="Keep")
    await tier.scraped()
    if tier.api.broke(asked, told.at):
        return None
    return 0 if true is None else max(0, told.at - true)


async def harms(tier: Tier, value: int, count: int) -> None:
    """Let ramps do harm, and print how long each took to be undone."""
    found = [await harm(tier, value, i) for i in range(count)]
    told = {
        "breach visible -> written back": [one and one[0] for one in found],
        f"breach visible {SCRAPE} s ago -> written back": [one and one[1] for one in found],
    }
    _show(told)


async def harm(tier: Tier, value: int, i: int) -> tuple[float, float] | None:
    """Do harm in a soak; return the seconds from seeing it, now and settled, to the write back.

    The operator judges settled instants: those that lie a scrape interval back.
    """
    name = f"harm-{i}"
    await tier.ramp(name, value, value + 10)
    await tier.reaches(name, "Soaking")
    await tier.scraped()
    await asyncio.sleep(random.random() * LOOK)
    began = time.time()
    await tier.harm()
    now, settled, back = await asyncio.gather(
        _visible(tier, 0), _visible(tier, SCRAPE), tier.carries(value, began)
    )
    await tier.end(name)
    await tier.scraped()
    return None if tier.api.broke(began, back.at) else (back.at - now, back.at - settled)


async def _visible(tier: Tier, ago: float) -> float:
    """Ask again and again until Prometheus shows the breach; return when it first did."""
    until = time.time() + 60
    while time.time() < until:
        asked = time.time()
        found = await tier.asked(ERRORS, asked - ago)
        if found is not None and found > 0.5:
            return asked
        await asyncio.sleep(EVERY)
    raise Late("the harm is not seen in Prometheus")


async def soak(
    tier: Tier, ours: Operator, value: int, minutes: float, began: dict[str, float]
) -> None:
    """Let one ramp soak, and print what memory the operator has."""
    await tier.ramp("soak", value, value + 1)
    await tier.reaches("soak", "Soaking")
    rows = [("before the first ramp", began)]
    for _ in range(3):
        await asyncio.sleep(minutes * 20)
        rows.append((f"soaking for {minutes * len(rows) / 3:.1f} min", memory(ours.pid)))
    columns = ("RSS", "highest", "own")
    shown = [(what, *(f"{told[c] / MEGA:.1f} MB" for c in columns)) for what, told in rows]
    table((f"memory of the process {Path(sys.executable).name} -m rampguard", *columns), shown)
    await _installed_memory(tier.api)
    await tier.end("soak", abort="Keep")


def memory(pid: int) -> dict[str, float]:
    """Return what a process holds, in bytes; own: what no other process shares."""
    status = _kilobytes(Path(f"/proc/{pid}/status").read_text())
    parts = _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
    own = parts["Private_Clean"] + parts["Private_Dirty"]
    return {"RSS": status["VmRSS"], "highest": status["VmHWM"], "own": own}


def _kilobytes(text: str) -> dict[str, float]:
    """Return the lines `Name: 12 kB`, in bytes."""
    found = (line.split() for line in text.splitlines() if line.endswith(" kB"))
    return {name.rstrip(":"): float(number) * 1024 for name, number, _ in found}


async def _installed_memory(way: Api) -> None:
    """Print what the kubelet says of the installed operator's pod, if there is one."""
    nodes = (await way.call("GET", "api/v1/nodes"))["items"]
    rows = []
    for node in nodes:
        path = f"api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        for pod in (await way.call("GET", path)).get("pods", []):
            if pod["podRef"]["namespace"] == "rampguard-system" and "memory" in pod:
                used = pod["memory"]
                row = (used.get("rssBytes", 0), used.get("workingSetBytes", 0))
                rows.append((pod["podRef"]["name"], *(f"{one / MEGA:.1f} MB" for one in row)))
    if rows:
        table(("the installed operator, by its cgroup", "RSS", "working set"), rows)


def _show(found: Mapping[str, Sequence[float | None]]) -> None:
    """Print what was measured in seconds; None: it was disturbed, and does not count."""
    whole = {what: [one * 1000 for one in told if one is not None] for what, told in found.items()}
    if any(whole.values()):
        times_table((what, Times(tuple(sorted(told)))) for what, told in whole.items() if told)
    lost = max((len(told) - len(whole[what]) for what, told in found.items()), default=0)
    if lost:
        print(f"{lost} more do not count: the API server broke our watch meanwhile\n")


def _image() -> str:
    """Return the image of Python that the lab has in its node."""
    told = json.loads(kubectl("-n", "monitoring", "get", "deploy", "prometheus", "-o", "json"))
    containers = told["spec"]["template"]["spec"]["containers"]
    return str(next(one["image"] for one in containers if one["name"] == "discovery"))


def _tell_installed() -> None:
    """Say whether another operator sees the namespace."""
    told = kubectl(*INSTALLED, "-o", "jsonpath={.spec.replicas}") or "0"
    if told != "0":
        print(f"the installed operator runs ({told}): two operators see the namespace\n")


if __name__ == "__main__":
    given = [float(one) for one in sys.argv[1:]]
    ramps, breaches, minutes = (given + [20, 5, 3][len(given) :])[:3]
    main(int(ramps), int(breaches), minutes)
