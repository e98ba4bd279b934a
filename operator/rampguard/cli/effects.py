"""How the effects that a guardrail can see are written: in tables and in pictures."""

import math
from collections.abc import Iterator

from rampguard.core.ask import GuardrailType
from rampguard.core.outlook import Outlook
from rampguard.core.trials import Tried

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
SIDES = {"lower": "too few in treatment", "upper": "too many in treatment"}
PARTS = {"history": "against the time before", "concurrent": "between the arms"}


class Shown:
    """One part of a guardrail as it is shown; both sides of a share are one if they see alike."""

    def __init__(self, tried: Tried, outlook: Outlook, *, alone: bool) -> None:
        self.guardrail = tried.guardrail
        self.outlook = outlook
        self._both = alone and outlook.part in SIDES

    @property
    def part(self) -> str:
        """What the part compares; empty: the name of the guardrail says it."""
        return "" if self._both else {**SIDES, **PARTS}.get(self.outlook.part, "")

    def effect(self, effect: float) -> str:
        """Return an effect: ±7 pp, -10%, x1.5; of what cannot be seen a dash."""
        if not math.isfinite(effect):
            return "-"
        if self.guardrail.type is GuardrailType.EXPOSURE_BALANCE:
            side = "+" if self.outlook.side > 0 else "-"
            return f"{PLUS_MINUS if self._both else side}{_tenths(effect * 100)} pp"
        if self.outlook.side > 0:
            return f"x{1 + effect:.3g}"
        return f"-{_tenths(effect * 100)}%"


def shown(tried: Tried) -> Iterator[Shown]:
    """Yield the parts of a guardrail that are worth a row or a panel."""
    first, *rest = tried.outlooks or (None,)
    if first is None:
        return
    more = [one for one in rest if one.part not in SIDES or one.curve != first.curve]
    alone = not any(one.part in SIDES for one in more)
    for one in (first, *more):
        yield Shown(tried, one, alone=alone)


def _tenths(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
