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
