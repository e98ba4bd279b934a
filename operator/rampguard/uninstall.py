"""What `helm uninstall` waits for: no ramp may be left alone in the middle of its way.

Refuse names the active ramps and fails; Rollback and Keep ask each to end, and wait until all have.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import click

from rampguard.adapters.clock import RealClock
from rampguard.adapters.kubernetes import KubernetesCluster
from rampguard.core.ask import Leave, Ref
from rampguard.core.model import Phase
from rampguard.ports import (
    Clock,
    Cluster,
    Conflict,
    Json,
    NotFound,
    RampError,
    Resource,
    Unavailable,
)

FINALIZER = "rampguard.dev/rollback"
SIGNATURE = "rampguard.dev/requested-by"
ENDS = frozenset({Phase.COMPLETED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.CONTESTED})
PAUSE = timedelta(seconds=2)


class Policy(StrEnum):
    """What becomes of active ramps."""

    REFUSE = "Refuse"
    ROLLBACK = "Rollback"
    KEEP = "Keep"


class Unsafe(Exception):
    """The release must stay; the message names the ramps and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the chart asks for. namespaces: empty means the whole cluster."""

    policy: Policy
    namespaces: tuple[str, ...] = ()
    patience: timedelta = timedelta(minutes=4)
    signed_by: str | None = None  # None: nobody signs the requests
    release: Ref | None = None  # Helm's record of the release; None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """One ramp as its object tells. asked: the abort in its spec; None: none."""

    ref: Ref
    uid: str
    phase: str
    asked: str | None
    held: bool  # our finalizer is on it

    @property
    def active(self) -> bool:
        """It may still move, or could not be deleted without an operator."""
        return self.held or self.phase not in ENDS

    def __str__(self) -> str:
        return f"{self.ref} ({self.phase or 'new'})"


def as_ramp(item: Json) -> Ramp:
    """Read what matters here from the object of a ramp."""
    metadata = item["metadata"]
    return Ramp(
        ref=Ref(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        phase=(item.get("status") or {}).get("phase") or "",
        asked=(item.get("spec") or {}).get("abort"),
        held=FINALIZER in (metadata.get("finalizers") or ()),
    )


def request(ramp: Ramp, leave: Leave, signed_by: str | None) -> Json:
    """Return the patch that asks this very ramp to end."""
    signature = {"annotations": {SIGNATURE: signed_by}} if signed_by else {}
    return {"metadata": {"uid": ramp.uid} | signature, "spec": {"abort": leave.value}}


def refusal(ramps: Iterable[Ramp]) -> str:
    """Say which ramps are in the way, and the ways out."""
    return "\n".join(
        (
            "not uninstalled, these ramps are active:",
            *_lines(ramps),
            "wait for them or end them (kubectl ramp abort NAME), or choose for all of them:",
            "  helm upgrade ... --reuse-values --set uninstall.policy=Rollback   (or Keep)",
            "and uninstall again",
        )
    )


def overdue(ramps: Iterable[Ramp]) -> str:
    """Say which ramps have not ended in time."""
    return "\n".join(
        (
            "not uninstalled, these ramps were asked to end and have not yet:",
            *_lines(ramps),
            "the operator goes on with them: uninstall again when they have ended;",
            "if they do not move, see that the operator runs, and `kubectl describe` the ramp",
        )
    )


def summary(ramps: Iterable[Ramp], asked: frozenset[str]) -> str:
    """Say how the ramps ended that were active when we came."""
    ended = [ramp for ramp in ramps if ramp.uid in asked]
    if not ended:
        return "no ramp is active"
    return "\n".join(("every active ramp has ended:", *_lines(ended)))


def _lines(ramps: Iterable[Ramp]) -> Iterator[str]:
    return (f"  {ramp}" for ramp in ramps)


async def uninstall(cluster: Cluster, clock: Clock, order: Order) -> str:
    """Return what was done once no ramp is active; else raise Unsafe, or Refused."""
    end = clock.monotonic() + order.patience.total_seconds()
    asked: frozenset[str] = frozenset()
    while True:
        try:
            ramps = await _ramps(cluster, order.namespaces)
            active = [ramp for ramp in ramps if ramp.active]
            if not active:
                return summary(ramps, asked)
            if order.policy is Policy.REFUSE:
                raise Unsafe(refusal(active))
            asked |= {ramp.uid for ramp in active}
            await _ask(cluster, active, order)
            waiting_for = overdue(active)
        except (Unavailable, Conflict) as error:
            waiting_for = f"not uninstalled, it cannot be known which ramps are active: {error}"
        if clock.monotonic() >= end:
            raise Unsafe(waiting_for)
        await clock.sleep(PAUSE)


async def _ramps(cluster: Cluster, namespaces: Sequence[str]) -> tuple[Ramp, ...]:
    found: list[Json] = []
    for namespace in namespaces or (None,):
        with suppress(NotFound):  # no CRD, no ramps
            found.extend(await cluster.list(Resource.RAMPS, namespace))
    return tuple(as_ramp(item) for item in found)


async def _ask(cluster: Cluster, ramps: Iterable[Ramp], order: Order) -> None:
    leave = Leave(order.policy.value)
    for ramp in ramps:
        if ramp.asked is not None:
            continue
        with suppress(NotFound):  # gone since the list
            body = request(ramp, leave, order.signed_by)
            await cluster.merge_patch(Resource.RAMPS, ramp.ref, body)


async def mend(cluster: Cluster, release: Ref) -> str:
    """Let Helm upgrade the release although its uninstall failed; return what was done.

    Helm marks the release before it asks us and leaves it so: without the label `deployed` an
    upgrade would find nothing to upgrade.
    """
    body = {"metadata": {"labels": {"status": "deployed"}}}
    try:
        await cluster.merge_patch(Resource.RELEASES, release, body)
    except RampError as error:
        return f"the release could not be marked as deployed ({error}): use `helm rollback`"
    return "the release stays as it is, and can be upgraded"


async def _run(order: Order) -> str:
    cluster = await KubernetesCluster.connect()
    try:
        return await attempt(cluster, RealClock(), order)
    finally:
        await cluster.close()


async def attempt(cluster: Cluster, clock: Clock, order: Order) -> str:
    """Do as uninstall; when the release must stay, leave it whole and raise Unsafe."""
    try:
        return await uninstall(cluster, clock, order)
    except (Unsafe, RampError) as error:
        told = str(error)
        if order.release is not None:
            told += "\n" + await mend(cluster, order.release)
        raise Unsafe(told) from error


@click.command(help="Make sure that an uninstall leaves no ramp in the middle of its way.")
@click.option("--policy", required=True, type=click.Choice([policy.value for policy in Policy]))
@click.option("--namespace", "namespaces", multiple=True, help="Repeatable; default: all.")
@click.option("--patience", default=240, type=click.IntRange(1), help="Seconds to wait for ends.")
@click.option("--signed-by", help="User name for the annotation requested-by.")
@click.option("--release", nargs=2, metavar="NAMESPACE NAME", help="The Secret of Helm's record.")
def main(
    policy: str,
    namespaces: tuple[str, ...],
    patience: int,
    signed_by: str | None,
    release: tuple[str, str] | None,
) -> None:
    """Run as the chart's hook; exit 1 when the release must stay."""
    order = Order(
        policy=Policy(policy),
        namespaces=namespaces,
        patience=timedelta(seconds=patience),
        signed_by=signed_by,
        release=Ref(*release) if release else None,
    )
    try:
        click.echo(asyncio.run(_run(order)))
    except (Unsafe, RampError) as error:
        click.echo(error, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
