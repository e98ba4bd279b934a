"""The finalizer that keeps a ramp from vanishing while a way back is needed."""

from rampguard.api.apply import FINALIZER
from rampguard.api.raw import Json, part


def is_held(ramp: Json) -> bool:
    """Say whether our finalizer is on a ramp."""
    return FINALIZER in _finalizers(ramp)


def held(ramp: Json) -> Json:
    """Return the merge patch that adds our finalizer, pinned to what was read."""
    return _patch(ramp, [*_finalizers(ramp), FINALIZER])


def released(ramp: Json) -> Json:
    """Return the merge patch that takes away ours and no other, pinned to what was read."""
    return _patch(ramp, [one for one in _finalizers(ramp) if one != FINALIZER])


def _finalizers(ramp: Json) -> list[str]:
    found = part(ramp, "metadata").get("finalizers")
    return found if isinstance(found, list) else []


def _patch(ramp: Json, finalizers: list[str]) -> Json:
    metadata = part(ramp, "metadata")
    pin = {key: metadata[key] for key in ("uid", "resourceVersion") if key in metadata}
    return {"metadata": {**pin, "finalizers": finalizers or None}}
