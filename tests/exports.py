"""Analytics exports for the tests: events as the example application writes them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2024, 11, 24, 12, tzinfo=UTC)  # past, by every clock that runs the tests
SECOND = timedelta(seconds=1)
EXPERIMENT = "skill_tree_layout"


def block(arm: str = "tree", /, **other: Any) -> dict[str, Any]:
    """Return an experiment block."""
    told = {"name": EXPERIMENT, "variant": arm, "source": "assignment", "bucket": 7, "rollout": 50}
    return told | {"request_id": "4f0c"} | other


def exposure(user: str | int = "u-1", arm: str = "tree", /, **other: Any) -> dict[str, Any]:
    """Return an exposure at noon; keys that are no key of an event go into its block."""
    return event("experiment_exposure", user, arm, **other)


def start(user: str | int = "u-1", arm: str = "tree", /, **other: Any) -> dict[str, Any]:
    """Return a session start."""
    return event("session_started_from_tree", user, arm, **other)


def event(name: str, user: str | int = "u-1", arm: str = "", /, **other: Any) -> dict[str, Any]:
    """Return an event; arm "": without a block."""
    at = other.pop("at", NOON)
    written = at if isinstance(at, str) else at.isoformat(timespec="milliseconds")
    told: dict[str, Any] = {"timestamp": written, "event_name": name, "user_id": user}
    return told | ({"experiment": block(arm, **other)} if arm else {})


def written(*lines: object) -> bytes:
    """Return events as lines; bytes and text stand as they are."""
    return b"".join(_line(one) + b"\n" for one in lines)


def _line(one: object) -> bytes:
    if isinstance(one, bytes):
        return one
    return (one if isinstance(one, str) else json.dumps(one, separators=(",", ":"))).encode()


def crowd(list_users: int, tree_users: int, **other: Any) -> Iterable[dict[str, Any]]:
    """Yield exposures of so many new users, a second apart."""
    for n in range(list_users + tree_users):
        arm = "list" if n < list_users else "tree"
        yield exposure(f"u-{arm}-{n}", arm, at=NOON + n * SECOND, **other)
