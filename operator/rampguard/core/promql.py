"""Selectors of PromQL: what a ramp may name, and how matchers are added to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rampguard.core.ask import PromQL

LONGEST = 2048  # characters
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_OPERATOR = re.compile(r"=~|!~|!=|=")
_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(
    r'"(?:[^"\\\n]|\\(?:[abfnrtv\\"\']|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}))*"'
    r"|'(?:[^'\\\n]|\\(?:[abfnrtv\\\"']|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}))*'"
)
_EXPECTED = 'a selector such as http_requests_total{path="/",code=~"5.."} is expected'
_EXPECTED_LABELS = 'label matchers such as severity=~"sev1|sev2",service="skills" are expected'
_OWN_OF_ALERTS = ("__name__", "alertstate")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher; value is quoted as it was written."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.label}{self.operator}{self.value}"


@dataclass(frozen=True, slots=True)
class Selector:
    """An instant vector selector: a metric and its matchers."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        return f"{self.metric}{{{','.join(map(str, self.matchers))}}}"


def parse_selector(text: str) -> Selector:
    """Understand a selector; a ValueError says where anything else begins.

    A metric with optional matchers, and nothing more: no function, range, offset or operator.
    Source: the grammar of Prometheus, `vector_selector` with a metric identifier.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a selector of at most {LONGEST} characters is expected")
    reader = _Reader(text, _EXPECTED)
    metric = reader.take(_NAME, "a metric name")
    matchers: list[Matcher] = []
    if reader.skip("{"):
        while not reader.skip("}"):
            matchers.append(reader.matcher())
            if not reader.skip(","):
                reader.need("}")
                break
    reader.end()
    if any(one.label == "__name__" for one in matchers):
        raise ValueError("the metric is named once: leave out __name__")
    return Selector(metric, tuple(matchers))


def firing(matchers: str) -> PromQL:
    """Return the query for the alerts that fire with some labels; a ValueError: these are none.

    matchers: as they stand between the braces of a selector, one at least, and nothing more.
    """
    reader = _Reader(matchers, _EXPECTED_LABELS)
    told = [reader.matcher()]
    while reader.skip(","):
        told.append(reader.matcher())
    reader.end()
    if own := next((one.label for one in told if one.label in _OWN_OF_ALERTS), None):
        raise ValueError(f"leave out {own}: it is set already, as ALERTS and firing")
    state = Matcher("alertstate", "=", quoted("firing"))
    return PromQL(str(Selector("ALERTS", (state, *told))))


def with_matchers(selector: str, matchers: Mapping[str, str]) -> PromQL:
    """Return a selector with further labels that must be equal; all of them hold at once."""
    told = parse_selector(selector)
    more = tuple(Matcher(label, "=", quoted(value)) for label, value in matchers.items())
    return PromQL(str(Selector(told.metric, (*told.matchers, *more))))


def cohort(selector: str, experiment: str) -> tuple[Matcher, ...]:
    """Return the matchers that say whose assignments count: all but that of the experiment."""
    mine = quoted(experiment)
    return tuple(m for m in parse_selector(selector).matchers if _plain(m.value) != mine)


def without_cohort(selector: str, experiment: str) -> PromQL:
    """Return a selector of the same counter over everybody, not only the cohort.

    The text as it was written where nothing narrows it.
    """
    told, narrow = parse_selector(selector), cohort(selector, experiment)
    if not narrow:
        return PromQL(selector)
    return PromQL(str(Selector(told.metric, tuple(m for m in told.matchers if m not in narrow))))


def _plain(value: str) -> str:
    """Return a quoted value in double quotes."""
    return value if value.startswith('"') else quoted(value[1:-1])


def quoted(value: str) -> str:
    """Return a text as PromQL quotes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class _Reader:
    """Reads a text from left to right."""

    def __init__(self, text: str, expected: str) -> None:
        self._text = text
        self._expected = expected
        self._at = 0

    def matcher(self) -> Matcher:
        return Matcher(
            self.take(_LABEL, "a label"),
            self.take(_OPERATOR, "one of = != =~ !~"),
            self.take(_STRING, "a quoted value"),
        )

    def take(self, what: re.Pattern[str], expected: str) -> str:
        self._skip_space()
        found = what.match(self._text, self._at)
        if found is None:
            raise self._error(expected)
        self._at = found.end()
        return found.group()

    def skip(self, sign: str) -> bool:
        self._skip_space()
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        return True

    def need(self, sign: str) -> None:
        if not self.skip(sign):
            raise self._error(f"{sign} or ,")

    def end(self) -> None:
        self._skip_space()
        if self._at < len(self._text):
            raise self._error("the end")

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _error(self, expected: str) -> ValueError:
        rest = self._text[self._at : self._at + 20]
        found = f"{rest!r} at character {self._at + 1}" if rest else "nothing more"
        return ValueError(f"{self._expected}; {expected} should follow, found {found}")
