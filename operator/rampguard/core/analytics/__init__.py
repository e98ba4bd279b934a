"""What an analytics export says of an experiment: events in, a summary out, in bounded memory."""

from rampguard.core.analytics.cohorts import Cohorts, Followed
from rampguard.core.analytics.growth import Growth
from rampguard.core.analytics.record import (
    COOKIE,
    EXPOSURE,
    Event,
    Experiment,
    Fault,
    Refusal,
    Rollout,
)
from rampguard.core.analytics.slices import Slice
from rampguard.core.analytics.summary import PAIR, ArmCounts, Asked, Dashboard, Summary, summary
from rampguard.core.analytics.tally import Place, Refused, Tally

__all__ = [
    "COOKIE",
    "EXPOSURE",
    "PAIR",
    "ArmCounts",
    "Asked",
    "Cohorts",
    "Dashboard",
    "Event",
    "Experiment",
    "Fault",
    "Followed",
    "Growth",
    "Place",
    "Refusal",
    "Refused",
    "Rollout",
    "Slice",
    "Summary",
    "Tally",
    "summary",
]
