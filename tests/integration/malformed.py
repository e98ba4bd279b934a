"""Manifests that nobody may start a ramp with, and who refuses each, in which words."""

from integration.malformed_probe import PROBE
from integration.manifests import drop, put
from integration.rows import Row, at, both, listed, missing, ruled, strange, typed
from rampguard.api.require_rules import INSTANT, LINK
from rampguard.api.rules import DURATION, ENV, FINDING, NUMBER, PROBABILITY, STEP

MANY = 20_000


SHARE, P95, STARTS, ERRORS = (f"spec.guardrails[{at}]" for at in range(4))
ONLY = "and no other field but dryRun"
EXPOSURE = f"ExposureBalance takes tolerance, {ONLY}"
TOGETHER = "from: analytics and event go together"
INSTEAD = (
    "event stands in place of metric, and counts each user once by itself: leave metric and"
    " oncePerUser out"
)
EXPOSED = "event is what users do after their exposure, not the exposure itself"
EXPORT = "from: analytics needs analytics: the export in which users are counted"
BROWSER = {"from": "analytics", "event": "session_started"}
BARE = tuple(drop(f"guardrails.2.{name}") for name in ("metric", "oncePerUser"))
EVENT = tuple(put(f"guardrails.2.{name}", told) for name, told in BROWSER.items())
OF_DROP = "tolerance with metric, optionally oncePerUser, or with from: analytics and event"
DROP = f"RelativeDrop takes {OF_DROP}, {ONLY}"
RATE = f"ErrorRate takes metric, requests and tolerance, optionally killSwitch, {ONLY}"
THRESHOLD = f"Threshold takes query with max or min or both, optionally for, {ONLY}"
ARMS = "arms and metrics are required with a guardrail of type ExposureBalance or RelativeDrop"
# Fields of other types, each with a value that its own type would take.
FITTING: dict[str, object] = {
    "metric": "starts_total",
    "requests": "requests_total",
    "oncePerUser": True,
    "killSwitch": 5,
    "query": "up",
    "max": "1",
    "min": "-1",
    "for": "1m",
}
ONE_OWN, THRESHOLDS = ("oncePerUser", "killSwitch"), ("query", "max", "min", "for")
DECIDES = "at least one guardrail must decide: not all may be dryRun"
LATE = "a finding cannot be due after the end of the soak"

