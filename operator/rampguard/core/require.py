"""The nouns of what must hold before a ramp starts: what is asked, and what was seen of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# --- asked: spec.window, spec.require ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a ramp may start, both ends included; None: open on that side."""

    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTest:
    """An earlier ramp by its name, or a link by which a person vouches for a test; not both."""

    ramp: str | None = None
    max_age: timedelta = timedelta(0)  # of its end; a link has none
    conclusive: bool = False  # every guardrail of it must have been proven within its limit
    evidence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidents:
    """An HTTP check by its name, or a link by which a person vouches; not both."""

    check: str | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Who starts all the same, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Require:
    """What must hold before the first write; None: not asked."""

    smoke_test: SmokeTest | None = None
    no_firing_alerts: str | None = None  # label matchers, as PromQL writes them between { and }
    no_open_incidents: Incidents | None = None
    announced: bool = False  # RampPlanned was delivered to every channel
    override: Override | None = None


# --- seen ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Precursor:
    """The ramp that was the smoke test, as it stands; what follows phase is of its end."""

    env: str
    to: int
    phase: str
    ended_at: datetime | None = None  # None: it goes on
    watched: bool = False
    soaked: timedelta = timedelta(0)  # all of its soaks
    blind: timedelta = timedelta(0)
    blind_at_end: bool = False
    breached: bool = False  # in any finding, or a person accepted harm
    conclusive: bool = False
    because: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP check answered. words: the beginning of a plain text; "": none."""

    status: int
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """What was seen of each requirement. None: not asked; a text: why it is not known."""

    smoke_test: Precursor | str | None = None
    alerts: tuple[str, ...] | str | None = None  # names of those that fire, each once
    incidents: Answer | str | None = None
