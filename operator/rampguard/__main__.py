"""Starts the operator: in the cluster, or outside of it against a kubeconfig."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from rampguard.engine.runner import Runner
from rampguard.handlers import listen
from rampguard.health import serve
from rampguard.ports import RampError
from rampguard.settings import BadSettings, Settings, load
from rampguard.wiring import Wired, check_rights, wire

GRACE = 25  # seconds from SIGTERM to a hard exit; Kubernetes kills at 30
CONFIGURATION, CLUSTER, CRASH = 64, 3, 1  # exit codes


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="YAML file with our settings; without it the defaults.",
)
def main(path: Path | None) -> None:
    """Run the Rampguard operator.

    In a pod it logs in by its service account, elsewhere by KUBECONFIG; RAMPGUARD_CONTEXT names
    another context than the current one. RAMPGUARD_PORT and RAMPGUARD_LOG_LEVEL win over the file.
    """
    try:
        settings = load(path, os.environ)
    except BadSettings as error:
        click.echo(f"rampguard: {error}", err=True)
        sys.exit(CONFIGURATION)
    try:
        sys.exit(asyncio.run(run(settings, os.environ)))
    except (RampError, OSError) as error:
        click.echo(f"rampguard: {error}", err=True)
        sys.exit(CLUSTER)


async def run(settings: Settings, environment: Mapping[str, str]) -> int:
    """Work until a signal; return the exit code."""
    async with wire(settings, environment) as wired:
        await check_rights(wired.world.cluster, settings.namespaces)
        runner = Runner(wired.world, settings.namespaces, settings.workers)
        # Before kopf: at its end it cancels every task of the loop that is younger than itself.
        runner.start()
        return await _until_signal(settings, wired, runner)


async def _until_signal(settings: Settings, wired: Wired, runner: Runner) -> int:
    ready, stop, asked = asyncio.Event(), asyncio.Event(), asyncio.Event()
    log = wired.telemetry.log

    def is_ready() -> bool:
        return ready.is_set() and runner.listed and not asked.is_set()

    async with serve(
        settings.port,
        runner,
        is_ready=is_ready,
        metrics=wired.telemetry.render,
        records=wired.recorder,
    ):
        waits = asyncio.create_task(asked.wait())
        listening = asyncio.create_task(
            listen(
                runner.scheduler.wake,
                settings.namespaces,
                context=settings.context,
                ready=ready,
                stop=stop,
            )
        )
        took_over = asyncio.create_task(_take_signals(ready, asked))
        log("info", "started", process=wired.world.rules.process)
        await asyncio.wait({waits, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.is_set():
            log("error", "kopf ended by itself", error=str(listening.exception()))
            return CRASH
        log("info", "stopping")
        signal.signal(signal.SIGALRM, lambda *_: os._exit(CRASH))
        signal.alarm(GRACE)
        await runner.drain()
        stop.set()
        await asyncio.gather(listening, took_over, return_exceptions=True)
        log("info", "stopped")
        return 0


async def _take_signals(ready: asyncio.Event, asked: asyncio.Event) -> None:
    """Take SIGTERM and SIGINT, again once kopf is up: it takes them for itself."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await ready.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)


if __name__ == "__main__":
    main()
