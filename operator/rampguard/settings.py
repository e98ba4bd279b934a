"""Our own configuration: one YAML file and a few variables of the environment; wiring reads it."""

import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from fsspec import get_filesystem_class
from fsspec.utils import get_protocol
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from rampguard.adapters.checks import Check
from rampguard.adapters.notices import Channel, Grafana
from rampguard.adapters.probe import WayIn
from rampguard.adapters.prometheus import Source
from rampguard.core.durations import show_duration
from rampguard.core.links import FIELDS, Templates, is_web
from rampguard.core.plan import Tempo

# Variables of the environment that win over the file, and the field that each sets.
OVERRIDES = {
    "RAMPGUARD_LOG_LEVEL": "logLevel",
    "RAMPGUARD_PORT": "port",
    "RAMPGUARD_CONTEXT": "context",
}
UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class BadSettings(Exception):
    """The configuration cannot be used; the message says file, field and what is expected."""


def _duration(value: object) -> timedelta:
    """Understand `90s`, `5m`, `1m30s`."""
    if not isinstance(value, str) or not re.fullmatch(r"([0-9]{1,6}[hms])+", value):
        raise ValueError("a duration such as 30s, 5m or 1m30s is expected")
    parts = re.findall(r"([0-9]+)([hms])", value)
    duration = sum((timedelta(**{UNITS[unit]: int(n)}) for n, unit in parts), timedelta())
    if not timedelta(seconds=1) <= duration <= timedelta(hours=1):
        raise ValueError("a duration from 1s to 1h is expected")
    return duration


def _url(value: str) -> str:
    """Understand the address of a server."""
    parts = urlsplit(_address(value, "http://prometheus.monitoring:9090"))
    if parts.query or parts.fragment:
        raise ValueError("a URL without ? and # is expected; the path of the API is added to it")
    return value


def _page(value: str) -> str:
    """Understand the address of one page; it may have a query."""
    return _address(value, "https://pager.example.com/open?severity=2")


def _address(value: str, example: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError(f"a URL such as {example} is expected")
    if "@" in parts.netloc:
        raise ValueError("no user in a URL; name the files that hold secrets")
    return value


def _location(value: str) -> str:
    """Understand an absolute path, or a URL of a file system that is installed here."""
    if "://" not in value and value and not value.startswith("/"):
        raise ValueError("an absolute path or a URL such as s3://bucket/folder is expected")
    try:
        get_filesystem_class(get_protocol(value))
    except (ValueError, ImportError) as error:
        raise ValueError(f"a folder that fsspec can open is expected: {error}") from error
    return value


def _link(value: str) -> str:
    """Understand an address with fields in braces."""
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise ValueError("no user in a link; whoever may read a ramp sees it")
    if "{" in parts.netloc or not is_web(re.sub(r"\{[^}]*\}", "", value)):
        raise ValueError("a link such as https://grafana.example/d/x?from={start_ms} is expected")
    unknown = set(re.findall(r"\{([^}]*)\}", value)) - FIELDS
    if unknown:
        raise ValueError(
            f"{', '.join(sorted(unknown))}: no such field; there are {', '.join(sorted(FIELDS))}"
        )
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Name = Annotated[str, Field(pattern=NAME)]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class Prometheus(_Model):
    """One Prometheus that ramps may name."""

    url: Annotated[str, AfterValidator(_url)]
    ca_file: Path | None = None
    token_file: Path | None = None
    username_file: Path | None = None
    password_file: Path | None = None
    headers: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.username_file is None) != (self.password_file is None):
            raise ValueError("usernameFile and passwordFile are needed together")
        if self.token_file and self.username_file:
            raise ValueError("either tokenFile or usernameFile and passwordFile, not both")
        return self

    def as_source(self) -> Source:
        """Return what the adapter takes."""
        return Source(**dict(self))


class IncidentCheck(_Model):
    """One HTTP check of open incidents that ramps may name."""

    url: Annotated[str, AfterValidator(_page)]
    ca_file: Path | None = None
    token_file: Path | None = None
    headers: dict[str, str] = {}

    def as_check(self) -> Check:
        """Return what the adapter takes."""
        return Check(**dict(self))


class ProbeWay(_Model):
    """What ramps of some namespaces may name for their probe to be let in."""

    namespaces: Annotated[tuple[Name, ...], Field(min_length=1)]
    headers_file: Path | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        if self.headers_file is None and self.ca_file is None:
            raise ValueError("headersFile, caFile or both are needed")
        return self

    def as_way(self) -> WayIn:
        """Return what the adapter takes."""
        return WayIn(**dict(self))


class Export(_Model):
    """An analytics export that ramps may name; the URL may have a * in the name of the file."""

    url: Annotated[str, AfterValidator(_location)]


class Captures(_Model):
    """Where sessions that a rollback affects are kept. url empty: nowhere."""

    url: Annotated[str, AfterValidator(_location)] = ""


class Records(_Model):
    """Where the flight recorder writes. url empty: nowhere; max_mb: of all records together."""

    url: Annotated[str, AfterValidator(_location)] = "/var/lib/rampguard/records"
    max_mb: Annotated[int, Field(ge=1, alias="maxMB")] = 256


