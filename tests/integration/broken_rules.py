"""Which of our rules a manifest breaks: by the Python twins, and in the API server's words."""

from collections.abc import Iterable, Iterator
from typing import Any

from integration.manifests import Json
from integration.server import Answer
from rampguard.api.guardrail_rules import GUARDRAIL_RULES
from rampguard.api.probe import ARM_RULES, IDENTITY_RULES, PROBE_RULES
from rampguard.api.require_rules import (
    INCIDENT_RULES,
    INSTANT_RULES,
    LINK_RULES,
    REQUIRE_RULES,
    SMOKE_TEST_RULES,
    WINDOW_RULES,
)
from rampguard.api.rules import (
    ARMS_RULES,
    DECISION_RULES,
    ENV_RULES,
    FINDING_RULES,
    LASTING_RULES,
    NUMBER_RULES,
    PROBABILITY_RULES,
    SOAK_RULES,
    SPEC_RULES,
    Rule,
)

PLACES: dict[str, tuple[Rule, ...]] = {
    "": SPEC_RULES,
    "env": ENV_RULES,
    "stepSoak": SOAK_RULES,
    "soak": SOAK_RULES,
    "findings[]": FINDING_RULES,
    "proofTimeout": SOAK_RULES,
    "maxBlind": SOAK_RULES,
    "maxHold": SOAK_RULES,
    "arms": ARMS_RULES,
    "decision": DECISION_RULES,
    "probe": PROBE_RULES,
    "probe.arm": ARM_RULES,
    "analytics.after": SOAK_RULES,
    "probe.identity": IDENTITY_RULES,
    "guardrails[]": GUARDRAIL_RULES,
    "guardrails[].max": NUMBER_RULES,
    "guardrails[].min": NUMBER_RULES,
    "guardrails[].for": LASTING_RULES,
    "window": WINDOW_RULES,
    "window.notBefore": INSTANT_RULES,
    "window.notAfter": INSTANT_RULES,
    "require": REQUIRE_RULES,
    "require.smokeTest": SMOKE_TEST_RULES,
    "require.smokeTest.maxAge": SOAK_RULES,
    "require.smokeTest.evidence": LINK_RULES,
    "require.noOpenIncidents": INCIDENT_RULES,
    "require.noOpenIncidents.evidence": LINK_RULES,
    "alpha": PROBABILITY_RULES,
    "alphaWithinTolerance": PROBABILITY_RULES,
}
MESSAGES = frozenset(rule.message for rules in PLACES.values() for rule in rules)
UNCHECKED = "some validation rules were not checked"
STUMBLED = "evaluating rule:"  # CEL ended with an error, and not with a verdict


def by_us(manifest: Json) -> set[tuple[str, str]]:
    """Return place and message of each rule that a Python twin finds broken."""
    return {
        (place, rule.message)
        for path, rules in PLACES.items()
        for place, value in _values("spec", manifest["spec"], path)
        for rule in rules
        if not rule.holds(value)
    }


def by_the_server(answer: Answer) -> set[tuple[str, str]]:
    """Return place and message of each rule that the API server found broken."""
    return {
        (cause["field"], message)
        for cause in causes(answer)
        for message in MESSAGES
        if cause["message"].endswith(f": {message}") and STUMBLED not in cause["message"]
    }


def judged_by_both(answer: Answer) -> bool:
    """Say whether the API server came as far as to judge every rule."""
    said = [cause["message"] for cause in causes(answer)]
    checked = not any(UNCHECKED in one or STUMBLED in one for one in said)
    return answer.accepted or (bool(said) and checked)


def causes(answer: Answer) -> Iterable[Json]:
    found: Iterable[Json] = answer.body.get("details", {}).get("causes", ())
    return found


def _values(place: str, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each value at a path such as guardrails[].max, with its own place."""
    if not path:
        yield place, value
        return
    name, _, rest = path.partition(".")
    if name.removesuffix("[]") not in value:
        return
    inner = value[name.removesuffix("[]")]
    if not name.endswith("[]"):
        yield from _values(f"{place}.{name}", inner, rest)
        return
    for at, one in enumerate(inner):
        yield from _values(f"{place}.{name[:-2]}[{at}]", one, rest)
