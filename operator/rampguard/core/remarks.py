"""What a person should look at before a ramp, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from rampguard.core.ask import Guardrail, GuardrailType
from rampguard.core.baseline import WINDOW, objection
from rampguard.core.durations import show_duration
from rampguard.core.outlook import DAY
from rampguard.core.plan import Plan
from rampguard.core.trials import Tried, applies

HOURLY = timedelta(hours=1)
LONG = timedelta(hours=72)  # a time that is told in days
REPEATING = 1.5  # phi of the share over an hour: users are not drawn one by one
DRIFTING = 20.0  # phi of errors per request: the rate follows the hours


class Remark(StrEnum):
    """What a person should look at before the ramp."""

    BLOCKED = "Blocked"
    UNTRIED = "NotTried"
    CANNOT_SEE = "CannotSee"
    CANNOT_CLEAR = "CannotClear"
    BROKE = "ReplayBroke"
    SHORT = "ShortBaseline"
    ASSUMED = "PhiAssumed"
    REPEATING = "UsersRepeat"
    DRIFTING = "Drift"


@dataclass(frozen=True, slots=True)
class Warned:
    """A remark with a sentence for people; guardrail "": of the whole ramp."""

    guardrail: str
    remark: Remark
    message: str


def remarks(plan: Plan, tried: Tried) -> Iterator[Warned]:
    """Yield what a person should look at, the worst first."""
    for remark, message in (
        *_of_start(plan, tried),
        *_of_replays(tried),
        *_of_sight(plan, tried),
        *_of_baseline(tried),
        *_of_spreads(tried),
    ):
        yield Warned(tried.guardrail.name, remark, message)


def effect_text(guardrail: Guardrail, side: int, effect: float) -> str:
    """Say how large an effect is: a shift of 7 pp, a drop of 10%, x1.5."""
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        return f"a shift of {effect * 100:.2g} pp"
    return f"x{1 + effect:.3g}" if side > 0 else f"a drop of {effect * 100:.2g}%"


def _of_start(plan: Plan, tried: Tried) -> Iterator[tuple[Remark, str]]:
    why = objection(plan, tried.guardrail, tried.baseline) if tried.baseline else ""
    if why and not tried.guardrail.dry_run:
        yield Remark.BLOCKED, f"the ramp would not start: {why}"
    if tried.guardrail.event is not None:
        told = "it counts in the analytics export, of which Prometheus knows nothing: not tried"
        yield Remark.UNTRIED, told


def _of_replays(tried: Tried) -> Iterator[tuple[Remark, str]]:
    if tried.broke:
        start, first = tried.broke[0]
        told = (
            f"broke in {len(tried.broke)} of {tried.replays} replays although nothing was changed,"
            f" first at {start + first.after:%Y-%m-%d %H:%M} UTC ({first.why}): an incident of that"
            " day, or a limit too near"
        )
        yield Remark.BROKE, told


def _of_sight(plan: Plan, tried: Tried) -> Iterator[tuple[Remark, str]]:
    """Say what this traffic cannot show within the soak, and how long it would take."""
    soak = plan.soaks[plan.last]
    if not applies(tried.guardrail, (plan.ask.to,)):
        told = f"at {plan.ask.to}% one arm is empty: there it has nothing to compare with"
        yield Remark.CANNOT_SEE, told
    for one in tried.outlooks[:1]:
        half = one.twice.half
        if half is None or half > soak:
            harm = effect_text(tried.guardrail, one.side, one.twice.effect)
            told = (
                f"this traffic cannot show {harm}, twice the limit, within the soak of"
                f" {show_duration(soak)}: {_takes('half of such ramps would take', half)}"
            )
            yield Remark.CANNOT_SEE, told
    if tried.outlooks and (tried.clears is None or tried.clears > soak):
        told = (
            "a ramp that does no harm will end Inconclusive: to prove that it keeps to"
            f" {limit_text(tried.guardrail)} {_takes('takes', tried.clears)}, the soak is"
            f" {show_duration(soak)}"
        )
        yield Remark.CANNOT_CLEAR, told


def _takes(verb: str, time: timedelta | None) -> str:
    if time is None:
        return f"{verb} more than 60 days"
    if time >= LONG:
        return f"{verb} about {time / DAY:.0f} days"
    return f"{verb} {show_duration(time)}"


def limit_text(guardrail: Guardrail) -> str:
    """Say what a guardrail allows."""
    tolerance = guardrail.tolerance or 0
    if guardrail.type is GuardrailType.EXPOSURE_BALANCE:
        return f"\N{PLUS-MINUS SIGN}{tolerance:g} pp"
    if guardrail.type is GuardrailType.RELATIVE_DROP:
        return f"-{tolerance:g}%"
    return f"x{1 + tolerance / 100:.4g}"


def _of_baseline(tried: Tried) -> Iterator[tuple[Remark, str]]:
    if tried.baseline and tried.baseline.span < WINDOW - HOURLY:
        told = (
            f"the time before the ramp is {show_duration(tried.baseline.span)}, not 24h: what"
            " differs by hour of the day may look like harm"
        )
        yield Remark.SHORT, told


def _of_spreads(tried: Tried) -> Iterator[tuple[Remark, str]]:
    for one in tried.spreads:
        used = one.used.value
        if one.used.batch is None and used > 1:
            between = " between the arms" if one.part == "concurrent" else ""
            what = "starts cluster" if one.part == "drop" else f"errors vary{between}"
            yield (
                Remark.ASSUMED,
                f"too little was counted to say how {what}: phi {used:g} is assumed",
            )
        hourly = next((s.phi for s in one.by_length if s.length == HOURLY), 0.0)
        if one.part == "share" and hourly > REPEATING:
            told = (
                f"the share of an hour varies {hourly:.2g} times as much as if each user were drawn"
                " once: look for clients without cookies"
            )
            yield Remark.REPEATING, told
        if one.part == "history" and used > DRIFTING:
            told = (
                f"errors per request follow the hours (phi {used:.3g}): against the time before the"
                " ramp little can be shown"
            )
            yield Remark.DRIFTING, told
