"""Statistics that stay valid however often they are looked at: pure functions of counts.

Callers import from here. Logarithms are natural, and -inf is no evidence; nothing returns NaN.
"""

from rampguard.core.statistics.counts import Arm, Pair, matched
from rampguard.core.statistics.detectable import (
    HALF,
    NINE_OF_TEN,
    Demand,
    detectable_ratio,
    detectable_shift,
    detectable_two_sample,
    information_two_sample,
    need,
)
from rampguard.core.statistics.evidence import (
    always_valid_p,
    information,
    information_counts,
    log_e_binomial,
    log_e_counts,
    log_e_windows,
    onset_mixture,
    threshold,
)
from rampguard.core.statistics.intervals import (
    Interval,
    ratio_interval,
    share_interval,
    two_sample_difference,
    two_sample_ratio,
)
from rampguard.core.statistics.killswitch import kill_limit, kill_refused, kill_trips, killed
from rampguard.core.statistics.odds import (
    clipped,
    error_effects,
    kullback,
    log_mean_exp,
    log_sum_exp,
    logistic,
    logit,
    small_effects,
    softplus,
)
from rampguard.core.statistics.overdispersion import (
    ASSUMED,
    ASSUMED_OF_ERRORS,
    BATCH,
    Overdispersion,
    Scatter,
    phi_counts,
    phi_history,
    phi_two_sample,
)
from rampguard.core.statistics.twosample import Hypothesis, log_e_two_sample, null_point

__all__ = [
    "ASSUMED",
    "ASSUMED_OF_ERRORS",
    "BATCH",
    "HALF",
    "NINE_OF_TEN",
    "Arm",
    "Demand",
    "Hypothesis",
    "Interval",
    "Overdispersion",
    "Pair",
    "Scatter",
    "always_valid_p",
    "clipped",
    "detectable_ratio",
    "detectable_shift",
    "detectable_two_sample",
    "error_effects",
    "information",
    "information_counts",
    "information_two_sample",
    "kill_limit",
    "kill_refused",
    "kill_trips",
    "killed",
    "kullback",
    "log_e_binomial",
    "log_e_counts",
    "log_e_two_sample",
    "log_e_windows",
    "log_mean_exp",
    "log_sum_exp",
    "logistic",
    "logit",
    "matched",
    "need",
    "null_point",
    "onset_mixture",
    "phi_counts",
    "phi_history",
    "phi_two_sample",
    "ratio_interval",
    "share_interval",
    "small_effects",
    "softplus",
    "threshold",
    "two_sample_difference",
    "two_sample_ratio",
]
