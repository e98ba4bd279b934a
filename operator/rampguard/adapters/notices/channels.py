"""One channel: a URL of Apprise in a mounted file, and what it says of one message."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from rampguard.ports import Refused, Unavailable

if TYPE_CHECKING:
    from apprise import NotifyBase

CONNECT, READ = 5.0, 10.0  # seconds
LONGEST_REASON = 200
SHORTEST_SECRET = 4  # characters: shorter parts of a URL would black out plain words

# Its lines may carry parts of a URL; what failed is told by us, without them.
logging.getLogger("apprise").propagate = False


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel by the file that holds its URL; read anew at each try."""

    url_file: Path

    def open(self) -> "Service":
        """Return the service behind it; Refused: the file or the URL is of no use."""
        url, apprise = self._url(), _apprise()
        # A limit of Apprise's own would put the work into a pool that all channels share.
        asset = apprise.AppriseAsset(
            app_id="Rampguard", app_desc="Rampguard", service_timeout=0, http_redirects=False
        )
        service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if not isinstance(service, apprise.NotifyBase):
            raise Refused(f"{self.url_file}: Apprise does not understand the URL in it")
        service.socket_connect_timeout, service.socket_read_timeout = CONNECT, READ
        return Service(service, _secrets(url))

    def _url(self) -> str:
        try:
            lines = self.url_file.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"{self.url_file}: cannot be read: {_cause(error)}") from error
        if len(lines) != 1:
            raise Refused(f"{self.url_file}: one URL is expected, it holds {len(lines)} words")
        return lines[0]


@dataclass(frozen=True, slots=True)
class Service:
    """What a URL leads to. secrets: parts of the URL that no error may show."""

    plugin: "NotifyBase"
    secrets: tuple[str, ...]

    @property
    def format(self) -> str:
        """What the service shows best, or what ?format= in its URL says: text, markdown, html."""
        return str(self.plugin.resolve_format().value)

    def send(self, title: str, body: str) -> None:
        """Send one message; Unavailable: it may be taken another time."""
        sender = _apprise().Apprise(asset=self.plugin.asset)
        sender.add(self.plugin)
        result = sender.notify(body=body, title=title, body_format=self.format)
        if not result:
            raise Unavailable(self._reason([one.message for one in result.logs()]))

    def _reason(self, messages: list[str]) -> str:
        told = " ".join((messages[-1] if messages else "it was not taken").split())
        for secret in self.secrets:
            told = told.replace(secret, "***")
        return f"{self.plugin.service_name}: {told[:LONGEST_REASON]}"


def _apprise() -> ModuleType:
    import apprise  # noqa: PLC0415 - 2 MB that an operator without channels never loads

    return apprise


def _secrets(url: str) -> tuple[str, ...]:
    """Return the parts of a URL that may be secret, longest first: all but scheme and host."""
    rest = url.partition("://")[2]
    login, _, place = rest.rpartition("@")
    parts = re.split(r"[/:@?&=,#]", f"{login}/{place.partition('/')[2]}")
    told = {form for part in parts for form in (part, unquote(part))}
    return tuple(sorted((one for one in told if len(one) >= SHORTEST_SECRET), key=len))[::-1]


def _cause(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "it is no text"
