"""Malformed probes and analytics; see rows for how a row is written."""

from integration.manifests import drop, put
from integration.rows import Row, both, listed, missing, ruled, strange, typed
from rampguard.api.probe import ARM, IDENTITY
from rampguard.api.rules import DURATION

LONG = "users may be at most 150 times rate: a round is over within some five minutes"
ARMLESS = "probe needs arms: the words by which the app names them"
PROBE: dict[str, Row] = {
    "a text for the probe": typed("spec.probe", "object", "api"),
    "a text for its port": typed("spec.probe.port", "integer", "http"),
    "a number for its service": typed("spec.probe.service", "string", 7),
    "a text for its arm": typed("spec.probe.arm", "object", "X-Arm"),
    "a text for its value": typed("spec.probe.value", "object", "rollout"),
    "a list for its identity": typed("spec.probe.identity", "object", ["X-Request-ID"]),
    "a fraction for its rate": typed("spec.probe.rate", "integer", 0.5),
    "yes for its users": typed("spec.probe.users", "integer", value=True),
    "another scheme": listed("spec.probe.scheme", "FTP"),
    "a scheme in another case": listed("spec.probe.scheme", "https"),
    **{
        f"a probe without {name}": missing(f"spec.probe.{name}", drop(f"probe.{name}"))
        for name in ("service", "port", "path", "arm")
    },
    "a value without a place": missing("spec.probe.value.json", put("probe.value", {})),
    "a URL in place of a service": strange("spec.probe.url", put("probe.url", "http://x")),
    "a host of its own": strange("spec.probe.host", put("probe.host", "x")),
    "an arm in the query": strange("spec.probe.arm.query", put("probe.arm.query", "x")),
    "an identity in the body": strange(
        "spec.probe.identity.json", put("probe.identity.json", "x")
    ),
    "a probe without arms": ruled(
        "spec", ARMLESS, drop("arms"), drop("metrics"), drop("analytics"), put("guardrails", [
            {"name": "p95", "type": "Threshold", "query": "up", "min": "1"}
        ]),
    ),
    "an arm nowhere": ruled("spec.probe.arm", ARM, put("probe.arm", {})),
    "an identity of nobody": ruled("spec.probe.identity", IDENTITY, put("probe.identity", {})),
    "two identities": ruled(
        "spec.probe.identity", IDENTITY, put("probe.identity.cookie", "session")
    ),
    **{
        f"a probe of service {name!r}": both(
            "spec.probe.service", "should match", "match", put("probe.service", name)
        )
        for name in ("API", "other.svc", "api.other.svc.cluster.local", "10.0.0.1", "a b", "api/")
    },
    **{
        f"a probe of path {path!r}": both(
            "spec.probe.path", "should match", "match", put("probe.path", path)
        )
        for path in ("tree", "http://x/", "/a b", "/a#b", "/ä", "/a\r\nX: y")
    },
    **{
        f"a {carrier} named {name!r}": both(
            f"spec.probe.arm.{carrier}", "should match", "match", put(f"probe.arm.{carrier}", name)
        )
        for carrier in ("header", "cookie")
        for name in ("X Arm", "X:Arm", "a=b", "a;b", "X\r\nY")
    },
    **{
        f"a place {path!r}": both(
            "spec.probe.arm.json", "should match", "match", put("probe.arm.json", path)
        )
        for path in (".", "a.", ".a", "a..b", "a b")
    },
    "an empty header": both(
        "spec.probe.arm.header", "at least 1 chars", "at least 1 char", put("probe.arm.header", "")
    ),
    "headers by their path": both(
        "spec.probe.headersFrom", "should match", "match", put("probe.headersFrom", "/etc/passwd")
    ),
    **{
        f"{field} {value}": both(
            f"spec.probe.{field}", f"should be {'greater' if low else 'less'} than or equal to",
            f"{'greater' if low else 'less'} than or equal to", put(f"probe.{field}", value),
        )
        for field, value, low in (
            ("port", 0, True), ("port", 65536, False), ("users", 19, True), ("users", 1001, False),
            ("rate", 0, True), ("rate", 101, False),
        )
    },
    "a round that lasts too long": ruled(
        "spec.probe", LONG, put("probe.rate", 6), put("probe.users", 901)
    ),
    "a text for analytics": typed("spec.analytics", "object", "events"),
    "analytics of nothing": missing("spec.analytics.source", drop("analytics.source")),
    "analytics of a URL": strange("spec.analytics.url", put("analytics.url", "s3://x/y")),
    "analytics of a path": both(
        "spec.analytics.source", "should match", "match", put("analytics.source", "/etc/passwd")
    ),
    "analytics after days": ruled("spec.analytics.after", DURATION, put("analytics.after", "1d")),
    "analytics without arms": ruled(
        "spec", "analytics needs arms: the words by which the records name them",
        drop("arms"), drop("metrics"), drop("probe"), put("guardrails", [
            {"name": "p95", "type": "Threshold", "query": "up", "min": "1"}
        ]),
    ),
}  # fmt: skip
