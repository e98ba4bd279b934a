"""python -m lab up | down | status | images | history | env: a Kubernetes on this machine."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from lab import docker, kind, needs, past, programs, workloads
from lab.images import Images
from lab.places import BIN, CONTEXT, LOGS, NAME, PORTS
from lab.steps import LabError, in_parallel, say, step

BUILDING = ("go", "gcc", "openssl")
EXISTING = os.environ.get("LAB_PROVIDER") == "existing"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make, look at and delete the lab: a kind cluster with all that a ramp needs.

    LAB_NAME names the cluster (rampguard), LAB_PORT_OFFSET moves its ports on 127.0.0.1, and
    LAB_PROVIDER=existing takes the current context if its name starts with kind-rampguard.
    """


@main.command()
def up() -> None:
    """Bring everything up; run it again after any interruption, it goes on where it stopped."""
    began = time.monotonic()
    if EXISTING:
        kind.use_existing()  # before anything is built
    say(f"lab {NAME}: the kubelet in it sets sysctls of this machine (vm.overcommit_memory, ...)")
    images = _images()
    if images.registry:
        say("lab: an image registry is reached; the node is kind's own image")
        needs.check(("docker", "go"))
    else:
        say(f"lab: no image registry is reached; all is built here, once (logs: {LOGS})")
        needs.check((*BUILDING, "mmdebstrap"))
    _make(images)
    _run(images)
    say(f"\nlab: up after {time.monotonic() - began:.0f} s")
    _table()


@main.command()
def down() -> None:
    """Delete the cluster; programs and images stay, so that the next `up` is quick."""
    if not docker.answers() or NAME not in kind.clusters():
        say(f"lab: there is no cluster {NAME}")
        return
    kind.delete()
    say(f"lab: the cluster {NAME} is gone")


@main.command()
def images() -> None:
    """Build the images of the operator and the example anew, and let the cluster run them."""
    made = _images()
    for what, build in (("operator", made.make_operator), ("example", made.make_example)):
        with step(f"image of the {what}"):
            build()
    _run(made)


@main.command()
def status() -> None:
    """Tell what runs and how it is reached; exit code 1 if something does not."""
    _table()
    sys.exit(0 if _status() else 1)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--hours", default=25, show_default=True, type=click.IntRange(1, 24 * 60))
@click.option(
    "--every", default=30, show_default=True, type=click.IntRange(1, 300), help="Seconds."
)
@click.option("--users", default=3.0, show_default=True, help="New ones per second, in the mean.")
@click.option("--share", default=10, show_default=True, type=click.IntRange(0, 100))
@click.option("--seed", default=1, show_default=True)
def history(folder: Path, **wanted: Any) -> None:
    """Give a Prometheus a past of the example, in FOLDER: for `kubectl ramp simulate`.

    It ends now: traffic by day and night, users who start several sessions, bursts of errors,
    a restart, a rollout; the share stays where it is.
    """
    told = past.Past(end=int(time.time()), **wanted)
    with step(f"a past of {told.hours} h in {folder}"):
        past.backfill(told, folder)
    say(f"read it: prometheus --config.file=/dev/null --storage.tsdb.path={folder}")


@main.command()
def env() -> None:
    """Print what a shell needs: eval "$(python -m lab env)"."""
    ours = f"{BIN}:{Path(sys.executable).parent}"
    say(f'export RAMPGUARD_BINARIES={BIN} PATH="{ours}:$PATH" LAB_NAME={NAME}')


def _images() -> Images:
    with step("Docker"):
        docker.ensure()
    return Images(registry=docker.reaches_registry())


def _make(made: Images) -> None:
    """Make programs and images, those that compute beside those that download."""
    tools = [("kind", programs.kind), ("helm", programs.helm)]
    in_python = [
        ("base image of Python", made.make_python),
        ("image of Prometheus", made.make_prometheus),
        ("image of the example", made.make_example),
        ("image of the operator", made.make_operator),
    ]
    built = [
        ("Kubernetes", programs.kubernetes),
        ("etcd", programs.etcd),
        ("CoreDNS", programs.coredns),
        ("pause", programs.pause),
    ]
    if made.registry:
        in_parallel([*built[:2], *tools], in_python)
        return
    in_parallel([*built, *tools], [("root of the node", made.make_root), *in_python])
    if not EXISTING:
        with step("image of the node"):
            made.make_node()


def _run(made: Images) -> None:
    with step(f"cluster {NAME}"):
        if not EXISTING:
            kind.ensure(None if made.registry else made.node)
    with step("images into the cluster"):
        for image in (made.python, made.prometheus, made.example, made.operator):
            kind.load(image)
    with step("Prometheus"):
        workloads.prometheus(made)
    with step("example application"):
        workloads.example(made)
    with step("somebody to tell"):
        workloads.people(made)
    with step("operator"):
        workloads.operator(made)


def _status() -> str:
    return kind.kubectl("get", "pods", "-A", "--no-headers") or ""


def _table() -> None:
    table = Table(title=f"lab {NAME}", title_justify="left", box=None)
    for column in ("what", "where"):
        table.add_column(column, overflow="fold")
    table.add_row("cluster", f"context {CONTEXT}")
    for what, (port, _) in PORTS.items():
        table.add_row(what, f"http://127.0.0.1:{port}")
    table.add_row("operator", "kubectl -n rampguard-system logs deploy/rampguard -f")
    table.add_row("a first ramp", "kubectl apply -f examples/ramps/smoke.yaml")
    table.add_row("to look at it", "kubectl ramp get skill-tree-layout-10 -n app -w")
    table.add_row("programs", 'eval "$(.venv/bin/python -m lab env)"')
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        say(f"\nlab: {error}")
        sys.exit(1)
