"""What was counted: hits among units, per arm."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arm:
    """Hits among units: starts among assignments, errors among requests; >= 0, and they add."""

    hits: float = 0.0
    units: float = 0.0

    def __add__(self, other: "Arm") -> "Arm":
        return Arm(self.hits + other.hits, self.units + other.units)

    @property
    def rate(self) -> float:
        """Hits per unit; units > 0."""
        return self.hits / self.units


@dataclass(frozen=True, slots=True)
class Pair:
    """Both arms in one span of time; spans add."""

    treatment: Arm = Arm()
    control: Arm = Arm()

    def __add__(self, other: "Pair") -> "Pair":
        return Pair(self.treatment + other.treatment, self.control + other.control)


def matched(one: Pair) -> Pair:
    """Return the hits of one short span among those that each arm would have at a common rate.

    Units of what is returned are these expected hits: such pairs add over spans in which rates and
    sizes of the arms differ, where hits per unit do not. Nothing where an arm has no units.
    Sources: Mantel, Haenszel 1959; Peto, Peto 1972 (observed and expected of each stratum).
    """
    treatment, control = one.treatment, one.control
    if not (treatment.units > 0 and control.units > 0):
        return Pair()
    rate = (treatment.hits + control.hits) / (treatment.units + control.units)
    return Pair(
        Arm(treatment.hits, rate * treatment.units), Arm(control.hits, rate * control.units)
    )
