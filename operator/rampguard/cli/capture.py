"""`capture`: where the records of users that a rollback affects are, and how they get here."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from rampguard.api.raw import Json, number, part, text
from rampguard.cli.captured import command, why_none
from rampguard.cli.commands import print_facts
from rampguard.cli.exits import Exit, Told
from rampguard.cli.kubectl import Kubectl
from rampguard.cli.record import read
from rampguard.cli.recorded import opened
from rampguard.cli.screen import Screen
from rampguard.cli.text import Span, Tone, line, safe


def capture(kubectl: Kubectl, screen: Screen, name: str, *, to: str, form: str) -> Exit:
    """Show what was captured of a ramp; to: a file that it is fetched into, -: standard output."""
    ramp = kubectl.get(name)
    told = part(ramp, "status", "rollback", "capture")
    url = text(told.get("url"))
    if not url:
        raise Told(f"{safe(name)}: {why_none(read(ramp))}", Exit.REFUSED)
    if to:
        _fetch(kubectl, told, to)
        if to == "-":
            return Exit.DONE
    if form:
        print_facts(_facts(told), form)
        return Exit.DONE
    users, records = number(told.get("users")), number(told.get("records"))
    window = f"{safe(told.get('since'))} to {safe(told.get('until'))}"
    screen.show(
        [
            line("Captured    ", Span(f"{records:,} records of {users:,} users", Tone.STRONG)),
            line(f"            {window}"),
            line(f"Where       {safe(url)}"),
            line(f"sha256      {safe(told.get('sha256'))}"),
            line(f"Written to  {safe(to)}" if to else f"To fetch    {command(read(ramp))}"),
        ]
    )
    return Exit.DONE


def _facts(told: Json) -> Json:
    return {
        "apiVersion": "rampguard.dev/cli/v1",
        "kind": "Capture",
        **{key: told.get(key) for key in ("since", "until", "url", "records", "users", "sha256")},
    }


def _fetch(kubectl: Kubectl, told: Json, to: str) -> None:
    """Write a capture into a file; Told if it cannot be had, or is not what was captured.

    The file is there once it is whole; what stood there stays until then.
    """
    if to == "-":
        _checked(kubectl, told, sys.stdout.buffer)
        return
    partial = Path(f"{to}.partial")
    try:
        try:
            with partial.open("wb") as file:
                _checked(kubectl, told, file)
            partial.replace(to)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise Told(f"cannot write {safe(to)}: {error.strerror}", Exit.REFUSED) from error


def _checked(kubectl: Kubectl, told: Json, file: IO[bytes]) -> None:
    """Write a capture; Told if it is not what was captured."""
    url, summed = text(told.get("url")), hashlib.sha256()
    for block in opened(url) if urlsplit(url).scheme != "file" else _of_operator(kubectl, url):
        summed.update(block)
        file.write(block)
    if summed.hexdigest() != told.get("sha256"):
        raise Told(
            f"what is at {safe(url)} is not what was captured: sha256 {summed.hexdigest()} instead"
            f" of {safe(told.get('sha256'))}",
            Exit.REFUSED,
        )


def _of_operator(kubectl: Kubectl, url: str) -> Iterator[bytes]:
    """Yield a file in a folder of the operator, through `kubectl exec`."""
    path = unquote(urlsplit(url).path)
    failed: Told | None = None
    for operator in kubectl.operators():
        meta = part(operator, "metadata")
        where, deployment = text(meta.get("namespace")), text(meta.get("name"))
        begun = False
        try:
            for block in kubectl.output(where, deployment, "cat", path):
                begun = True
                yield block
        except Told as told:
            if begun:
                raise
            failed = told  # another operator may have it
        else:
            return
    raise failed or Told(
        f"no operator is seen in this cluster; the capture is {safe(path)} in its folder",
        Exit.UNREACHED,
    )
