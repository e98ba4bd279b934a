"""Rules over fields: each in CEL for the API server, and in Python for `kubectl ramp lint`.

The texts are a contract: people find them in errors, and tests hold both twins to one table.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rampguard.core.durations import parse_duration

DURATION = "must be hours and minutes such as 24h or 1h30m, between 1m and 720h"
FINDING = "must be hours and minutes such as 6h or 1h30m"
PROBABILITY = 'must be a probability written as a string, such as "0.01", at most 0.5'
NUMBER = 'must be a number written as a string, such as "0.8"'
ENV = (
    "env must be the name of an environment variable: letters, digits and _,"
    " not starting with a digit"
)
BETWEEN_ARMS = ("ExposureBalance", "RelativeDrop")  # types that compare the arms and only them
STEP = "every step must lie strictly between from and to"

_HOURS = re.compile(r"(?:[0-9]{1,4}h)?(?:[0-9]{1,5}m)?", re.ASCII)
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PROBABILITY = re.compile(r"0\.[0-9]{1,4}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_SHAPE = "self.matches('^([0-9]{1,4}h)?([0-9]{1,5}m)?$') && size(self) > 0"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: in CEL over self, in Python over the same value as the wire carries it."""

    cel: str
    message: str
    holds: Callable[[Any], bool]

    def as_cel(self) -> dict[str, str]:
        """Return what stands in the schema."""
        return {"rule": self.cel, "message": self.message}


def broken(rules: Iterable[Rule], value: object) -> str | None:
    """Return the message of the first rule that a value breaks; None: it keeps all."""
    return next((rule.message for rule in rules if not rule.holds(value)), None)


def minutes(text: str) -> timedelta | None:
    """Return a duration of hours and minutes; None: it is written in another way."""
    return parse_duration(text) if text and _HOURS.fullmatch(text) else None


def _long_enough(text: str) -> bool:
    told = minutes(text)
    return told is not None and timedelta(minutes=1) <= told <= timedelta(hours=720)


def _positive(text: str) -> bool:
    told = minutes(text)
    return told is not None and timedelta(0) < told <= timedelta(hours=720)


SOAK_RULES = (
    Rule(
        f"{_SHAPE} && duration(self) >= duration('1m') && duration(self) <= duration('720h')",
        DURATION,
        _long_enough,
    ),
)
FINDING_RULES = (
    Rule(
        f"{_SHAPE} && duration(self) > duration('0m') && duration(self) <= duration('720h')",
        FINDING,
        _positive,
    ),
)
LASTING_RULES = (
    Rule(
        f"{_SHAPE} && duration(self) <= duration('24h')",
        "must be hours and minutes such as 10m, at most 24h",
        lambda text: (told := minutes(text)) is not None and told <= timedelta(hours=24),
    ),
)
LIKELIEST = 0.5  # of a probability that a ramp may ask for
PROBABILITY_RULES = (
    Rule(
        r"self.matches('^0\\.[0-9]{1,4}$') && double(self) > 0.0 && double(self) <= 0.5".replace(
            r"\\", "\\\\"
        ),
        PROBABILITY,
        lambda text: _PROBABILITY.fullmatch(text) is not None and 0 < float(text) <= LIKELIEST,
    ),
)
NUMBER_RULES = (
    Rule(
        r"self.matches('^-?[0-9]{1,15}(\\.[0-9]{1,9})?$')".replace(r"\\", "\\\\"),
        NUMBER,
        lambda text: _NUMBER.fullmatch(text) is not None,
    ),
)
ENV_RULES = (
    Rule(
        "self.matches('^[A-Za-z_][A-Za-z0-9_]*$')",
        ENV,
        lambda text: _ENV.fullmatch(text) is not None,
    ),
)


def _between(spec: Object) -> bool:
    low, high = sorted((spec["from"], spec["to"]))
    return all(low < step < high for step in spec.get("steps") or ())


def _in_order(spec: Object) -> bool:
    steps = list(spec.get("steps") or ())
    return steps == sorted(steps, reverse=spec["to"] < spec["from"])


def _once(spec: Object) -> bool:
    steps = spec.get("steps") or ()
    return len(steps) == len(set(steps))


def _within_soak(spec: Object) -> bool:
    soak = minutes(spec.get("soak", "24h"))
    told = [minutes(f) for f in spec.get("findings") or ()]
    return soak is None or all(f is None or f <= soak for f in told)


def _typed(spec: Object) -> bool:
    typed = any(
        g.get("type") in BETWEEN_ARMS and g.get("from") is None
        for g in spec.get("guardrails") or ()
    )
    return not typed or bool(spec.get("arms") and spec.get("metrics"))


def _readable(spec: Object) -> bool:
    counts = any(g.get("from") is not None for g in spec.get("guardrails") or ())
    return not counts or bool(spec.get("analytics"))


def _announceable(spec: Object) -> bool:
    required = (spec.get("require") or {}).get("announced") is True
    return not required or bool(spec.get("notify"))


