"""`simulate -f`: a ramp on the past days of Prometheus, before any write."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click
import yaml

from rampguard.api.v1alpha1 import KIND, to_ask
from rampguard.cli import exports, past
from rampguard.cli.commands import print_facts
from rampguard.cli.exits import Exit, Told
from rampguard.cli.lint import mistakes_of, ramps_of
from rampguard.cli.screen import Screen, now
from rampguard.cli.simulation import simulation
from rampguard.cli.simulation_facts import of_simulation
from rampguard.cli.text import lasting, safe
from rampguard.core.ask import Ref
from rampguard.core.backtest import Backtest, backtest
from rampguard.core.durations import show_duration
from rampguard.core.history import Counts, History, Labels, counted, queries
from rampguard.core.plan import Plan, Tempo, make_plan
from rampguard.core.replays import replayed, starts
from rampguard.core.statistics import BATCH

WEEK = 7.0  # days
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FINE = timedelta(seconds=15)  # between instants where there is little to count
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for; "" and None: not given."""

    manifest: str
    namespace: str = ""
    url: str | None = None
    header_file: str | None = None
    source: str | None = None
    export: str | None = None
    days: float | None = None
    at: datetime | None = None
    namespace_label: str = "namespace"
    pod_label: str = "pod"
    picture: str | None = None


def simulate(wanted: Wanted, screen: Screen, *, form: str) -> Exit:
    """Try one ramp on past days; REFUSED where it would not start for want of signals."""
    plan = _plan(wanted)
    labels = Labels(namespace=wanted.namespace_label, pod=wanted.pod_label)
    draw = _drawing(wanted.picture or "")  # before the work: a library may be missing
    history = _history(wanted, plan, labels)
    if wanted.export:
        exports.write(wanted.export, history)
    told = _tried(plan, _counted(wanted, plan, labels, history))
    if wanted.picture and draw:
        draw(plan, told, wanted.picture)
    if form:
        print_facts(of_simulation(plan, told), form)
    else:
        screen.show(simulation(plan, told, screen.symbols))
    return Exit.REFUSED if told.missing else Exit.DONE


def _plan(wanted: Wanted) -> Plan:
    """Return the plan of the only ramp of a manifest."""
    try:
        found = list(ramps_of(wanted.manifest))
    except (yaml.YAMLError, RecursionError) as error:
        raise Told(f"{safe(wanted.manifest)} is not YAML; `lint` says where",
                   Exit.REFUSED) from error  # fmt: skip
    if len(found) != 1:
        raise Told(
            f"{safe(wanted.manifest)} holds {len(found)} of {KIND}; one is needed", Exit.REFUSED
        )
    ((where, manifest),) = found
    if mistakes := tuple(mistakes_of(manifest)):
        raise Told("\n".join(f"{where}: {safe(one)}" for one in mistakes), Exit.REFUSED)
    ask = to_ask(manifest)
    if wanted.namespace:
        ask = replace(ask, ref=Ref(wanted.namespace, ask.ref.name))
    return make_plan(ask, Tempo())


def _history(wanted: Wanted, plan: Plan, labels: Labels) -> History:
    if wanted.source:
        return exports.read(wanted.source)
    step = BATCH if plan.soaks[plan.last] >= HOUR else MINUTE
    end = _on_grid(wanted.at or now(), step)
    start = end - timedelta(days=wanted.days or WEEK) // step * step
    server = past.Server(wanted.url or "", past.headers_of(wanted.header_file))
    return past.ask(
        server,
        queries(plan, labels),
        start=start,
        end=end,
        step=step,
        parts=lambda asked: _progress(asked, "asking Prometheus"),
    )


def _counted(wanted: Wanted, plan: Plan, labels: Labels, history: History) -> Counts:
    if missing := [q for q in queries(plan, labels) if q not in history.answers]:
        raise Told(
            f"{safe(wanted.source)} has no answer to what this ramp asks: export it again"
            f" with this manifest, and the same namespace and labels\n  missing: {missing[0]}",
            Exit.REFUSED,
        )
    counts = counted(plan, labels, history)
    if counts.span < plan.tempo.history:
        raise _too_short(plan, _closer(wanted, plan, labels) or counts)
    return counts


def _closer(wanted: Wanted, plan: Plan, labels: Labels) -> Counts | None:
    """Return the last hour of a Prometheus to the quarter of a minute; None: a file has no more."""
    if wanted.source:
        return None
    end = _on_grid(wanted.at or now(), FINE)
    server = past.Server(wanted.url or "", past.headers_of(wanted.header_file))
    start = end - plan.tempo.history
    found = past.ask(server, queries(plan, labels), start=start, end=end, step=FINE)
    return counted(plan, labels, found)


def _too_short(plan: Plan, counts: Counts) -> Told:
    """Say how much there is, what is needed, and when there will be enough."""
    needed, there = show_duration(plan.tempo.history), counts.span
    what = f"only {show_duration(there)}" if there else "nothing"
    again = f": try again in {lasting(plan.tempo.history - there)}" if there else ""
    head = f"Prometheus remembers {what} of what this ramp counts; it needs {needed}{again}"
    return Told("\n".join((head, *(f"  missing: {one}" for one in counts.missing))), Exit.REFUSED)


def _on_grid(at: datetime, step: timedelta) -> datetime:
    """Return the last instant of a grid that is not after an instant."""
    whole = int(at.timestamp()) // int(step.total_seconds())
    return datetime.fromtimestamp(whole * step.total_seconds(), tz=UTC)


def _tried(plan: Plan, counts: Counts) -> Backtest:
    begin = starts(plan, counts)
    replays = tuple(replayed(plan, counts, one) for one in _progress(begin, "replaying"))
    return backtest(plan, counts, replays)


def _progress(items: Iterable[Item], label: str) -> Iterator[Item]:
    """Yield items, and show on a terminal how far it has come."""
    if not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, label=f"{label:<18}", file=sys.stderr) as shown:
        yield from shown


def _drawing(path: str) -> Callable[[Plan, Backtest, str], None] | None:
    """Return how to draw; a Told says what to install."""
    if not path:
        return None
    if not path.endswith((".png", ".svg")):
        raise Told(f"a picture is .png or .svg, not {safe(path)}", Exit.USAGE)
    try:
        from rampguard.cli.picture import draw  # noqa: PLC0415 - matplotlib is not always there
    except ImportError as error:
        raise Told(
            "pictures need matplotlib, which is not installed: pip install 'rampguard[pictures]'",
            Exit.UNREACHED,
        ) from error
    return draw
