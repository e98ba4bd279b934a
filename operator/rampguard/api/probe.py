"""spec.probe as people write it, and what the core is asked by it."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rampguard.api.rules import Object, Rule
from rampguard.api.wire import Name, Wire
from rampguard.core import probe as core
from rampguard.core.probe import Carrier, Spot

ARM = "arm needs header, cookie or json; of several all must agree"
IDENTITY = "identity takes header, query or cookie, one of them"
CARRIERS = {"header": Carrier.HEADER, "cookie": Carrier.COOKIE, "json": Carrier.JSON}
WHO = {"header": Carrier.HEADER, "query": Carrier.QUERY, "cookie": Carrier.COOKIE}


def _given(told: Object, names: dict[str, Carrier]) -> int:
    return sum(told.get(name) is not None for name in names)


ARM_RULES = (
    Rule(
        "has(self.header) || has(self.cookie) || has(self.json)",
        ARM,
        lambda told: _given(told, CARRIERS) > 0,
    ),
)
IDENTITY_RULES = (
    Rule(
        "[has(self.header), has(self.query), has(self.cookie)].exists_one(given, given)",
        IDENTITY,
        lambda told: _given(told, WHO) == 1,
    ),
)


def _ends_soon(told: Object) -> bool:
    users, rate = told.get("users", 200), told.get("rate", 20)
    if not (type(users) is type(rate) is int) or rate < 1:
        return True  # another rule says what is wrong
    return users <= 150 * rate


PROBE_RULES = (
    Rule(
        "self.rate < 1 || self.users <= 150 * self.rate",
        "users may be at most 150 times rate: a round is over within some five minutes",
        _ends_soon,
    ),
)

Token = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._~-]*$")
]
KEY = r"[A-Za-z0-9_$@][A-Za-z0-9_$@~:/-]*"
JsonPath = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=rf"^{KEY}(\.{KEY})*$")
]
Path = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^/[!-\"$-~]*$")]


class Arm(Wire):
    """Where an answer says the user's arm."""

    RULES = ARM_RULES

    header: Token | None = Field(None, description="name of a header")
    cookie: Token | None = Field(None, description="name of a cookie that is set")
    json_path: JsonPath | None = Field(
        None, alias="json", description="path in a JSON body, such as experiment.variant or arms.0"
    )


class Value(Wire):
    """Where an answer says which value the pod runs."""

    json_path: JsonPath = Field(
        alias="json", description="path in a JSON body, such as experiment.rollout"
    )


class Identity(Wire):
    """What says who the user is."""

    RULES = IDENTITY_RULES

    header: Token | None = Field(None, description="name of a header")
    query: Token | None = Field(None, description="name of a parameter of the URL")
    cookie: Token | None = Field(None, description="name of a cookie")


class Probe(Wire):
    """Asks the app itself, pod by pod, which arm it gives to users."""

    RULES = PROBE_RULES

    service: Name = Field(
        description="a Service of this namespace; it selects the pods of the targets to ask"
    )
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] = Field(
        description="port of the Service"
    )
    path: Path = Field(description="what is asked for, such as /api/v1/skills/tree")
    scheme: Literal["HTTP", "HTTPS"] = Field(
        "HTTP", description="HTTPS: the certificate must be of SERVICE.NAMESPACE.svc"
    )
    arm: Arm = Field(description="where an answer says the user's arm")
    value: Value | None = Field(
        None,
        description="where an answer says which value the pod runs, in percent; default: nowhere",
    )
    identity: Identity | None = Field(
        None,
        description="what says who the user is; default: every request is of a new user, and"
        " whether an arm stays cannot be seen",
    )
    headers_from: Name | None = Field(
        None, description="headers and CA under this name in the operator's configuration"
    )
    users: Annotated[int, Field(ge=20, le=1000, strict=True)] = Field(
        200, description="new users that are asked for after a step; a finding takes a quarter"
    )
    rate: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        20, description="requests per second, over all pods"
    )


def to_probe(told: Probe | None) -> core.Probe | None:
    """Return what the core asks; None: nobody asks the app."""
    if told is None:
        return None
    arm = {
        Carrier.HEADER: told.arm.header,
        Carrier.COOKIE: told.arm.cookie,
        Carrier.JSON: told.arm.json_path,
    }
    return core.Probe(
        service=told.service,
        port=told.port,
        path=told.path,
        https=told.scheme == "HTTPS",
        arm=tuple(Spot(carrier, name) for carrier, name in arm.items() if name is not None),
        value=Spot(Carrier.JSON, told.value.json_path) if told.value else None,
        identity=_identity(told.identity) if told.identity else None,
        headers_from=told.headers_from,
        users=told.users,
        rate=told.rate,
    )


def _identity(told: Identity) -> Spot:
    who = {
        Carrier.HEADER: told.header,
        Carrier.QUERY: told.query,
        Carrier.COOKIE: told.cookie,
    }
    return next(Spot(carrier, name) for carrier, name in who.items() if name is not None)
