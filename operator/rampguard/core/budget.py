"""The chance of a false rollback of a whole ramp, shared among its guardrails."""

from dataclasses import dataclass
from typing import assert_never

from rampguard.core.ask import Guardrail, GuardrailType
from rampguard.core.plan import Plan
from rampguard.core.statistics import threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one guardrail may spend of a ramp's chance of a false rollback."""

    alpha: float
    within: float
    weight: float
    soaks: int

    def null(self, parts: int) -> float:
        """Return what ln E has to reach against `nothing is wrong`."""
        return threshold(self.alpha, weight=self.weight, soaks=self.soaks, parts=parts)

    def margin(self, parts: int) -> float:
        """Return what ln E has to reach against `every shift is within tolerance`."""
        return threshold(self.within, weight=self.weight, soaks=self.soaks, parts=parts)

    @property
    def level(self) -> float:
        """Return the level of the interval that people see."""
        return self.weight * self.alpha / self.soaks


def budget(plan: Plan) -> Budget:
    """Share the budget evenly among the guardrails that spend it and can roll back, and all soaks.

    Never shared anew after the start: what is silent for a while keeps its part.
    """
    spending = sum(_spends(plan, one) for one in plan.ask.guardrails)
    return Budget(
        alpha=plan.ask.alpha,
        within=plan.ask.alpha_within_tolerance,
        weight=1 / max(1, spending),
        soaks=len(plan.values),
    )


def _spends(plan: Plan, guardrail: Guardrail) -> bool:
    """Say whether a guardrail is a test that decides somewhere; a Threshold is none."""
    match guardrail.type:
        case _ if guardrail.dry_run:
            return False
        case GuardrailType.THRESHOLD:
            return False
        case GuardrailType.RELATIVE_DROP:
            return any(0 < value < 100 for value in plan.values)  # noqa: PLR2004 - percent
        case GuardrailType.EXPOSURE_BALANCE | GuardrailType.ERROR_RATE:
            return True
        case other:
            assert_never(other)
