"""Following one ramp: its record at every change, whatever happens to the connection."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event

from rampguard.cli.exits import Exit, Told
from rampguard.cli.kubectl import Change, Kubectl, Over, Watch
from rampguard.cli.record import Record, read
from rampguard.cli.refusals import FORBIDDEN, NO_CRD, Failed

TICK = timedelta(seconds=1)
FIRST = timedelta(seconds=15)  # a watch tells at once what is there, or else it is gone
AGAIN = timedelta(seconds=2)  # between tries to reach the cluster
GIVE_UP = timedelta(minutes=5)  # of not reaching it

Ends = Callable[[], bool]


def timer(limit: timedelta | None) -> Ends:
    """Return what says whether a time is over; None: it never is."""
    if limit is None:
        return lambda: False
    end = time.monotonic() + limit.total_seconds()
    return lambda: time.monotonic() >= end


def follow(kubectl: Kubectl, name: str, over: Ends) -> Iterator[Record | None]:
    """Yield the ramp at each change, None at each second without one, until over.

    A ramp that goes away, or is not to be read any more, is a Told; so is a cluster that stays
    away for GIVE_UP. A watch that ends is begun anew: API servers end them as they like.
    """
    yield read(kubectl.get(name))
    while not over():
        with kubectl.watch(name) as watch:
            yield from _changes(watch, over)
        yield from _again(kubectl, name, over)


def _changes(watch: Watch, over: Ends) -> Iterator[Record | None]:
    nothing, seen = timer(FIRST), False
    while not over() and (seen or not nothing()):
        match watch.next(TICK):
            case Over():
                return
            case Change(type="DELETED", object=ramp):
                last = read(ramp)
                raise Told(f"{last.name} was deleted; it was {last.phase}", Exit.REFUSED)
            case Change(type="ADDED" | "MODIFIED", object=ramp):
                seen = True
                yield read(ramp)
            case _:
                yield None


def _again(kubectl: Kubectl, name: str, over: Ends) -> Iterator[Record | None]:
    """Yield the ramp once the cluster answers again."""
    lost = timer(GIVE_UP)
    while not over():
        Event().wait(AGAIN.total_seconds())
        try:
            yield read(kubectl.get(name))
        except Failed as failed:
            if failed.kind in {FORBIDDEN, NO_CRD} or lost():
                raise
            yield None
        else:
            return