TYPES = {
    "a number for the experiment": typed("spec.experiment", "string", 7),
    "a list for env": typed("spec.env", "string", ["A"]),
    "a text for the targets": typed("spec.targets", "array", "api"),
    "a text for a target": typed("spec.targets[0]", "object", "api"),
    "nothing for a target": typed("spec.targets[0]", "object", None),
    "a text for from": typed("spec.from", "integer", "10"),
    "yes for from": typed("spec.from", "integer", value=True),
    "a fraction for to": typed("spec.to", "integer", 50.5),
    "a number beyond all integers for to": both(
        "spec.to", "must be of type integer", "less than or equal to 100", put("to", 10**30)
    ),
    "a float for to": both(
        "to",
        "expected int, got float64 evaluating rule: from and to must differ",
        "valid integer",
        drop("steps"),
        put("to", 50.0),
    ),
    "a number for the steps": typed("spec.steps", "array", 20),
    "a text for a step": typed("spec.steps[0]", "integer", "20"),
    "a list for a step": typed("spec.steps[0]", "integer", [20]),
    "a text for fromAbsent": typed("spec.fromAbsent", "boolean", "yes"),
    "a number for paused": typed("spec.paused", "boolean", 1),
    "a number for the soak": typed("spec.soak", "string", 24),
    "a number for a finding": typed("spec.findings[0]", "string", 1),
    "a text for arms": typed("spec.arms", "object", "tree"),
    "a list for metrics": typed("spec.metrics", "object", ["up"]),
    "a text for a guardrail": typed(SHARE, "object", "share"),
    "a text for a tolerance": typed(f"{SHARE}.tolerance", "integer", "5"),
    "a number for max": typed(f"{P95}.max", "string", 0.8),
    "a text for dryRun": typed(f"{P95}.dryRun", "boolean", "no"),
    "a number for a metric": typed(f"{STARTS}.metric", "string", 5),
    "a list for the requests": typed(f"{ERRORS}.requests", "string", ["up"]),
    "a text for oncePerUser": typed(f"{STARTS}.oncePerUser", "boolean", "yes"),
    "a number for oncePerUser": typed(f"{STARTS}.oncePerUser", "boolean", 1),
    "a text for a killSwitch": typed(f"{ERRORS}.killSwitch", "integer", "5%"),
    "a fraction for a killSwitch": typed(f"{ERRORS}.killSwitch", "integer", 0.5),
    "yes for onUnattributable": listed("spec.onUnattributable", value=True),
    "a number for alpha": typed("spec.alpha", "string", 0.01),
    "a text for minPods": typed("spec.targets[0].minPods", "integer", "1"),
    "a text for gitops": typed("spec.gitops", "object", "Ignore"),
    "a list for the owner": typed("spec.owner", "string", ["@mia"]),
    "a text for notify": typed("spec.notify", "array", "team"),
    "a text for a channel that is told": typed("spec.notify[0]", "object", "team"),
    "a number for a channel": typed("spec.notify[0].channel", "string", 7),
    "a text for the events": typed("spec.notify[0].events", "array", "Blocked"),
    "an event that nobody knows": listed("spec.notify[0].events[0]", "RampLaunched"),
    "a mark as an event": listed("spec.notify[0].events[0]", "Rollback"),
    "a text for the decision": typed("spec.decision", "object", "2026-12-02"),
    "a number for goNoGo": typed("spec.decision.goNoGo", "string", 20261202),
    "a text for spec": typed("spec", "object", "ramp it"),
    "a list for spec": typed("spec", "object", []),
}
RANGES = {
    "a negative from": both("spec.from", "greater than or equal to 0", "from", put("from", -1)),
    "to above 100": both("spec.to", "less than or equal to 100", "equal to 100", put("to", 101)),
    "2 minPods": both(
        "spec.targets[0].minPods",
        "less than or equal to 1",
        "equal to 1",
        put("targets.0.minPods", 2),
    ),
    "no tolerance at all": both(
        f"{SHARE}.tolerance", "equal to 1", "equal to 1", put("guardrails.0.tolerance", 0)
    ),
    "a tolerance of more than half": ruled(
        SHARE,
        "the tolerance of ExposureBalance is at most 50 percentage points",
        put("guardrails.0.tolerance", 51),
    ),
    "a drop of nearly all": ruled(
        STARTS,
        "the tolerance of RelativeDrop is at most 90 percent",
        put("guardrails.2.tolerance", 91),
    ),
    "no drop at all": both(
        f"{STARTS}.tolerance", "equal to 1", "equal to 1", put("guardrails.2.tolerance", 0)
    ),
    "a rise beyond measure": both(
        f"{ERRORS}.tolerance", "equal to 1000", "equal to 1000", put("guardrails.3.tolerance", 1001)
    ),
    "a negative rise": both(
        f"{ERRORS}.tolerance", "equal to 1", "equal to 1", put("guardrails.3.tolerance", -20)
    ),
    "a killSwitch at nothing": both(
        f"{ERRORS}.killSwitch", "equal to 1", "equal to 1", put("guardrails.3.killSwitch", 0)
    ),
    "a killSwitch beyond all requests": both(
        f"{ERRORS}.killSwitch", "equal to 100", "equal to 100", put("guardrails.3.killSwitch", 101)
    ),
    "a metric that is too long": both(
        f"{STARTS}.metric", "Too long", "at most 2048", put("guardrails.2.metric", "a" * 2049)
    ),
    "requests that are too long": both(
        f"{ERRORS}.requests", "Too long", "at most 2048", put("guardrails.3.requests", "a" * 2049)
    ),
    "an empty metric": both(
        f"{ERRORS}.metric", "at least 1 chars", "at least 1 char", put("guardrails.3.metric", "")
    ),
    "an alpha that is too fine": both(
        "spec.alpha", "Too long", "at most 6 characters", put("alpha", "0.00001")
    ),
    **{
        f"alpha {value!r}": ruled("spec.alpha", PROBABILITY, put("alpha", value))
        for value in ("0", "0.0", "0.51", "1", ".5", "1e-2", "0,1", "NaN", "0.1 ")
    },
    "alphaWithinTolerance 0.9": ruled(
        "spec.alphaWithinTolerance", PROBABILITY, put("alphaWithinTolerance", "0.9")
    ),
    **{
        f"max {value!r}": ruled(
            f"{P95}.max", NUMBER, drop("guardrails.1.min"), put("guardrails.1.max", value)
        )
        for value in (
            "NaN",
            "Infinity",
            "-inf",
            "1e3",
            "0x1F",
            "1_000",
            "1,5",
            "+1",
            "\u0663",
            "1\n",
        )
    },
}
DURATIONS = {
    **{
        f"a soak of {value!r}": ruled("spec.soak", DURATION, drop("findings"), put("soak", value))
        for value in (
            *("0m", "721h", "43201m", "1d", "24", " 24h", "24h\n", "-1h", "1h 30m", "30m1h"),
            *("\uff19h", "1.5h", "60s", "99999h", "1h1h", "PT1H", "1H"),
        )
    },
    "an empty soak": both("spec.soak", "at least 1 chars long", "at least 1 char", put("soak", "")),
    "a stepSoak of a second": ruled("spec.stepSoak", DURATION, put("stepSoak", "1s")),
    "a proofTimeout of 0": ruled("spec.proofTimeout", DURATION, put("proofTimeout", "0h0m")),
    "a maxBlind of a month": ruled("spec.maxBlind", DURATION, put("maxBlind", "744h")),
    "a maxHold of nothing": ruled("spec.maxHold", DURATION, put("maxHold", "m")),
    "a for of more than a day": ruled(f"{P95}.for", "at most 24h", put("guardrails.1.for", "25h")),
    "a finding at once": ruled("spec.findings[0]", FINDING, put("findings.0", "0m")),
    "a finding after the soak": ruled("finding", LATE, put("findings", ["1h", "7h"])),
    "a finding after the default soak": ruled(
        "finding", LATE, drop("soak"), put("findings", ["25h"])
    ),
}
UNKNOWN = {
    "a misspelt field": strange("spec.guardrail", put("guardrail", [])),
    "a field in another case": strange("spec.From", put("From", 10)),
    "a field of another issue": strange("spec.capture", put("capture", {"source": "x"})),
    "an unknown field of a target": strange("spec.targets[0].kind", put("targets.0.kind", "x")),
    "a URL in place of a channel": strange("spec.notify[0].url", put("notify.0.url", "json://x")),
    "an unknown field of the decision": strange("spec.decision.by", put("decision.by", "@mia")),
    "an unknown field of arms": strange("spec.arms.other", put("arms.other", "x")),
    "a URL in the metrics": strange("spec.metrics.url", put("metrics.url", "http://x")),
    "an unknown field of a guardrail": strange(f"{SHARE}.weight", put("guardrails.0.weight", 5)),
    "an unknown field of gitops": strange("spec.gitops.handoff", put("gitops.handoff", "Done")),
    "a field that looks like a prototype": strange("spec.__proto__", put("__proto__", {})),
    "an empty field name": both("spec.", 'unknown field "spec."', "no such field", put("", 1)),
}
MISSING = {
    "no spec": both("spec", "spec: Required value", "valid dictionary", drop("/spec")),
    "nothing for spec": both("spec", "spec: Required value", "dictionary", put("/spec", None)),
    **{
        f"no {name}": missing(f"spec.{name}", drop(name))
        for name in ("experiment", "env", "targets", "from", "to")
    },
    "an empty spec": missing("spec.experiment", put("/spec", {})),
    "no guardrails": both(
        "guardrail", "spec.guardrails: Required value", DECIDES, drop("guardrails")
    ),
    "a target without a name": missing("spec.targets[0].name", drop("targets.0.name")),
    "a guardrail without a name": missing(f"{SHARE}.name", drop("guardrails.0.name")),
    "a guardrail without a type": missing(f"{SHARE}.type", drop("guardrails.0.type")),
    "a channel without a name": missing("spec.notify[0].channel", drop("notify.0.channel")),
    "an arm that is missing": missing("spec.arms.control", drop("arms.control")),
    "metrics without assignments": missing("spec.metrics.assignments", drop("metrics.assignments")),
    "no arms for an ExposureBalance": ruled("arms", ARMS, drop("guardrails.2"), drop("arms")),
    "no metrics for an ExposureBalance": ruled(
        "metrics", ARMS, drop("guardrails.2"), drop("metrics")
    ),
    "no arms for a RelativeDrop": ruled("arms", ARMS, drop("guardrails.0"), drop("arms")),
    "no metrics for a RelativeDrop": ruled("metrics", ARMS, drop("guardrails.0"), drop("metrics")),
}
LISTS = {
    "no targets": both("spec.targets", "at least 1 items", "at least 1 item", put("targets", [])),
    "many targets": both(
        "spec.targets",
        "must have at most 10 items",
        "at most 10 items",
        put("targets", [{"name": f"api-{n}"} for n in range(MANY)]),
    ),
    "11 targets": both(
        "spec.targets",
        "must have at most 10 items",
        "at most 10 items",
        put("targets", [{"name": f"api-{n}"} for n in range(11)]),
    ),
    "11 steps": both(
        "spec.steps",
        "must have at most 10 items",
        "at most 10 items",
        put("steps", [*range(11, 22)]),
    ),
    "many steps": both(
        "steps", "must have at most 10 items", "steps must not repeat", put("steps", [20] * MANY)
    ),
    "11 findings": both(
        "spec.findings",
        "must have at most 10 items",
        "at most 10 items",
        put("findings", ["1h"] * 11),
    ),
    "11 guardrails": both(
        "spec.guardrails",
        "must have at most 10 items",
        "at most 10 items",
        put(
            "guardrails",
            [{"name": f"g{n}", "type": "ExposureBalance", "tolerance": 5} for n in range(11)],
        ),
    ),
    "no guardrail": ruled("guardrail", DECIDES, put("guardrails", [])),
    "9 channels": both(
        "spec.notify",
        "must have at most 8 items",
        "at most 8 items",
        put("notify", [{"channel": f"c{at}"} for at in range(9)]),
    ),
    "no event": both(
        "spec.notify[0].events",
        "at least 1 items",
        "at least 1 item",
        put("notify.0.events", []),
    ),
    "3 gates": both(
        "spec.gates", "must have at most 2 items", "at most 2 items", put("gates", ["Start"] * 3)
    ),
}
RULES = {
    "to is from": ruled("to", "from and to must differ", drop("steps"), put("to", 10)),
    "a step at from": ruled("step", STEP, put("steps", [10, 20])),
    "a step at to": ruled("step", STEP, put("steps", [20, 50])),
    "a step beyond to": ruled("step", STEP, put("steps", [20, 60])),
    "steps out of order": ruled(
        "steps", "steps must be in the direction of the ramp", put("steps", [30, 20])
    ),
    "steps up on the way down": ruled(
        "steps", "steps must be in the direction of the ramp", put("from", 50), put("to", 10)
    ),
    "a step twice": ruled("steps", "steps must not repeat", put("steps", [20, 20])),
    "one arm twice": ruled(
        "spec.arms", "control and treatment must differ", put("arms.treatment", "tree")
    ),
    "a decision that says nothing": ruled(
        "spec.decision", "decision needs analysisWindow or goNoGo, or both", put("decision", {})
    ),
    "only dry runs": ruled(
        "guardrail", DECIDES, *(put(f"guardrails.{at}.dryRun", value=True) for at in (0, 2, 3))
    ),
    "a query at an ExposureBalance": ruled(SHARE, EXPOSURE, put("guardrails.0.query", "up")),
    "a max at an ExposureBalance": ruled(SHARE, EXPOSURE, put("guardrails.0.max", "1")),
    "a min at an ExposureBalance": ruled(SHARE, EXPOSURE, put("guardrails.0.min", "1")),
    "a for at an ExposureBalance": ruled(SHARE, EXPOSURE, put("guardrails.0.for", "1m")),
    "an ExposureBalance without tolerance": ruled(SHARE, EXPOSURE, drop("guardrails.0.tolerance")),
    **{
        f"a {name} at {a}": ruled(place, message, at(f"{place}.{name}", FITTING[name]))
        for a, place, message, strangers in (
            ("an ExposureBalance", SHARE, EXPOSURE, ("metric", "requests", *ONE_OWN)),
            ("a RelativeDrop", STARTS, DROP, ("requests", "killSwitch", *THRESHOLDS)),
            ("an ErrorRate", ERRORS, RATE, ("oncePerUser", *THRESHOLDS)),
            ("a Threshold", P95, THRESHOLD, ("metric", "requests", *ONE_OWN)),
        )
        for name in strangers
    },
    "from without event": ruled(STARTS, TOGETHER, put("guardrails.2.from", "analytics")),
    "an event from nowhere": ruled(STARTS, TOGETHER, *BARE, put("guardrails.2.event", "start")),
    "an event beside a metric": ruled(STARTS, INSTEAD, *EVENT),
    "an event beside oncePerUser": ruled(
        STARTS, INSTEAD, *EVENT, *BARE, put("guardrails.2.oncePerUser", value=True)
    ),
    "an event that is the exposure": ruled(
        STARTS, EXPOSED, *BARE, *EVENT, put("guardrails.2.event", "experiment_exposure")
    ),
    "an event without analytics": ruled("spec", EXPORT, *BARE, *EVENT, drop("analytics")),
    "users from elsewhere": both(
        f"{STARTS}.from",
        f'{STARTS}.from: Unsupported value: "metrics"',
        "should be 'analytics'",
        *BARE,
        *EVENT,
        put("guardrails.2.from", "metrics"),
    ),
    "an empty event": both(
        f"{STARTS}.event",
        "at least 1 chars",
        "at least 1 char",
        *BARE,
        *EVENT,
        put("guardrails.2.event", ""),
    ),
    "an event that is too long": both(
        f"{STARTS}.event",
        "Too long",
        "at most 128",
        *BARE,
        *EVENT,
        put("guardrails.2.event", "a" * 129),
    ),
    **{
        f"users of an export at {a}": ruled(
            place, message, *(at(f"{place}.{name}", told) for name, told in BROWSER.items())
        )
        for a, place, message in (
            ("an ExposureBalance", SHARE, EXPOSURE),
            ("a Threshold", P95, THRESHOLD),
        )
    },
    "a RelativeDrop without metric": ruled(STARTS, DROP, drop("guardrails.2.metric")),
    "a RelativeDrop without tolerance": ruled(STARTS, DROP, drop("guardrails.2.tolerance")),
    "an ErrorRate without metric": ruled(ERRORS, RATE, drop("guardrails.3.metric")),
    "an ErrorRate without requests": ruled(ERRORS, RATE, drop("guardrails.3.requests")),
    "an ErrorRate without tolerance": ruled(ERRORS, RATE, drop("guardrails.3.tolerance")),
    "an ErrorRate by another name": ruled(ERRORS, DROP, put("guardrails.3.type", "RelativeDrop")),
    "a tolerance at a Threshold": ruled(P95, THRESHOLD, put("guardrails.1.tolerance", 5)),
    "a Threshold without query": ruled(P95, THRESHOLD, drop("guardrails.1.query")),
    "a Threshold without a limit": ruled(
        P95, THRESHOLD, drop("guardrails.1.max"), drop("guardrails.1.min")
    ),
    "a min that is max": ruled(P95, "min must be below max", put("guardrails.1.min", "0.8")),
    "a min above max": ruled(P95, "min must be below max", put("guardrails.1.min", "1")),
    **{
        f"env {value!r}": ruled("spec.env", ENV, put("env", value))
        for value in ("1ABC", "A-B", "A B", "A=B", "A\n", "$(A)", "Ä", "A.B")
    },
}
SMOKE, OPEN = "spec.require.smokeTest", "spec.require.noOpenIncidents"
ONE_TEST = "smokeTest takes ramp and maxAge, optionally requireConclusive, or evidence alone"
ONE_CHECK = "noOpenIncidents takes check or evidence, one of them"
REQUIRE = (
    "require names at least one of smokeTest, noFiringAlerts, noOpenIncidents, announced: true"
)
UNHEARD = "require.announced: true needs notify: name the channels that are to hear of the plan"
PRECONDITIONS = {
    "a text for the window": typed("spec.window", "object", "tomorrow"),
    "a text for require": typed("spec.require", "object", "all"),
    "a text for a smoke test": typed(SMOKE, "object", "tree-10"),
    "a list for the alerts": typed("spec.require.noFiringAlerts", "string", ['a="b"']),
    "yes for noOpenIncidents": typed(OPEN, "object", value=True),
    "a text for requireConclusive": typed(f"{SMOKE}.requireConclusive", "boolean", "yes"),
    "a number for maxAge": typed(f"{SMOKE}.maxAge", "string", 336),
    "a text for an override": typed("spec.require.override", "object", "@mia"),
    "a text for announced": typed("spec.require.announced", "boolean", "everybody"),
    "an announcement to nobody": ruled("spec", UNHEARD, drop("notify")),
    "an announcement to no channel": ruled("spec", UNHEARD, put("notify", [])),
    "a URL for an incident check": strange(f"{OPEN}.url", put("require.noOpenIncidents.url", "x")),
    "an unknown field of the window": strange("spec.window.zone", put("window.zone", "CET")),
    "an unknown field of a smoke test": strange(f"{SMOKE}.name", put("require.smokeTest.name", 1)),
    "an override by nobody": missing("spec.require.override.by", drop("require.override.by")),
    "an override without a reason": missing(
        "spec.require.override.reason", drop("require.override.reason")
    ),
    "an override by an empty name": both(
        "spec.require.override.by", "at least 1 chars", "at least 1 char",
        put("require.override.by", ""),
    ),
    "a reason beyond measure": both(
        "spec.require.override.reason", "Too long", "at most 256",
        put("require.override.reason", "x" * 257),
    ),
    "an empty window": ruled(
        "spec.window", "window takes notBefore, notAfter or both", put("window", {})
    ),
    "a window that ends before it begins": ruled(
        "spec.window", "notBefore must be before notAfter",
        put("window.notAfter", "2026-11-23T09:59:59+01:00"),
    ),
    "a window of an instant": ruled(
        "spec.window", "notBefore must be before notAfter",
        put("window.notAfter", "2026-11-23T09:00:00Z"),
    ),
    **{
        f"notBefore {value!r}": ruled(
            "spec.window.notBefore", INSTANT, put("window.notBefore", value)
        )
        for value in (
            *("tomorrow", "2026-11-23", "2026-11-23T09:00:00", "2026-11-23 09:00:00Z"),
            *("2026-13-01T09:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T09:00:60Z"),
            *("2026-11-23T09:00Z", "1999-11-23T09:00:00Z", "2026-11-23T09:00:00Z\n"),
            *("2026-11-23T09:00:00z", "2026-11-23T09:00:00+1:00", "1764000000"),
        )
    },
    # No month has this day: CEL ends with an error, and says what was expected.
    "a day that is not": both(
        "notBefore", f"evaluating rule: {INSTANT}", INSTANT,
        put("window.notBefore", "2026-02-30T09:00:00Z"),
    ),
    "an empty require": ruled("spec.require", REQUIRE, put("require", {})),
    "an override of nothing": ruled(
        "spec.require", REQUIRE, *(drop(f"require.{n}") for n in
        ("smokeTest", "noFiringAlerts", "noOpenIncidents", "announced")),
    ),
    "an announcement that is not required": ruled(
        "spec.require", REQUIRE, put("require", {"announced": False})
    ),
    "an empty smoke test": ruled(SMOKE, ONE_TEST, put("require.smokeTest", {})),
    "a smoke test of any age": ruled(SMOKE, ONE_TEST, drop("require.smokeTest.maxAge")),
    "an age of no smoke test": ruled(SMOKE, ONE_TEST, drop("require.smokeTest.ramp")),
    "a smoke test and a link": ruled(
        SMOKE, ONE_TEST, put("require.smokeTest.evidence", "https://x")
    ),
    "a link that is conclusive": ruled(
        SMOKE, ONE_TEST,
        put("require.smokeTest", {"evidence": "https://x", "requireConclusive": True}),
    ),
    "a maxAge of days": ruled(f"{SMOKE}.maxAge", DURATION, put("require.smokeTest.maxAge", "14d")),
    "an empty noOpenIncidents": ruled(OPEN, ONE_CHECK, put("require.noOpenIncidents", {})),
    "a check and a link": ruled(
        OPEN, ONE_CHECK, put("require.noOpenIncidents.evidence", "https://x")
    ),
    "a check by its URL": both(
        f"{OPEN}.check", "should match", "match", put("require.noOpenIncidents.check", "http://x")
    ),
    "a name of no ramp": both(
        f"{SMOKE}.ramp", "at least 1 chars", "at least 1 char", put("require.smokeTest.ramp", "")
    ),
    "matchers that are too long": both(
        "spec.require.noFiringAlerts", "Too long", "at most 512",
        put("require.noFiringAlerts", f'a="{"x" * 512}"'),
    ),
    **{
        f"a link {value!r}": ruled(f"{place}.evidence", LINK, at(place, {"evidence": value}))
        for place in (SMOKE, OPEN)
        for value in ("wiki/test", "ftp://x", "https://", "https://a b", "javascript:x//https://x")
    },
}  # fmt: skip
WORDS = {
    "a type that does not exist": listed(f"{SHARE}.type", "MedianShift"),
    "a type in another case": listed(f"{SHARE}.type", "exposureBalance"),
    "noData in another case": listed("spec.noData", "hold"),
    "an onFailure of another field": listed("spec.onFailure", "Ignore"),
    "an onUnattributable of another field": listed("spec.onUnattributable", "Ignore"),
    "an onDelete that does not exist": listed("spec.onDelete", "Retain"),
    "an abort of YAML's true": listed("spec.abort", value=True),
    "a policy of YAML's false": listed("spec.gitops.policy", value=False),
    "a policy that does not work yet": listed("spec.gitops.policy", "Warn"),
    "a gate that does not exist": listed("spec.gates[0]", "EveryStep"),
    "an approval of nothing": both("spec.approve", "should match", "match", put("approve", "yes")),
    "an approval without a number": both(
        "spec.approve", "should match", "match", put("approve", "step-")
    ),
    "a guardrail name in capitals": both(
        f"{SHARE}.name", "should match", "match", put("guardrails.0.name", "Share")
    ),
    "a guardrail name with an open end": both(
        f"{SHARE}.name", "should match", "match", put("guardrails.0.name", "share-")
    ),
    "a URL for a source": both(
        "spec.metrics.source", "should match", "match", put("metrics.source", "http://prom:9090")
    ),
    "a label that is none": both(
        "spec.metrics.armLabel", "should match", "match", put("metrics.armLabel", "var-iant")
    ),
    "a kind that is ours no more": both(
        "kind", "must be ExperimentRamp", "is no rampguard.dev/v1alpha1", put("/kind", "Ramp")
    ),
}
# What a schema has no words for: the API server stores it, and the ramp is Blocked / InvalidSpec.
SELECTORS = {
    f"a selector {value[:30]!r}": Row(
        (put("metrics.assignments", value),), "spec.metrics.assignments", "", words
    )
    for value, words in {
        "rate(assignments_total[5m])": "the end should follow",
        "sum(assignments_total)": "the end should follow",
        "a + b": "the end should follow",
        "a or b": "the end should follow",
        "a offset 5m": "the end should follow",
        "a @ 1700000000": "the end should follow",
        'a{b="c"}[5m]': "the end should follow",
        "a # a comment": "the end should follow",
        "1": "a metric name should follow",
        '"a"': "a metric name should follow",
        '{__name__="a"}': "a metric name should follow",
        'a{__name__="b"}': "leave out __name__",
        "a{b=c}": "a quoted value should follow",
        'a{b=="c"}': "a quoted value should follow",
        'a{b="c"': "} or , should follow",
        'a{"b"="c"}': "a label should follow",
        'a{b="c': "a quoted value should follow",
        'a{b="c"} or vector(1)': "the end should follow",
        "-a": "a metric name should follow",
        " ": "a metric name should follow",
    }.items()
}
SELECTORS |= {
    f"{value!r} for {name} of a guardrail": Row(
        (put(f"guardrails.{number}.{name}", value),),
        f"spec.guardrails[{number}].{name}",
        "",
        "should follow",
    )
    for number, name in ((2, "metric"), (3, "metric"), (3, "requests"))
    for value in ("rate(starts_total[5m])", "a / b", 'sum(a{b="c"})')
}
# Starts of users whom an earlier share assigned do not belong to the assignments that are counted.
BIASED = {
    name: Row((*changes,), f"{STARTS}.metric", "", f"needs {matcher} as metrics.assignments has it")
    for name, (matcher, *changes) in {
        "starts of everybody": (
            'source=~"new|first"',
            put("guardrails.2.metric", 'starts_total{experiment="tree"}'),
        ),
        "starts without matchers": (
            'source=~"new|first"',
            put("guardrails.2.metric", "starts_total"),
        ),
        "starts of another cohort": (
            'source=~"new|first"',
            put("guardrails.2.metric", 'starts_total{source=~"cookie"}'),
        ),
        "starts of a part of the cohort": (
            'source=~"new|first"',
            put("guardrails.2.metric", 'starts_total{source="new"}'),
        ),
        "starts of all but the cohort": (
            'source=~"new|first"',
            put("guardrails.2.metric", 'starts_total{source!~"new|first"}'),
        ),
        "the cohort under another label": (
            'source=~"new|first"',
            put("guardrails.2.metric", 'starts_total{origin=~"new|first"}'),
        ),
        "one of two matchers of a cohort": (
            'tier="web"',
            put("metrics.assignments", 'assignments_total{source="new",tier="web"}'),
            put("guardrails.2.metric", 'starts_total{source="new"}'),
        ),
        "none of two matchers of a cohort": (
            'source="new", tier="web"',
            put("metrics.assignments", 'assignments_total{source="new",tier="web"}'),
            put("guardrails.2.metric", "starts_total"),
        ),
        "starts of everybody in a dry run": (
            'source=~"new|first"',
            put("guardrails.2.metric", "starts_total"),
            put("guardrails.2.dryRun", value=True),
        ),
    }.items()
}
MATCHERS = {
    f"alerts with {value!r}": Row(
        (put("require.noFiringAlerts", value),), "spec.require.noFiringAlerts", "", words
    )
    for value, words in {
        'ALERTS{severity="sev1"}': "one of = != =~ !~ should follow",
        '{severity="sev1"}': "a label should follow",
        "severity": "one of = != =~ !~ should follow",
        "severity=sev1": "a quoted value should follow",
        'severity="sev1"}': "the end should follow",
        'severity="sev1"} or vector(1) #': "the end should follow",
        'severity="sev1",': "a label should follow",
        'severity="sev1" service="x"': "the end should follow",
        'alertstate="pending"': "leave out alertstate",
        '__name__="up"': "leave out __name__",
        " ": "a label should follow",
    }.items()
}
STORED = SELECTORS | BIASED | MATCHERS
# What only the API server can say: names of objects, keys of lists, and what it never hands on.
SERVERS = {
    "one target twice": Row(
        (put("targets.1.name", "api"),), "spec.targets[1]", "Duplicate value", ""
    ),
    "one guardrail twice": Row(
        (put("guardrails.1.name", "share"),), "spec.guardrails[1]", "Duplicate value", ""
    ),
    "one gate twice": Row(
        (put("gates", ["Start", "Start"]),), "spec.gates[1]", "Duplicate value", ""
    ),
    "one channel twice": Row(
        (put("notify.1.channel", "team"),), "spec.notify[1]", "Duplicate value", ""
    ),
    "one event twice": Row(
        (put("notify.0.events", ["Blocked", "Blocked"]),),
        "spec.notify[0].events[1]",
        "Duplicate value",
        "",
    ),
    "a name that is too long": Row(
        (put("/metadata.name", "a" * 64),), "the name of a ramp", "at most 63 characters", ""
    ),
    "a name in capitals": Row((put("/metadata.name", "Tree"),), "metadata.name", "RFC 1123", ""),
    "no name": Row((drop("/metadata.name"),), "name", "name or generateName is required", ""),
    "a field beside spec": Row((put("/sepc", {}),), "sepc", 'unknown field "sepc"', ""),
    "a field of the metadata": Row(
        (put("/metadata.owner", "x"),), "metadata.owner", 'unknown field "metadata.owner"', ""
    ),
}
BOTH = (
    TYPES | RANGES | DURATIONS | UNKNOWN | MISSING | LISTS | RULES | PRECONDITIONS | PROBE | WORDS
)
ROWS = BOTH | STORED | SERVERS
