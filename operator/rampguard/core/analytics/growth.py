"""Whether arms grow by the odds that the rollout says, by the kernels of the guardrails."""

from dataclasses import dataclass

from rampguard.core.statistics import (
    Interval,
    always_valid_p,
    clipped,
    log_e_binomial,
    log_mean_exp,
    logit,
    share_interval,
)

ALPHA = 0.001  # the chance that arms in line are said not to be, however often one looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """New users of both arms at one rollout. expected: the share in treatment, 0 to 1.

    interval holds the true share, and p falls below ALPHA of arms in line, with a chance that holds
    for any number of looks at a growing export.
    """

    expected: float
    treatment: int
    control: int
    interval: Interval
    p: float

    @property
    def total(self) -> int:
        """Return the new users of both arms."""
        return self.treatment + self.control

    @property
    def in_line(self) -> bool:
        """Say whether what was seen can be by chance."""
        return self.p >= ALPHA


def growth(expected: float, treatment: int, control: int) -> Growth:
    """Test the split of new users exactly; at an expected share of 0 or 1, as at 0.001 from it."""
    eta0 = logit(clipped(expected))
    sides = [log_e_binomial(treatment, control, eta0, side) for side in (1, -1)]
    return Growth(
        expected=expected,
        treatment=treatment,
        control=control,
        interval=share_interval(treatment, control, ALPHA),
        p=always_valid_p(log_mean_exp(sides)),
    )