SPEC_RULES = (
    Rule("self.from != self.to", "from and to must differ", lambda s: s["from"] != s["to"]),
    Rule(
        "!has(self.steps) || self.steps.all(s, (self.from < s && s < self.to)"
        " || (self.from > s && s > self.to))",
        STEP,
        _between,
    ),
    Rule(
        "!has(self.steps) || (self.to > self.from ? self.steps.isSorted()"
        " : self.steps.map(s, 0 - s).isSorted())",
        "steps must be in the direction of the ramp",
        _in_order,
    ),
    Rule(
        "!has(self.steps) || self.steps.all(s, self.steps.exists_one(t, t == s))",
        "steps must not repeat",
        _once,
    ),
    Rule(
        "!has(self.findings) || self.findings.all(f, duration(f) <= duration(self.soak))",
        "a finding cannot be due after the end of the soak",
        _within_soak,
    ),
    Rule(
        "self.guardrails.exists(g, !has(g.dryRun) || !g.dryRun)",
        "at least one guardrail must decide: not all may be dryRun",
        lambda s: any(not g.get("dryRun") for g in s.get("guardrails") or ()),
    ),
    Rule(
        f"!self.guardrails.exists(g, g.type in {list(BETWEEN_ARMS)} && !has(g.from))"
        " || (has(self.arms) && has(self.metrics))",
        f"arms and metrics are required with a guardrail of type {' or '.join(BETWEEN_ARMS)}",
        _typed,
    ),
    Rule(
        "has(self.analytics) || !self.guardrails.exists(g, has(g.from))",
        "from: analytics needs analytics: the export in which users are counted",
        _readable,
    ),
    Rule(
        "!has(self.require) || !has(self.require.announced) || !self.require.announced"
        " || (has(self.notify) && size(self.notify) > 0)",
        "require.announced: true needs notify: name the channels that are to hear of the plan",
        _announceable,
    ),
    Rule(
        "!has(self.probe) || has(self.arms)",
        "probe needs arms: the words by which the app names them",
        lambda s: not s.get("probe") or bool(s.get("arms")),
    ),
    Rule(
        "!has(self.analytics) || has(self.arms)",
        "analytics needs arms: the words by which the records name them",
        lambda s: not s.get("analytics") or bool(s.get("arms")),
    ),
)
ARMS_RULES = (
    Rule(
        "self.control != self.treatment",
        "control and treatment must differ",
        lambda arms: arms["control"] != arms["treatment"],
    ),
)
DECISION_RULES = (
    Rule(
        "has(self.analysisWindow) || has(self.goNoGo)",
        "decision needs analysisWindow or goNoGo, or both",
        lambda decision: "analysisWindow" in decision or "goNoGo" in decision,
    ),
)
STARTED = "!has(oldSelf.status) || !has(oldSelf.status.startedAt)"
FROZEN = (
    "experiment",
    "env",
    "targets",
    "from",
    "to",
    "stepSoak",
    "alpha",
    "alphaWithinTolerance",
    "onUnattributable",
)
FROZEN_OPTIONAL = ("steps", "fromAbsent", "arms", "metrics", "window")
# Of require the override alone is free.
FROZEN_OF_REQUIRE = ("smokeTest", "noFiringAlerts", "noOpenIncidents", "announced")
FROZEN_OF_GUARDRAIL = (
    "metric",
    "event",
    "requests",
    "oncePerUser",
    "query",
)  # name and type are, too


def frozen_rules() -> list[dict[str, str]]:
    """Return the rules over old and new object; the API server alone knows the old one."""
    equal = {name: f"self.spec.{name} == oldSelf.spec.{name}" for name in FROZEN} | {
        name: _same("self.spec", "oldSelf.spec", name) for name in FROZEN_OPTIONAL
    }
    second = ("fromAbsent", "arms", "metrics", "onUnattributable")
    third = ("window",)
    require = _all(_same("self.spec.require", "oldSelf.spec.require", n) for n in FROZEN_OF_REQUIRE)
    frozen = "experiment, env, targets, from, to, steps, stepSoak and alpha are frozen"
    guardrail = " && ".join(_same("g", "o", name) for name in FROZEN_OF_GUARDRAIL)
    guardrails = (
        "size(self.spec.guardrails) == size(oldSelf.spec.guardrails)"
        " && self.spec.guardrails.all(g, oldSelf.spec.guardrails.exists(o, o.name == g.name"
        f" && o.type == g.type && {guardrail}))"
    )
    return [
        {
            "rule": f"{STARTED} || ({_all(equal[n] for n in equal if n not in {*second, *third})})",
            "message": f"the ramp has started: {frozen}; create a new ExperimentRamp",
        },
        {
            "rule": f"{STARTED} || ({_all(equal[n] for n in second)})",
            "message": "the ramp has started: fromAbsent, arms, metrics and onUnattributable are"
            " frozen; create a new ExperimentRamp",
        },
        {
            "rule": f"{STARTED} || ({_all(equal[n] for n in third)}"
            " && has(self.spec.require) == has(oldSelf.spec.require)"
            f" && (!has(self.spec.require) || ({require})))",
            "message": "the ramp has started: window and require are frozen, but for"
            " require.override; create a new ExperimentRamp",
        },
        {
            "rule": f"{STARTED} || ({guardrails})",
            "message": "the ramp has started: names, types, queries, metrics, events, requests and"
            " oncePerUser of guardrails are frozen; create a new ExperimentRamp",
        },
        {
            "rule": f"{STARTED} || !self.spec.guardrails.exists(g, has(g.event))"
            " || !has(self.spec.analytics) || !has(oldSelf.spec.analytics)"
            " || self.spec.analytics.source == oldSelf.spec.analytics.source",
            "message": "the ramp has started: analytics.source is frozen, a guardrail counts in it;"
            " create a new ExperimentRamp",
        },
        {
            "rule": f"{STARTED} || duration(self.spec.soak) >= duration(oldSelf.spec.soak)",
            "message": "the ramp has started: soak can only be extended",
        },
    ]


def _same(new: str, old: str, name: str) -> str:
    """Return what holds where an optional field is as it was; `?field` would cost too much."""
    one, other = f"{new}.{name}", f"{old}.{name}"
    return f"has({one}) == has({other}) && (!has({one}) || {one} == {other})"


def _all(terms: Iterable[str]) -> str:
    return " && ".join(terms)
