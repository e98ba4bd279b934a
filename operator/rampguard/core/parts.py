"""A part of a judgement on one line: what was measured, and how sure that is."""

import math
from collections.abc import Iterator

from rampguard.core.model import Part, Verdict

# Without these words the numbers say it all: the interval lies within the limit, or it does not.
_PLAIN = frozenset({Verdict.WITHIN_TOLERANCE, Verdict.INCONCLUSIVE})
_SMALLEST = 1e-4  # p below it is only said to be so


def part_text(part: Part) -> str:
    """Return all that is known of a part; what is not known is left out."""
    return f"{part.name}: {'; '.join(filter(None, _pieces(part)))}"


def always_valid_p(log_e_null: float) -> float:
    """Return how likely such evidence is if nothing is wrong, however often it is looked at.

    Source: Ville's inequality; `guardrails` judge by ln E itself, this is for people.
    """
    return math.exp(min(0.0, -log_e_null))


def _pieces(part: Part) -> Iterator[str]:
    measured = " ".join(filter(None, (part.value, part.interval)))
    plain = measured and part.verdict in _PLAIN
    limit = part.limit and f"limit {part.limit}"
    yield ", ".join(filter(None, ("" if plain else str(part.verdict), measured, limit)))
    yield part.counts
    yield _evidence(part)
    if part.log_e_null is not None:
        yield _p_text(always_valid_p(part.log_e_null))
    if part.phi != 1:
        yield f"phi {part.phi:.2g}"
    yield part.could_see
    if part.onset is not None:
        yield f"since {part.onset:%Y-%m-%dT%H:%M:%SZ}"
    yield from part.marks


def _evidence(part: Part) -> str:
    told = (
        (part.log_e_null, part.threshold_null, "nothing wrong"),
        (part.log_e_margin, part.threshold_margin, "at the limit"),
    )
    shown = ", ".join(
        f"{log_e:.2f}{'' if bar is None else f' of {bar:.2f}'} ({world})"
        for log_e, bar, world in told
        if log_e is not None
    )
    return shown and f"ln E {shown}"


def _p_text(p: float) -> str:
    return f"p {p:.2g}" if p >= _SMALLEST else f"p < {_SMALLEST:g}"
