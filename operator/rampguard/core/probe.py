"""The nouns of the assignment probe: whom it asks, where an answer stands, what came of a round."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rampguard.core.reasons import Reason


class Carrier(StrEnum):
    """What of a request or an answer carries a word."""

    HEADER = "header"
    COOKIE = "cookie"
    JSON = "json"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a word stands. name: of a header, cookie or parameter, or a path such as a.b.0."""

    carrier: Carrier
    name: str

    def __str__(self) -> str:
        return f"{self.carrier} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What the app is asked, pod by pod. rate: requests per second, over all pods."""

    service: str
    port: int  # of the Service
    path: str
    https: bool = False
    arm: tuple[Spot, ...]  # those given must agree
    value: Spot | None = None  # the app's own word on its percentage; None: it has none
    identity: Spot | None = None  # who asks; None: every request is of a new user
    headers_from: str | None = None  # of the operator's configuration; None: none are added
    users: int = 200
    rate: int = 20


class Occasion(StrEnum):
    """When the app is asked."""

    START = "start"  # before the first write
    STEP = "step"  # every pod of a step is proven
    FINDING = "finding"  # a finding is due soon


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The questions of one try.

    number: of the round within the ramp; users of two rounds are never the same. again: users of
    the round at `from` who must have the arm that they had. since: when the first try began.
    """

    number: int
    occasion: Occasion
    key: str  # what it is for; one occasion may have several tries
    share: int  # percent, that the pods run
    users: int
    again: tuple[int, ...] = ()
    again_of: int = 0  # number of the round that they were new in
    since: datetime
    at: datetime  # not before


@dataclass(frozen=True, slots=True)
class Question:
    """One request: a user at a pod. of: number of the round in which the user was new."""

    pod: str
    of: int
    user: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What a pod answered, a word for each spot in order; None: nothing stood there."""

    arms: tuple[str | None, ...]
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the answers, in a sentence."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one round. treated of users: who were new and whose arm is known."""

    number: int
    occasion: Occasion
    share: int  # percent, that was asked for
    at: datetime
    users: int
    treated: int
    pods: int
    agreed: int = 0  # users with the same arm on two pods
    stayed: int = 0  # users of the round at `from` with the arm that they had
    asked: int  # users that were to be asked
    faults: tuple[Fault, ...] = ()
    silent: str = ""  # why too little was answered; empty: enough was
    keep: tuple[int, ...] = ()  # of a round at `from`: users whose arm the ramp must not change


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What is remembered of the probe.

    mark: of what was asked; all but the count of rounds is void once that is edited. round: what
    is being asked, None: nothing is. over: the key of the last occasion that is settled, "": none
    is. wrong: tries of the current occasion with wrong answers. heard: the latest answers.
    """

    mark: str = ""
    round: Round | None = None
    rounds: int = 0
    over: str = ""
    wrong: int = 0
    heard: Heard | None = None
    keep: tuple[int, ...] = ()
    keep_of: int = 0  # number of the round that they were new in
