"""Rules over one guardrail: which fields each type takes, told once for CEL and for Python."""

from dataclasses import dataclass

from rampguard.api.rules import Object, Rule


@dataclass(frozen=True, slots=True)
class Takes:
    """Which fields a type of guardrail has, besides those that all have."""

    kind: str
    words: str  # what it takes, for people
    needs: tuple[str, ...]
    one_of: tuple[str, ...] = ()  # one of them at least
    may: tuple[str, ...] = ()

    def rule(self) -> Rule:
        """Return the rule that such a guardrail has its fields, and none of another type."""
        known = {*self.needs, *self.one_of, *self.may}
        strange = tuple(name for name in GUARDRAIL_FIELDS if name not in known)
        some = " || ".join(f"has(self.{_cel(name)})" for name in self.one_of)
        cel = (
            *(f"has(self.{_cel(name)})" for name in self.needs),
            *([f"({some})"] if some else ()),
            *(f"!has(self.{_cel(name)})" for name in strange),
        )

        def holds(guardrail: Object) -> bool:
            has = {name for name, value in guardrail.items() if value is not None}
            return guardrail.get("type") != self.kind or (
                has.issuperset(self.needs)
                and has.isdisjoint(strange)
                and not (self.one_of and has.isdisjoint(self.one_of))
            )

        return Rule(
            f"self.type != '{self.kind}' || ({' && '.join(cel)})",
            f"{self.kind} takes {self.words}, and no other field but dryRun",
            holds,
        )


@dataclass(frozen=True, slots=True)
class AtMost:
    """How large the tolerance of a type may be; the schema knows only the largest of all."""

    kind: str
    limit: int
    unit: str

    def rule(self) -> Rule:
        """Return the rule; what is no number at all is for the fields to tell."""

        def holds(guardrail: Object) -> bool:
            told = guardrail.get("tolerance")
            return (
                guardrail.get("type") != self.kind
                or not isinstance(told, int | float)
                or told <= self.limit
            )

        return Rule(
            f"self.type != '{self.kind}' || !has(self.tolerance) || self.tolerance <= {self.limit}",
            f"the tolerance of {self.kind} is at most {self.limit} {self.unit}",
            holds,
        )


def _cel(name: str) -> str:
    return "__for__" if name == "for" else name  # a reserved word of CEL


def _below(low: object, high: object) -> bool:
    try:
        return float(str(low)) < float(str(high))
    except ValueError:
        return True  # another rule says what is wrong with it


GUARDRAIL_FIELDS = (
    "tolerance",
    "metric",
    "from",
    "event",
    "requests",
    "oncePerUser",
    "killSwitch",
    "query",
    "max",
    "min",
    "for",
)
TYPES = (
    Takes("ExposureBalance", "tolerance", needs=("tolerance",)),
    Takes(
        "RelativeDrop",
        "tolerance with metric, optionally oncePerUser, or with from: analytics and event",
        needs=("tolerance",),
        one_of=("metric", "event"),
        may=("oncePerUser", "from"),
    ),
    Takes(
        "ErrorRate",
        "metric, requests and tolerance, optionally killSwitch",
        needs=("metric", "requests", "tolerance"),
        may=("killSwitch",),
    ),
    Takes(
        "Threshold",
        "query with max or min or both, optionally for",
        needs=("query",),
        one_of=("max", "min"),
        may=("for",),
    ),
)
LARGEST_TOLERANCE = 1000  # of ErrorRate: eleven times the errors
TOLERANCES = (
    AtMost("ExposureBalance", 50, "percentage points"),
    AtMost("RelativeDrop", 90, "percent"),
)
EXPOSED = "experiment_exposure"  # what the event of a guardrail may follow, and not be
GUARDRAIL_RULES = (
    *(one.rule() for one in (*TYPES, *TOLERANCES)),
    Rule(
        "has(self.from) == has(self.event)",
        "from: analytics and event go together",
        lambda g: (g.get("from") is None) == (g.get("event") is None),
    ),
    Rule(
        "!has(self.event) || (!has(self.metric) && !has(self.oncePerUser))",
        "event stands in place of metric, and counts each user once by itself:"
        " leave metric and oncePerUser out",
        lambda g: (
            g.get("event") is None or (g.get("metric") is None and g.get("oncePerUser") is None)
        ),
    ),
    Rule(
        f"!has(self.event) || self.event != '{EXPOSED}'",
        "event is what users do after their exposure, not the exposure itself",
        lambda g: g.get("event") != EXPOSED,
    ),
    Rule(
        "!has(self.max) || !has(self.min) || double(self.min) < double(self.max)",
        "min must be below max",
        lambda g: g.get("max") is None or g.get("min") is None or _below(g["min"], g["max"]),
    ),
)