class NoticeChannel(_Model):
    """One channel that ramps may name; the file holds a URL of Apprise."""

    url_file: Path


class GrafanaAnnotations(_Model):
    """Where changes, breaches and rollbacks are marked. dashboard_uid None: on all dashboards."""

    url: Annotated[str, AfterValidator(_url)]
    token_file: Path
    ca_file: Path | None = None
    dashboard_uid: str | None = Field(None, alias="dashboardUID")

    def as_grafana(self) -> Grafana:
        """Return what the adapter takes."""
        return Grafana(
            url=self.url,
            token_file=self.token_file,
            ca_file=self.ca_file,
            dashboard=self.dashboard_uid,
        )


class Notices(_Model):
    """Who can be told, and how it is said. templates: a folder; where there is none, ours alone."""

    channels: dict[Name, NoticeChannel] = {}
    templates: Path = Path("/etc/rampguard/templates")
    links: dict[Name, Annotated[str, AfterValidator(_link)]] = {}
    grafana: GrafanaAnnotations | None = None

    @property
    def as_channels(self) -> dict[str, Channel]:
        """Return what the adapter takes."""
        return {name: Channel(one.url_file) for name, one in self.channels.items()}

    @property
    def as_links(self) -> Templates:
        """Return the templates of links, by name, in order."""
        return tuple(self.links.items())


class Settings(_Model):
    """Everything that can be set. namespaces: empty means the whole cluster."""

    prometheus: dict[Name, Prometheus] = {}
    incident_checks: dict[Name, IncidentCheck] = {}
    probes: dict[Name, ProbeWay] = {}
    exports: dict[Name, Export] = {}
    captures: Captures = Captures()
    look_interval: Duration = timedelta(seconds=30)
    scrape_interval: Duration = timedelta(seconds=15)
    assignment_lag: Duration = timedelta(minutes=2)
    history_minimum: Duration = timedelta(hours=1)
    attribution_window: Duration = timedelta(minutes=30)
    records: Records = Records()
    notices: Notices = Notices()
    namespaces: tuple[Name, ...] = ()
    namespace_label: str = Field("namespace", pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")
    pod_label: str = Field("pod", pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")
    port: int = Field(8080, ge=1, le=65535)
    workers: int = Field(16, ge=1, le=64)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    context: str | None = None  # of the kubeconfig; None: the pod's own, else the current one

    @model_validator(mode="after")
    def _looks_at_what_is_new(self) -> Self:
        """Refuse looks between which nothing is scraped: a kill-switch needs two that differ."""
        look, scrape = self.look_interval, self.scrape_interval
        if look < scrape:
            raise ValueError(
                f"lookInterval {show_duration(look)} is below scrapeInterval"
                f" {show_duration(scrape)}: look as often as Prometheus scrapes, or less often"
            )
        return self

    @property
    def tempo(self) -> Tempo:
        """How often the operator looks."""
        return Tempo(
            look=self.look_interval,
            scrape=self.scrape_interval,
            lag=self.assignment_lag,
            history=self.history_minimum,
            caused=self.attribution_window,
        )

    @property
    def sources(self) -> dict[str, Source]:
        """The configured Prometheus servers by name."""
        return {name: one.as_source() for name, one in self.prometheus.items()}

    @property
    def checks(self) -> dict[str, Check]:
        """The configured incident checks by name."""
        return {name: one.as_check() for name, one in self.incident_checks.items()}

    @property
    def ways(self) -> dict[str, WayIn]:
        """The configured ways in of probes by name."""
        return {name: one.as_way() for name, one in self.probes.items()}


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the settings; path None: defaults. The environment wins over the file.

    Raises BadSettings with one line per mistake.
    """
    overrides = {field: name for name, field in OVERRIDES.items() if name in environment}
    told = _read(path) if path else {}
    told |= {field: environment[name] for field, name in overrides.items()}
    try:
        return Settings.model_validate(told)
    except ValidationError as error:
        raise BadSettings("\n".join(_lines(error, path, overrides))) from error


def process_identity(environment: Mapping[str, str]) -> str:
    """Return a name that no other process has: the pod's, and a random part."""
    return f"{environment.get('POD_NAME') or 'outside'}-{secrets.token_hex(4)}"


def _read(path: Path) -> dict[str, Any]:
    try:
        told = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise BadSettings(f"{path}: is no YAML: {error}") from error
    if told is None:
        return {}
    if not isinstance(told, dict):
        raise BadSettings(f"{path}: fields with values are expected, such as `port: 8080`")
    return told


class _Loader(yaml.SafeLoader):
    """YAML in which a key stands once: of two the latter would win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        """Build a mapping; raise on a key that stands twice."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _lines(error: ValidationError, path: Path | None, told: Mapping[str, str]) -> Iterator[str]:
    """Say of each mistake where it stands and what is expected."""
    for mistake in error.errors(include_url=False):
        field = ".".join(str(part) for part in mistake["loc"])
        where = told.get(field) or f"{path}: {field}".removesuffix(": ")
        yield f"{where}: {_expected(mistake['type'], mistake['msg'])}"


def _expected(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "no such field"
    return message.removeprefix("Value error, ").removeprefix("Input ")
