"""The stamp: one annotation per (container, variable) that marks a Deployment as a ramp's."""

import json
import re
from hashlib import sha256

from rampguard.api.raw import Json, part, saying
from rampguard.core.ask import EnvName, EnvValue
from rampguard.core.model import Stamp

PREFIX = "rampguard.dev/"
LONGEST_NAME = 63  # of the part after the slash
_PLAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\.[A-Za-z_][A-Za-z0-9_]*[A-Za-z0-9]")


def stamp_key(container: str, env: EnvName) -> str:
    """Return the annotation of a (container, variable): container.VARIABLE where that fits.

    Else a readable beginning and a hash; the hash begins with a digit, as no variable does.
    """
    name = f"{container}.{env}"
    if len(name) <= LONGEST_NAME and _PLAIN.fullmatch(name):
        return PREFIX + name
    tail = f".0{sha256(name.encode()).hexdigest()[:12]}"
    head = re.sub(r"[^A-Za-z0-9._-]", "-", name)[: LONGEST_NAME - len(tail)]
    return PREFIX + "x" + head.strip("._-")[1:] + tail


def write_stamp(stamp: Stamp) -> str:
    """Return a stamp as the annotation carries it."""
    return json.dumps(
        {
            "uid": stamp.uid,
            "name": stamp.name,
            "original": stamp.original,
            "from": stamp.origin,
            "to": stamp.to,
            "process": stamp.process,
            "seq": stamp.seq,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def read_stamp(deployment: Json, container: str, env: EnvName) -> Stamp | None:
    """Return the stamp of a (container, variable); None: there is none.

    One that cannot be read belongs to nobody we know: its name tells its text.
    """
    written = part(deployment, "metadata", "annotations").get(stamp_key(container, env))
    if written is None:
        return None
    return _parsed(written) or Stamp(
        uid="",
        name=f"(unreadable: {saying(str(written))})",
        original=None,
        origin=-1,
        to=-1,
        process="",
        seq=0,
    )


def _parsed(written: object) -> Stamp | None:
    try:
        facts = json.loads(written) if isinstance(written, str) else None
    except (ValueError, RecursionError):
        return None
    match facts:
        case {
            "uid": str(uid),
            "name": str(name),
            "original": str() | None as original,
            "from": int(origin),
            "to": int(to),
            "process": str(process),
            "seq": int(seq),
        } if uid and name:
            return Stamp(
                uid=uid,
                name=name,
                original=None if original is None else EnvValue(original),
                origin=origin,
                to=to,
                process=process,
                seq=seq,
            )
    return None
