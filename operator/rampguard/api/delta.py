"""What changed from one JSON value to the next, in few words.

    null                               it is gone
    [new]                              it is another
    {key: patch, ...}                  an object in which these changed
    [from, count, {index: patch}, new] a list: a stretch of the old one, patched, and new items

The stretch begins where the old list has the first item of the new one.
"""

from typing import Any

FLAT = 8  # scalars of a list that are sooner said anew


def patch(old: Any, new: Any) -> Any:
    """Return what makes new of old; NaN and infinity must be written as strings."""
    if isinstance(old, dict) and isinstance(new, dict):
        return _object(old, new)
    if isinstance(old, list) and isinstance(new, list) and old and not _is_short(new):
        return _list(old, new)
    return [new]


def patched(old: Any, told: Any) -> Any:
    """Return old as a patch makes it, sharing what stayed.

    What is no patch of it raises KeyError, IndexError, TypeError, ValueError or AttributeError.
    """
    if isinstance(told, dict):
        return _patched_object(old, told)
    if len(told) == 1:
        return told[0]
    start, count, inner, more = told
    kept = old[start : start + count]
    for index, one in inner.items():
        kept[int(index)] = patched(kept[int(index)], one)
    return [*kept, *more]


def _object(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    told = {
        key: patch(old[key], value) if key in old else [value]
        for key, value in new.items()
        if key not in old or old[key] != value
    }
    return told | dict.fromkeys(key for key in old if key not in new)


def _patched_object(old: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    gone = {key for key, one in told.items() if one is None}
    new = {key: value for key, value in old.items() if key not in gone}
    return new | {key: patched(old.get(key), one) for key, one in told.items() if one is not None}


def _is_short(new: list[Any]) -> bool:
    return len(new) <= FLAT and not any(isinstance(one, dict | list) for one in new)


def _list(old: list[Any], new: list[Any]) -> list[Any]:
    """Let a window slide: what new begins with may stand further on in old."""
    start = old.index(new[0]) if new and new[0] in old else 0
    count = min(len(old) - start, len(new))
    inner = {
        str(i): patch(old[start + i], new[i]) for i in range(count) if old[start + i] != new[i]
    }
    return [start, count, inner, new[count:]]
