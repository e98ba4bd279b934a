"""Where a record comes from: a file, a URL, standard input, or the operator of a ramp."""

import contextlib
import http.client
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rampguard.api.raw import Json, instant, items, number, part, text
from rampguard.cli.exits import Exit, Told
from rampguard.cli.kubectl import Kubectl
from rampguard.cli.options import RAMP
from rampguard.cli.refusals import Failed
from rampguard.cli.text import safe

BLOCK = 2**16  # bytes; larger ones are given back to the system and fetched again each time
PATIENCE = timedelta(seconds=30)
PORT = 8080  # where an operator answers that does not tell its port
LOST = "look at its log, and at config.records of the chart; see docs/operations.md"


def chunks(kubectl: Kubectl, told: str) -> Iterator[bytes]:
    """Yield the bytes of a record: -, a URL, ramp/NAME or a path; Told if it cannot be had."""
    if told.startswith(RAMP) and "://" not in told:
        return _of_ramp(kubectl, told.removeprefix(RAMP))
    return opened(told)


def opened(told: str) -> Iterator[bytes]:
    """Yield the bytes of -, a URL or a path; Told if they cannot be had."""
    if told == "-":
        return _blocks(sys.stdin.buffer)
    if "://" in told:
        return _of_url(told)
    return _of_file(Path(told))


def _blocks(stream: Any) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _of_file(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            yield from _blocks(file)
    except OSError as error:
        raise Told(f"cannot read {safe(str(path))}: {error.strerror}", Exit.UNREACHED) from error


def _of_url(url: str) -> Iterator[bytes]:
    """Yield a file, or, where the name has a *, all its parts in order."""
    from fsspec.core import open_files  # noqa: PLC0415 - only where it is asked for

    try:
        found = sorted(open_files(url, "rb"), key=lambda one: one.path)
        for one in found:
            with one as file:
                yield from _blocks(file)
    except Exception as error:  # every file system has errors of its own
        why = f"{type(error).__name__}: {error}"
        raise Told(f"cannot read {safe(url)}: {safe(why)}", Exit.UNREACHED) from error
    if not found:
        raise Told(f"there is no file {safe(url)}", Exit.UNREACHED)


def _of_ramp(kubectl: Kubectl, name: str) -> Iterator[bytes]:
    """Ask each operator for the record of a ramp, through `kubectl port-forward`."""
    namespace, uid = _known(kubectl, name)
    operators = kubectl.operators()
    if not operators:
        raise Told(
            "no operator is seen in this cluster; where its records are at hand, name the file",
            Exit.UNREACHED,
        )
    for operator in operators:
        meta = part(operator, "metadata")
        where, deployment = text(meta.get("namespace")), text(meta.get("name"))
        with kubectl.forward(where, deployment, _port(operator)) as port:
            found = _chosen(_listed(port), namespace, name, uid)
            if found:
                yield from _fetched(port, f"/records/{quote(text(found.get('name')), safe='')}")
                return
    raise Told(f"no operator has a record of {name}; {LOST}", Exit.UNREACHED)


def _known(kubectl: Kubectl, name: str) -> tuple[str, str]:
    """Return the namespace and uid of a ramp; of one that is gone: what was asked for, and ""."""
    try:
        meta = part(kubectl.get(name), "metadata")
    except Failed:
        raise
    except Told:
        return kubectl.reach.namespace, ""
    return text(meta.get("namespace")), text(meta.get("uid"))


def _chosen(listed: Iterable[Json], namespace: str, name: str, uid: str) -> Json | None:
    """Return the record of a ramp, the latest where it is not known which."""
    fits = [
        one
        for one in listed
        if one.get("ramp") == name
        and (not namespace or one.get("namespace") == namespace)
        and (not uid or one.get("uid") == uid)
    ]
    return max(fits, key=lambda one: str(instant(one.get("to"))), default=None)


def _port(operator: Json) -> int:
    pod = part(operator, "spec", "template", "spec")
    ports = (port for box in items(pod.get("containers")) for port in items(box.get("ports")))
    return next((number(p.get("containerPort")) for p in ports if p.get("name") == "http"), PORT)


def _listed(port: int) -> list[Json]:
    try:
        told = json.loads(b"".join(_fetched(port, "/records")))
    except ValueError as error:
        raise Told("the operator answered something else than JSON", Exit.UNREACHED) from error
    return list(items(part(told).get("records")))


def _fetched(port: int, path: str) -> Iterator[bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE.total_seconds())
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status == http.client.NOT_FOUND:
                raise Told(f"the operator has no {path}: {LOST}", Exit.UNREACHED)
            if answer.status != http.client.OK:
                words = safe(answer.read(500).decode(errors="replace"))
                raise Told(f"the operator answered {answer.status}: {words}", Exit.UNREACHED)
            yield from _blocks(answer)
        except (OSError, http.client.HTTPException) as error:
            raise Told(f"the operator's answer broke off: {error}", Exit.UNREACHED) from error
