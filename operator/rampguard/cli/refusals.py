"""What kubectl says when it fails, put into what, where and what to do."""

import re

from rampguard.cli.exits import Exit, Told
from rampguard.cli.text import crop, safe

NOT_FOUND, NO_NAMESPACE, FORBIDDEN, REFUSED, NO_CRD, UNREACHED, OTHER = (
    "not found",
    "no namespace",
    "forbidden",
    "refused",
    "no CRD",
    "unreached",
    "other",
)
_AWAY = (
    r"[Uu]nable to connect|was refused|dial tcp|no such host|[Tt]imeout|timed out"
    r"|deadline exceeded|context .* does not exist|context was not found|\(Unauthorized\)"
    r"|must be logged in|credentials|certificate|ServiceUnavailable|TooManyRequests"
    r"|InternalError|EOF"
)
_KINDS = (
    (REFUSED, r"denied (?:the )?request|is invalid:|\(Invalid\)|\(Conflict\)|\(BadRequest\)"),
    (NO_CRD, r"doesn't have a resource type|no matches for kind|could not find the requested res"),
    (NO_NAMESPACE, r'namespaces? "[^"]*" not found'),
    (NOT_FOUND, r"\(NotFound\)"),
    (FORBIDDEN, r"\(Forbidden\)|forbidden:"),
    (UNREACHED, _AWAY),
)
_ADVICE = {
    FORBIDDEN: "the chart gives the right to the roles view and edit; ask for one of them there",
    NO_NAMESPACE: "`kubectl ramp list -A` shows where ramps are",
    NO_CRD: "Rampguard is not installed in this cluster, or it is another one than you mean:"
    " `kubectl config current-context` names it, --context chooses; install the chart"
    " charts/rampguard with helm",
    UNREACHED: "see that `kubectl get --raw /readyz` answers; --context chooses another cluster",
}
LONGEST = 600  # of the server's words


class Failed(Told):
    """A call that failed, and how."""

    def __init__(self, message: str, code: Exit, kind: str) -> None:
        super().__init__(message, code)
        self.kind = kind


def explained(what: str, where: str, words: str) -> Failed:
    """Return what a person is told of a failed call; words: what kubectl wrote."""
    kind = next((kind for kind, shape in _KINDS if re.search(shape, words)), OTHER)
    advice = _ADVICE.get(kind, "")
    message = f"cannot {what} in {where}: {_bare(words)}{f'; {advice}' if advice else ''}"
    return Failed(message, Exit.REFUSED if kind == REFUSED else Exit.UNREACHED, kind)


def _bare(words: str) -> str:
    """Return kubectl's words on one line, without its log lines and its own prefix."""
    rows = [row.strip() for row in words.splitlines() if not re.match(r"[EWIF]\d{4} ", row)]
    told = safe(" ".join(row for row in rows if row)) or "kubectl gave no reason"
    return crop(re.sub(r"^[Ee]rror(?: from server)?(?: \(\w+\))?: *", "", told), LONGEST)
