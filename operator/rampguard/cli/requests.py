"""The verbs that ask something of a ramp: each writes spec and who asked, never status."""

import json
import sys
from dataclasses import dataclass

import click

from rampguard.api.raw import Json
from rampguard.cli.exits import Exit, Told
from rampguard.cli.kubectl import Kubectl
from rampguard.cli.record import ABORT_REASON, REQUESTED_BY, Record, read
from rampguard.cli.symbols import verdict_words
from rampguard.cli.text import crop

NOTHING = "nothing was changed"
LONGEST_REASON = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a request is made. yes: without a question; verbose: with the equal kubectl command."""

    yes: bool = False
    verbose: bool = False


def pause(kubectl: Kubectl, name: str, manner: Manner) -> Exit:
    """Stop forward moves."""
    record = read(kubectl.get(name))
    _refuse_ended(record)
    if record.phase == "RollingBack":
        raise Told(f"{name} is rolling back, and a rollback is not paused; {NOTHING}", Exit.REFUSED)
    if record.paused:
        click.echo(f"{name} is paused already")
        return Exit.DONE
    _patch(kubectl, record, manner, {"paused": True})
    click.echo(f"{name} paused: it will not complete or step on. Guardrails and rollback stay on.")
    return Exit.DONE


def resume(kubectl: Kubectl, name: str, manner: Manner) -> Exit:
    """Let it move forward again."""
    record = read(kubectl.get(name))
    _refuse_ended(record)
    if not record.paused:
        click.echo(f"{name} is not paused")
        return Exit.DONE
    _patch(kubectl, record, manner, {"paused": None})
    click.echo(f"{name} resumed")
    return Exit.DONE


def approve(kubectl: Kubectl, name: str, gate: str, manner: Manner) -> Exit:
    """Open the gate that waits; a gate named by the caller must be one of those open."""
    record = read(kubectl.get(name))
    _refuse_ended(record)
    opened = _open_gate(record, gate)
    if record.approve == opened:
        click.echo(f"gate {opened} of {name} is approved already; the operator will take it in")
        return Exit.DONE
    user = kubectl.user()
    why = next(g.why for g in record.gates if g.name == opened)
    found = ", ".join(f"{f.after} {verdict_words(f.verdict)}" for f in record.findings) or "none"
    place = _place(kubectl, record)
    click.echo(f"Gate {opened} of {name}: {crop(why, 300)} on {place}.", err=True)
    click.echo(f"Findings so far: {crop(found, 300)}.", err=True)
    if not _agreed(f"Approve{f' as {user}' if user else ''}?", manner):
        raise Told(NOTHING, Exit.REFUSED)
    _patch(kubectl, record, manner, {"approve": opened}, user=user)
    click.echo("approved")
    return Exit.DONE


def abort(kubectl: Kubectl, name: str, manner: Manner, *, keep: bool, reason: str) -> Exit:
    """End the ramp: back to the originals, or with keep where it stands."""
    record = read(kubectl.get(name))
    if record.reason != "StatusLost":
        _refuse_ended(record)
    wish = "Keep" if keep else "Rollback"
    if record.abort:
        if record.abort != wish:
            text = f"abort: {record.abort} was asked of {name} and cannot be taken back"
            raise Told(f"{text}; {NOTHING}", Exit.REFUSED)
        click.echo(f"abort was asked of {name} already")
        return Exit.DONE
    if record.phase == "RollingBack":
        raise Told(f"{name} is rolling back already; {NOTHING}", Exit.REFUSED)
    _ask_name(record, _effect(kubectl, record, keep=keep), manner)
    told = {ABORT_REASON: crop(" ".join(reason.split()), LONGEST_REASON)} if reason else {}
    _patch(kubectl, record, manner, {"abort": wish}, notes=told)
    after = f"{_stays(record)} stays" if keep else f"follow it with: {_watch(record)}"
    click.echo(f"abort asked for; {after}")
    return Exit.DONE


def _refuse_ended(record: Record) -> None:
    if record.ended:
        text = f"{record.name} has ended: it is {record.phase}; {NOTHING}"
        again = "" if record.phase == "Completed" else f"; to try again: {_verb(record, 'retry')}"
        raise Told(f"{text}{again}", Exit.REFUSED)


def _open_gate(record: Record, gate: str) -> str:
    names = [one.name for one in record.gates]
    if not names:
        text = f"no gate of {record.name} is open: it is {record.phase}"
        raise Told(f"{text}; {NOTHING}", Exit.REFUSED)
    if gate and gate not in names:
        gates = f"gate is {names[0]}" if len(names) == 1 else f"gates are {', '.join(names)}"
        raise Told(f"the open {gates}, not {gate}; {NOTHING}", Exit.REFUSED)
    return gate or names[0]


def _place(kubectl: Kubectl, record: Record) -> str:
    targets = crop(", ".join(target.deployment for target in record.targets), 200)
    context = kubectl.context() or "of this pod"
    return f"{targets} in namespace {record.namespace}, context {context}"


def _effect(kubectl: Kubectl, record: Record, *, keep: bool) -> str:
    place, name = _place(kubectl, record), record.name
    if record.phase in {"Pending", "Blocked"} or record.started_at is None:
        if record.reason != "StatusLost":
            return f"Abort {name}, which has changed nothing yet, on {place}?"
        return f"Abort {name} and restore what its stamps carry on {place}?"
    if keep:
        return f"Abort {name} and leave {record.env} at {_stays(record)} on {place}?"
    originals = sorted({t.original for t in record.targets if t.original})
    back = ", ".join(originals) or str(record.origin)
    return f"Abort {name} and set {record.env} back to {back} on {place}?"


def _stays(record: Record) -> str:
    if record.started_at is None:
        return f"{record.origin}%"
    return f"{record.share}%" if record.share is not None else "what stands there"


def _agreed(question: str, manner: Manner) -> bool:
    if manner.yes:
        return True
    _need_terminal()
    return click.confirm(question, default=False, err=True)


def _ask_name(record: Record, effect: str, manner: Manner) -> None:
    """Let only a person who types the name of the ramp go on."""
    if manner.yes:
        return
    _need_terminal()
    click.echo(effect, err=True)
    told = click.prompt("This cannot be taken back. Type the name of the ramp", err=True)
    if told != record.name:
        raise Told(f"that is not {record.name}; {NOTHING}", Exit.REFUSED)


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise Told("not a terminal; add --yes", Exit.USAGE)


def _patch(  # noqa: PLR0913 - the facts of a request
    kubectl: Kubectl,
    record: Record,
    manner: Manner,
    wish: Json,
    *,
    user: str = "",
    notes: Json | None = None,
) -> None:
    # Nobody known: null takes the name of whoever asked before away, so that it is not theirs.
    by = {REQUESTED_BY: user or kubectl.user() or None}
    # The uid is a precondition: an object of the same name made in the meantime is refused.
    meta = {"uid": record.uid, "annotations": {**by, **(notes or {})}}
    patch = {"metadata": meta, "spec": wish}
    if manner.verbose:
        written = json.dumps(patch, separators=(",", ":")).replace("'", "'\\''")
        where = f"{record.name} -n {record.namespace}"
        click.echo(f"kubectl patch ramp {where} --type=merge -p '{written}'", err=True)
    kubectl.patch(record.name, record.namespace, patch)


def _verb(record: Record, verb: str) -> str:
    return f"kubectl ramp {verb} {record.name} -n {record.namespace}"


def _watch(record: Record) -> str:
    return f"{_verb(record, 'get')} -w"
