"""Rules over spec.window and spec.require, for CEL and for Python."""

import re
from collections.abc import Iterable
from datetime import datetime

from rampguard.api.rules import Object, Rule

INSTANT = "must be an instant such as 2026-11-23T09:00:00Z"
LINK = "must be a link such as https://wiki.example.com/smoke-test"
ANNOUNCED = "has(self.announced) && self.announced"
REQUIREMENTS = ("smokeTest", "noFiringAlerts", "noOpenIncidents")
_TIME = (
    "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_URL = "https?://[!-~]+"


def _is_instant(text: str) -> bool:
    try:
        return re.fullmatch(_TIME, text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def _has(told: Object, *names: str) -> bool:
    return all(told.get(name) is not None for name in names)


def _has_none(told: Object, names: Iterable[str]) -> bool:
    return not any(_has(told, name) for name in names)


def _is_test(told: Object) -> bool:
    if _has(told, "evidence"):
        return _has_none(told, ("ramp", "maxAge", "requireConclusive"))
    return _has(told, "ramp", "maxAge")


def _is_span(told: Object) -> bool:
    start, end = str(told.get("notBefore")), str(told.get("notAfter"))
    if not (_is_instant(start) and _is_instant(end)):
        return True  # open on a side, or another rule says what is wrong
    return datetime.fromisoformat(start) < datetime.fromisoformat(end)


INSTANT_RULES = (
    # A day that its month does not have ends the second half with an error, in these words too.
    Rule(
        f"self.matches('^{_TIME}$') && timestamp(self) > timestamp('2000-01-01T00:00:00Z')",
        INSTANT,
        _is_instant,
    ),
)
LINK_RULES = (
    Rule(
        f"self.matches('^{_URL}$')",
        LINK,
        lambda text: re.fullmatch(_URL, text) is not None,
    ),
)
WINDOW_RULES = (
    Rule(
        "has(self.notBefore) || has(self.notAfter)",
        "window takes notBefore, notAfter or both",
        lambda told: _has(told, "notBefore") or _has(told, "notAfter"),
    ),
    Rule(
        "!has(self.notBefore) || !has(self.notAfter)"
        " || timestamp(self.notBefore) < timestamp(self.notAfter)",
        "notBefore must be before notAfter",
        _is_span,
    ),
)
SMOKE_TEST_RULES = (
    Rule(
        "has(self.evidence) ? !has(self.ramp) && !has(self.maxAge) && !has(self.requireConclusive)"
        " : has(self.ramp) && has(self.maxAge)",
        "smokeTest takes ramp and maxAge, optionally requireConclusive, or evidence alone",
        _is_test,
    ),
)
INCIDENT_RULES = (
    Rule(
        "has(self.check) != has(self.evidence)",
        "noOpenIncidents takes check or evidence, one of them",
        lambda told: _has(told, "check") != _has(told, "evidence"),
    ),
)
REQUIRE_RULES = (
    Rule(
        " || ".join((*(f"has(self.{name})" for name in REQUIREMENTS), ANNOUNCED)),
        f"require names at least one of {', '.join(REQUIREMENTS)}, announced: true",
        lambda told: not _has_none(told, REQUIREMENTS) or told.get("announced") is True,
    ),
)
