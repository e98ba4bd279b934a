"""The command: measure what is not measured yet, show it, write it into the documents."""

import sys

import click
from benchmarks.guardrails import compare, documents, jobs, picture
from benchmarks.guardrails.rules import LOOKS
from benchmarks.guardrails.store import Store
from benchmarks.guardrails.worlds import WORLDS
from rich.console import Console

PARTS = click.Choice(["all", *jobs.PARTS])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure how often the guardrails are wrong, and how late they are right.

    \b
    run    simulate what is not in results.jsonl yet
    docs   write the figures into docs/ and draw the picture
    equal  compare the twin with the judge of the operator, look by look
    list   show the cells and how long they took

    Each finished cell is one line of benchmarks/guardrails/results.jsonl, so that an interrupted
    run goes on where it was. A cell is known by its name, runs, seed, configuration and the
    versions of Python, numpy and numba. The same seed gives the same days.

    \b
    A quick look, a minute or two:
        python -m benchmarks.guardrails run bars
    One world with 1000 ramps:
        python -m benchmarks.guardrails run worlds --only bursts --runs 1000
    Everything, an hour of one core or two:
        python -m benchmarks.guardrails run --full
    """


@main.command()
@click.argument("part", type=PARTS, default="all")
@click.option("--runs", type=click.IntRange(min=1), help="Ramps of each cell.")
@click.option("--only", default="", help="Only cells whose name contains this.")
@click.option(
    "--full", is_flag=True, help="All traffics, all runs: what the documents are made of."
)
@click.option("--again", is_flag=True, help="Measure again what is known; the old line stays.")
@click.option("--list", "listed", is_flag=True, help="Only say what would be measured.")
def run(part: str, runs: int | None, only: str, *, full: bool, again: bool, listed: bool) -> None:
    """Simulate what is not measured yet.

    \b
    bars         the documented bars, with the same streams of chance
    worlds       harmless worlds that the mathematics does not assume, all guardrails together
    limit        times over the least that any such test needs
    counts       the default session test
    attribution  harm that only history can see: rolled back, or held for a person
    sides        rules of Argo Rollouts, Flagger, GrowthBook and a fixed test beside ours
    """
    names = list(jobs.PARTS) if part == "all" else [part]
    wanted = [
        job for name in names for job in jobs.PARTS[name](runs, full=full) if only in job.name
    ]
    if listed:
        for job in wanted:
            click.echo(f"{job.name}  {job.key['runs']} runs")
        return
    jobs.run(wanted, Store(), again=again)


@main.command()
def docs() -> None:
    """Write the figures of results.jsonl into docs/ and draw the picture."""
    store = Store()
    picture.draw(store)
    for page in documents.write(store):
        click.echo(f"{page}: written")


@main.command("list")
def list_() -> None:
    """Show the cells that are measured."""
    for line in Store().lines():
        click.echo(f"{line['part']}: {line['cell']}  {line['runs']} runs  {line['took_s']} s")


@main.command()
@click.option("--runs", default=200, show_default=True, help="Ramps that are compared.")
@click.option(
    "--every", default=120, show_default=True, help="Looks between two that are compared."
)
@click.option("--world", default="all at once", show_default=True, help="Of worlds.WORLDS.")
def equal(runs: int, every: int, world: str) -> None:
    """Compare the twin with the judge of the operator, core.judging; exit 1 where they differ."""
    (chosen,) = (one for one in WORLDS if one.name == world)
    looks = range(every, LOOKS + 1, every)
    console, differing = Console(), 0
    with console.status(f"{runs} ramps, {len(looks)} looks each"):
        for one in compare.differences(compare.by_core, chosen, runs=runs, looks=looks):
            console.print(one)
            differing += 1
    console.print(f"{runs} ramps, {len(looks)} looks each: {differing} differences")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.guardrails")
