"""Where a function of one number crosses zero."""

from collections.abc import Callable

Curve = Callable[[float], tuple[float, float]]  # a value, and the slope there
STEPS = 200


def bisect(f: Callable[[float], float], low: float, high: float, *, halvings: int = 100) -> float:
    """Return where f turns from negative at low to not negative at high; low may lie above high."""
    for _ in range(halvings):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if f(middle) < 0:
            low = middle
        else:
            high = middle
    return high


def newton(curve: Curve, low: float, high: float) -> float:
    """Return where a curve turns from negative at low to not negative at high, low < high.

    It never leaves what brackets the crossing, and halves that where a slope leads nowhere, so it
    ends for any curve that crosses once; neither end is evaluated. Precise to a few units in the
    last place.
    """
    x = (low + high) / 2
    for _ in range(STEPS):
        value, slope = curve(x)
        low, high = (x, high) if value < 0 else (low, x)
        middle = (low + high) / 2
        ahead = x - value / slope if slope > 0 else middle
        if ahead == x or middle in (low, high):
            break
        x = ahead if low < ahead < high else middle
    return x
