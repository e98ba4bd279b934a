"""Annotations of Grafana: changes, breaches and rollbacks on every graph that shows them."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import orjson
import requests

from rampguard.core.ask import Ref
from rampguard.core.outbox import Notice
from rampguard.ports import Refused, Unavailable

CONNECT, READ = 5.0, 10.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Grafana:
    """One Grafana and the way in; files are read anew at each try. dashboard None: all of them."""

    url: str
    token_file: Path
    ca_file: Path | None = None
    dashboard: str | None = None

    def annotate(self, ramp: Ref, uid: str, notice: Notice) -> None:
        """Mark an instant; raises Unavailable and Refused."""
        try:
            answer = requests.post(
                f"{self.url.rstrip('/')}/api/annotations",
                data=orjson.dumps(self._annotation(ramp, uid, notice)),
                headers={
                    "Authorization": f"Bearer {self._token()}",
                    "Content-Type": "application/json",
                },
                verify=str(self.ca_file) if self.ca_file else True,
                timeout=(CONNECT, READ),
                allow_redirects=False,  # would carry our token elsewhere
            )
        except (OSError, UnicodeError) as error:  # errors of requests are OSErrors
            raise Unavailable(f"Grafana ({self.url}): {_cause(error)}") from error
        if answer.status_code != HTTPStatus.OK:
            raise Unavailable(f"Grafana ({self.url}): HTTP {answer.status_code}{_hint(answer)}")

    def _annotation(self, ramp: Ref, uid: str, notice: Notice) -> dict[str, object]:
        tags = ("rampguard", str(notice.kind), notice.experiment, f"ramp:{ramp}")
        return {
            "time": round(notice.at.timestamp() * 1000),
            "tags": [*tags, f"key:{uid}/{notice.key}"],
            "text": notice.text,
            **({"dashboardUID": self.dashboard} if self.dashboard else {}),
        }

    def _token(self) -> str:
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"the file {self.token_file} cannot be read") from error


def _hint(answer: requests.Response) -> str:
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return "; the token needs the right annotations:create"
    return ""


def _cause(error: Exception) -> str:
    return "no answer in time" if isinstance(error, requests.Timeout) else type(error).__name__
