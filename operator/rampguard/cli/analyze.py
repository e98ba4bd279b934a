"""`analyze`: what an analytics export says of an experiment, without a cluster."""

from dataclasses import dataclass
from datetime import datetime

from rampguard.api.blocks import Broken
from rampguard.api.events import feed
from rampguard.cli.analysis import Export, analysis
from rampguard.cli.analysis_facts import of_analysis
from rampguard.cli.commands import print_facts
from rampguard.cli.exits import Exit, Told
from rampguard.cli.recorded import opened
from rampguard.cli.screen import Screen, now
from rampguard.cli.text import safe
from rampguard.core.analytics import PAIR, Asked, Tally, summary

__all__ = ["PAIR", "Wanted", "analyze"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for; rollout: in percent, None: what the records say."""

    sources: tuple[str, ...]
    arms: tuple[str, ...] = ()
    experiment: str = ""
    rollout: float | None = None
    session_start: str
    since: datetime | None = None
    until: datetime | None = None


def analyze(wanted: Wanted, screen: Screen, *, form: str) -> Exit:
    """Read exports and show what they say; REFUSED where they are not as they should be."""
    tally = Tally(
        experiment=wanted.experiment,
        session_start=wanted.session_start,
        since=wanted.since,
        until=wanted.until,
    )
    export = Export(wanted.sources, sum(_lines(tally, source) for source in wanted.sources))
    share = None if wanted.rollout is None else wanted.rollout / 100
    told = summary(tally, Asked(arms=wanted.arms, share=share), now())
    if form:
        print_facts(of_analysis(export, told), form)
    else:
        screen.show(analysis(export, told, screen.symbols))
    return Exit.DONE if told.valid else Exit.REFUSED


def _lines(tally: Tally, source: str) -> int:
    """Count a source, and return its lines."""
    tally.begin(source)
    try:
        return feed(tally, opened(source))
    except Told as told:
        raise Told(str(told), Exit.UNREADABLE) from told
    except Broken as broken:
        raise Told(f"cannot read {safe(source)}: {broken}", Exit.UNREADABLE) from broken
