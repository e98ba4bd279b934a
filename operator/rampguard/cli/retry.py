"""`retry`: the same ramp under a new name, printed; one object is one ramp, so none restarts."""

import re
from collections.abc import Iterable

import click

from rampguard.api.raw import Json, part, text
from rampguard.cli.exits import Exit, Told
from rampguard.cli.kubectl import Kubectl
from rampguard.cli.record import Record, read

REQUESTS = ("paused", "approve", "abort")
LONGEST_NAME = 63
_MANAGED = re.compile(
    r"(?:[\w.-]*\.)?(?:kubectl\.kubernetes\.io|argocd\.argoproj\.io|rampguard\.dev|meta\.helm\.sh"
    r"|fluxcd\.io|helm\.sh)/|app\.kubernetes\.io/(?:instance|managed-by)$"
)


def retry(kubectl: Kubectl, name: str) -> Exit:
    """Print a manifest that tries an ended ramp again; apply nothing."""
    import yaml  # noqa: PLC0415 - only this verb writes a manifest

    ramp = kubectl.get(name)
    record = read(ramp)
    _refuse(record)
    again = manifest(ramp, (name, *kubectl.names()))
    click.echo(yaml.safe_dump(again, sort_keys=False), nl=False)
    for warning in warnings(record):
        click.echo(f"note: {warning}", err=True)
    return Exit.DONE


def manifest(ramp: Json, taken: Iterable[str]) -> Json:
    """Return the manifest of a next try: what was asked, without requests and other's marks."""
    meta = part(ramp, "metadata")
    kept = {
        key: {k: v for k, v in part(meta, key).items() if not _MANAGED.match(k)}
        for key in ("labels", "annotations")
    }
    name = next_name(text(meta.get("name")), taken)
    spec = {key: value for key, value in part(ramp, "spec").items() if key not in REQUESTS}
    if require := part(spec, "require"):  # what was overridden once is asked about anew
        spec["require"] = {key: value for key, value in require.items() if key != "override"}
    return {
        "apiVersion": text(ramp.get("apiVersion")),
        "kind": text(ramp.get("kind")),
        "metadata": {
            "name": name,
            "namespace": text(meta.get("namespace")),
            **{key: marks for key, marks in kept.items() if marks},
        },
        "spec": spec,
    }


def next_name(name: str, taken: Iterable[str]) -> str:
    """Return the first free name of name-r2, name-r3, ...; cut in front to stay valid."""
    stem = re.sub(r"-r[0-9]{1,4}$", "", name)
    first = int(name[len(stem) + 2 :] or 1) + 1
    used = set(taken)
    names = (_named(stem, n) for n in range(first, first + len(used) + 1))
    return next(one for one in names if one not in used)


def warnings(record: Record) -> list[str]:
    """Tell what would block the next try as things stand."""
    begins = str(record.origin)
    return [
        f"{target.deployment} was last seen at {target.observed}, and the ramp begins at {begins}:"
        " it would be Blocked / FromMismatch; set it back, or edit from"
        for target in record.targets
        if target.observed not in {begins, "", "absent", target.original}
    ]


def _named(stem: str, n: int) -> str:
    end = f"-r{n}"
    return f"{stem[: LONGEST_NAME - len(end)].rstrip('-.')}{end}"


def _refuse(record: Record) -> None:
    if not record.ended:
        text = f"{record.name} is {record.phase}, and not over"
        raise Told(f"{text}; a second ramp for its variable would be Blocked", Exit.REFUSED)
    if record.phase == "Completed":
        text = f"{record.name} is Completed: {record.env} is at {record.to}"
        raise Told(f"{text}; there is nothing to retry", Exit.REFUSED)
