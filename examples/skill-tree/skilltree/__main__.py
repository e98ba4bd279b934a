"""One program for all tiers: python -m skilltree api | worker | traffic | knobs."""

import asyncio
import os
from collections.abc import Callable, Mapping

import click
from fastapi import FastAPI

from skilltree.config import Config, ConfigError, read_config
from skilltree.control import KNOBS_PORT, KnobsError, run_traffic, turn_knobs
from skilltree.serving import PORT, serve
from skilltree.tiers import api_app, worker_app


@click.group()
def main() -> None:
    """Choose what this process is."""


@main.command()
@click.option("--port", default=PORT, show_default=True)
def api(port: int) -> None:
    """Serve the skills to users."""
    _serve_tier(api_app, port)


@main.command()
@click.option("--port", default=PORT, show_default=True)
def worker(port: int) -> None:
    """Do the jobs that the API enqueues."""
    _serve_tier(worker_app, port)


@main.command()
@click.option("--api-url", envvar="API_URL", default=f"http://127.0.0.1:{PORT}", show_default=True)
@click.option("--port", default=KNOBS_PORT, show_default=True, help="where the knobs are served")
@click.argument("settings", nargs=-1, metavar="[KNOB=VALUE]...")
def traffic(api_url: str, port: int, settings: tuple[str, ...]) -> None:
    """Send users to the API, until stopped."""
    try:
        asyncio.run(run_traffic(api_url, port, _pairs(settings)))
    except ValueError as error:
        raise click.ClickException(str(error)) from error


@main.group()
@click.option("--url", envvar="KNOBS_URL", default=f"http://127.0.0.1:{KNOBS_PORT}")
@click.pass_context
def knobs(context: click.Context, url: str) -> None:
    """Look at the knobs of a running traffic program, or turn them."""
    context.obj = url.rstrip("/")


@knobs.command()
@click.pass_obj
def get(url: str) -> None:
    """Show all knobs."""
    _turn(url, {})


@knobs.command(name="set")
@click.argument("settings", nargs=-1, required=True, metavar="KNOB=VALUE...")
@click.pass_obj
def set_(url: str, settings: tuple[str, ...]) -> None:
    """Turn knobs, and show all."""
    _turn(url, _pairs(settings))


def _serve_tier(tier: Callable[[Config], FastAPI], port: int) -> None:
    try:
        config = read_config(os.environ)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    serve(tier(config), port)


def _turn(url: str, patch: Mapping[str, str]) -> None:
    try:
        told = asyncio.run(turn_knobs(url, patch))
    except KnobsError as error:
        raise click.ClickException(str(error)) from error
    for name, value in told.items():
        click.echo(f"{name}={value}")


def _pairs(settings: tuple[str, ...]) -> dict[str, str]:
    pairs = [setting.partition("=") for setting in settings]
    wrong = [name for name, sign, _ in pairs if not (name and sign)]
    if wrong:
        raise click.UsageError(f"KNOB=VALUE is needed, not {wrong[0]!r}")
    return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    main(prog_name="python -m skilltree")
