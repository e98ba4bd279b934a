"""One program for all tiers: python -m skilltree api | worker | traffic | knobs."""

import os
from collections.abc import Callable

import click
from fastapi import FastAPI

from skilltree.config import Config, ConfigError, read_config
from skilltree.serving import PORT, serve
from skilltree.tiers import api_app, worker_app


@click.group(help=__doc__)
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


def _serve_tier(tier: Callable[[Config], FastAPI], port: int) -> None:
    try:
        config = read_config(os.environ)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    serve(tier(config), port)


if __name__ == "__main__":
    main(prog_name="python -m skilltree")
