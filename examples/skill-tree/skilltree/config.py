"""What a process is told by its environment, read once at start-up."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROLLOUT = "SKILL_TREE_LIST_ROLLOUT"
_PERCENT = re.compile(r"[0-9]{1,3}")
_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")


class ConfigError(Exception):
    """The environment holds what cannot be meant; the message names the variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Rollout: the share of new users in treatment, percent. start_delay: seconds to ready."""

    rollout: int = 0
    start_delay: float = 0.0
    events_dir: Path | None = None
    events_max_bytes: int = 64 * 2**20
    worker_url: str | None = None
    pod: str = "local"
    faults: bool = False


def read_config(env: Mapping[str, str]) -> Config:
    """Understand the environment; ConfigError if a variable is wrong or asks for a crash."""
    rollout = _percent(env, ROLLOUT, "0")
    if "CRASH_WHEN_ROLLOUT" in env and rollout == _percent(env, "CRASH_WHEN_ROLLOUT", "0"):
        raise ConfigError(f"{ROLLOUT} is {rollout}, and CRASH_WHEN_ROLLOUT asks to crash on it")
    folder = env.get("EVENTS_DIR")
    return Config(
        rollout=rollout,
        start_delay=_seconds(env, "START_DELAY_SECONDS"),
        events_dir=Path(folder) if folder else None,
        events_max_bytes=_megabytes(env, "EVENTS_MAX_MB"),
        worker_url=env.get("WORKER_URL") or None,
        pod=env.get("HOSTNAME") or "local",
        faults=_switch(env, "LAB_FAULTS"),
    )


def _percent(env: Mapping[str, str], name: str, default: str) -> int:
    text = env.get(name, default)
    if not _PERCENT.fullmatch(text) or int(text) > 100:  # noqa: PLR2004 - percent
        raise ConfigError(f"{name} is {text!r}: a whole number from 0 to 100 is needed")
    return int(text)


def _seconds(env: Mapping[str, str], name: str) -> float:
    text = env.get(name, "0")
    if not _SECONDS.fullmatch(text):
        raise ConfigError(f"{name} is {text!r}: a number of seconds such as 2.5 is needed")
    return float(text)


def _megabytes(env: Mapping[str, str], name: str) -> int:
    text = env.get(name, "64")
    if not _PERCENT.fullmatch(text) or int(text) == 0:
        raise ConfigError(f"{name} is {text!r}: a whole number from 1 to 999 is needed")
    return int(text) * 2**20


def _switch(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "0")
    if text not in {"0", "1"}:
        raise ConfigError(f"{name} is {text!r}: 0 or 1 is needed")
    return text == "1"
