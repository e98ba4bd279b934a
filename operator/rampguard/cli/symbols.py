"""The marks of the screens, and which mark stands for what."""

from dataclasses import dataclass

from rampguard.cli.text import Line, Span, Tone, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols:
    """One set of marks."""

    fine: str = "✔"
    moving: str = "◌"
    to_come: str = "◷"
    undecided: str = "•"
    needs: str = "⚠"
    bad: str = "✖"
    branch: str = "├─"
    last: str = "└─"
    full: str = "█"
    empty: str = "░"

    def all(self) -> str:
        """Return every mark, to see whether an encoding has them."""
        return "".join(getattr(self, name) for name in self.__slots__)


UNICODE = Symbols()
ASCII = Symbols(
    fine="+",
    moving="~",
    to_come=".",
    undecided="?",
    needs="!",
    bad="x",
    branch="|-",
    last="`-",
    full="#",
    empty="-",
)

WORDS = {
    "WithinTolerance": "within tolerance",
    "Inconclusive": "inconclusive",
    "NoData": "no data",
    "Breached": "BREACHED",
    "NotApplicable": "not applicable",
}
_PHASES = {
    "Completed": ("fine", Tone.GOOD),
    "RolledBack": ("bad", Tone.BAD),
    "Contested": ("bad", Tone.BAD),
    "Aborted": ("undecided", Tone.NEEDS),
    "Blocked": ("needs", Tone.NEEDS),
    "Paused": ("needs", Tone.NEEDS),
    "AwaitingApproval": ("needs", Tone.NEEDS),
}
_VERDICTS = {
    "WithinTolerance": ("fine", Tone.GOOD),
    "Inconclusive": ("undecided", Tone.PLAIN),
    "NoData": ("needs", Tone.NEEDS),
    "Breached": ("bad", Tone.BAD),
    "NotApplicable": ("undecided", Tone.QUIET),
    "": ("to_come", Tone.QUIET),
}
_STATUSES = {
    "True": ("fine", Tone.GOOD),
    "False": ("needs", Tone.NEEDS),
    "Unknown": ("undecided", Tone.PLAIN),
}


def phase_mark(symbols: Symbols, phase: str) -> Span:
    """Return the mark of a phase; one that we do not know is under way."""
    return _mark(symbols, _PHASES.get(phase, ("moving", Tone.MOVING)))


def verdict_mark(symbols: Symbols, verdict: str) -> Span:
    """Return the mark of a verdict; "": to come."""
    return _mark(symbols, _VERDICTS.get(verdict, ("undecided", Tone.PLAIN)))


def status_mark(symbols: Symbols, status: str) -> Span:
    """Return the mark of a condition's status."""
    return _mark(symbols, _STATUSES.get(status, ("undecided", Tone.PLAIN)))


def verdict_words(verdict: str) -> str:
    """Return a verdict as prose."""
    return WORDS.get(verdict, verdict)


def legend(symbols: Symbols) -> Line:
    """Return the line that explains the marks."""
    told = (
        (symbols.fine, "fine"),
        (symbols.moving, "under way"),
        (symbols.to_come, "to come"),
        (symbols.undecided, "undecided"),
        (symbols.needs, "needs you"),
        (symbols.bad, "breached or failed"),
    )
    words = "   ".join(f"{mark} {meaning}" for mark, meaning in told)
    return line(Span(f"  {words}", Tone.QUIET))


def _mark(symbols: Symbols, told: tuple[str, Tone]) -> Span:
    name, tone = told
    return Span(getattr(symbols, name), tone)
