from datetime import timedelta
from pathlib import Path

import pytest

from rampguard.adapters.checks import Check
from rampguard.adapters.notices import Channel, Grafana
from rampguard.adapters.prometheus import Source
from rampguard.core.plan import Tempo
from rampguard.settings import BadSettings, Settings, load, process_identity

FULL = """
prometheus:
  default: {url: "http://prometheus.monitoring:9090/base"}
  secured:
    url: https://thanos.example
    caFile: /etc/ca.crt
    tokenFile: /etc/token
    headers: {X-Scope-OrgID: shop}
incidentChecks:
  pager: {url: "https://pager.example/open?severity=1,2"}
  board:
    url: http://board.monitoring:8080
    caFile: /etc/ca.crt
    tokenFile: /etc/token
    headers: {X-Team: calc}
lookInterval: 1m30s
scrapeInterval: 5s
namespaces: [shop, calc]
port: 9000
workers: 4
logLevel: debug
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_nothing_set_means_the_defaults(tmp_path):
    assert load(None, {}) == Settings()
    assert load(written(tmp_path / "c.yaml", "# nothing\n"), {}) == Settings()
    assert Settings().tempo == Tempo()
    assert (Settings().port, Settings().workers, Settings().namespaces) == (8080, 16, ())


def test_a_file_sets_all(tmp_path):
    settings = load(written(tmp_path / "c.yaml", FULL), {})
    assert settings.tempo == Tempo(look=timedelta(seconds=90), scrape=timedelta(seconds=5))
    assert settings.namespaces == ("shop", "calc")
    assert (settings.port, settings.workers, settings.log_level) == (9000, 4, "debug")
    assert settings.sources == {
        "default": Source(url="http://prometheus.monitoring:9090/base"),
        "secured": Source(
            url="https://thanos.example",
            ca_file=Path("/etc/ca.crt"),
            token_file=Path("/etc/token"),
            headers={"X-Scope-OrgID": "shop"},
        ),
    }
    assert settings.checks == {
        "pager": Check(url="https://pager.example/open?severity=1,2"),
        "board": Check(
            url="http://board.monitoring:8080",
            ca_file=Path("/etc/ca.crt"),
            token_file=Path("/etc/token"),
            headers={"X-Team": "calc"},
        ),
    }


@pytest.mark.parametrize("url", ["", "/records", "memory://records", "file:///records"])
def test_records_may_lie_in_a_folder_elsewhere_or_nowhere(tmp_path, url):
    settings = load(written(tmp_path / "c.yaml", f"records: {{url: '{url}', maxMB: 5}}"), {})
    assert (settings.records.url, settings.records.max_mb) == (url, 5)


NOTICES = """
notices:
  channels: {team: {urlFile: /secrets/team}}
  templates: /words
  links: {prometheus: "https://prom.example/graph?q={query}&e={end}"}
  grafana: {url: "https://grafana.example", tokenFile: /secrets/grafana, dashboardUID: ramps}
"""


def test_a_file_names_channels_templates_links_and_a_grafana(tmp_path):
    notices = load(written(tmp_path / "c.yaml", NOTICES), {}).notices
    assert notices.as_channels == {"team": Channel(Path("/secrets/team"))}
    assert notices.templates == Path("/words")
    assert notices.links == {"prometheus": "https://prom.example/graph?q={query}&e={end}"}
    assert notices.grafana is not None
    assert notices.grafana.as_grafana() == Grafana(
        url="https://grafana.example", token_file=Path("/secrets/grafana"), dashboard="ramps"
    )
    assert Settings().notices.as_channels == {}


def test_looks_may_be_as_frequent_as_scrapes(tmp_path):
    settings = load(written(tmp_path / "c.yaml", "lookInterval: 5s\nscrapeInterval: 5s"), {})
    assert settings.tempo.look == settings.tempo.scrape == timedelta(seconds=5)


def test_the_environment_wins(tmp_path):
    environment = {
        "RAMPGUARD_LOG_LEVEL": "error",
        "RAMPGUARD_PORT": "1234",
        "RAMPGUARD_CONTEXT": "kind-rampguard",
        "OTHER": "x",
    }
    settings = load(written(tmp_path / "c.yaml", FULL), environment)
    assert (settings.log_level, settings.port) == ("error", 1234)
    assert settings.context == "kind-rampguard"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot: 1", "prot: no such field"),
        ("port: 0", "port: should be greater than or equal to 1"),
        ("port: many", "port: should be a valid integer"),
        ("workers: 1000", "workers: should be less than or equal to 64"),
        ("logLevel: loud", "logLevel: should be 'debug', 'info', 'warning' or 'error'"),
        ("lookInterval: 30", "lookInterval: a duration such as 30s, 5m or 1m30s is expected"),
        ("lookInterval: 30 s", "lookInterval: a duration such as"),
        ("lookInterval: 0s", "lookInterval: a duration from 1s to 1h"),
        ("lookInterval: 999999h", "lookInterval: a duration from 1s to 1h"),
        ("scrapeInterval: [1]", "scrapeInterval: a duration such as"),
        ("scrapeInterval: 1m", "lookInterval 30s is below scrapeInterval 1m: look as often"),
        ("lookInterval: 14s", "lookInterval 14s is below scrapeInterval 15s"),
        ("namespaces: shop", "namespaces: should be a valid tuple"),
        ("namespaces: [Shop]", "namespaces.0: String should match|namespaces.0: should match"),
        ("podLabel: a-b", "podLabel: .*should match"),
        ("prometheus: {default: {}}", "prometheus.default.url: .*required"),
        ("prometheus: {default: {url: nowhere}}", "prometheus.default.url: a URL such as"),
        ("prometheus: {default: {url: 'ftp://x'}}", "prometheus.default.url: a URL such as"),
        ("prometheus: {default: {url: 'http://[x'}}", "prometheus.default.url: "),
        ("prometheus: {default: {url: 'http://x:port'}}", "prometheus.default.url: Port could not"),
        ("prometheus: {default: {url: 'http://a:b@x'}}", "prometheus.default.url: no user"),
        ("prometheus: {default: {url: 'http://x?a=b'}}", "prometheus.default.url: a URL without"),
        (
            "prometheus: {default: {url: 'http://x', usernameFile: /u}}",
            "prometheus.default: usernameFile and passwordFile are needed together",
        ),
        (
            "prometheus: {d: {url: 'http://x', tokenFile: /t, usernameFile: /u, passwordFile: /p}}",
            "prometheus.d: either tokenFile",
        ),
        ("prometheus: {default: {url: 'http://x', headers: {a: 1}}}", "headers.a: .*valid string"),
        ("prometheus: {d: {url: 'http://x'}, d: {url: 'http://y'}}", "d stands twice"),
        ("port: 1\nport: 2", "port stands twice"),
        ("incidentChecks: {pager: {}}", "incidentChecks.pager.url: .*required"),
        ("incidentChecks: {pager: {url: pager/open}}", "url: a URL such as https://pager"),
        ("incidentChecks: {pager: {url: 'http://a:b@x'}}", "incidentChecks.pager.url: no user"),
        ("incidentChecks: {Pager: {url: 'http://x'}}", "incidentChecks.Pager.*should match"),
        ("incidentChecks: {p: {url: 'http://x', body: x}}", "incidentChecks.p.body: no such field"),
        ("records: {url: here}", "records.url: an absolute path or a URL such as s3://"),
        ("records: {url: 'nosuch://x'}", "records.url: a folder that fsspec can open is expected"),
        ("records: {maxMB: 0}", "records.maxMB: should be greater than or equal to 1"),
        ("records: {maxMb: 5}", "records.maxMb: no such field"),
        ("notices: {channels: {team: {}}}", "notices.channels.team.urlFile: .*required"),
        ("notices: {channels: {team: {url: 'json://x'}}}", "channels.team.url: no such field"),
        ("notices: {channels: {'@grafana': {urlFile: /x}}}", "notices.channels.@grafana"),
        ("notices: {links: {a: 'chat'}}", "notices.links.a: a link such as"),
        ("notices: {links: {a: 'https://{query}/'}}", "notices.links.a: a link such as"),
        ("notices: {links: {a: 'javascript:x'}}", "notices.links.a: a link such as"),
        ("notices: {links: {a: 'https://x/a b'}}", "notices.links.a: a link such as"),
        ("notices: {links: {a: 'https://me:pw@x/'}}", "notices.links.a: no user in a link"),
        ("notices: {links: {a: 'https://x/{who}'}}", "who: no such field; there are end, "),
        ("notices: {links: {a: 'https://x/{}'}}", "notices.links.a: : no such field"),
        ("notices: {grafana: {url: 'http://x'}}", "notices.grafana.tokenFile: .*required"),
        ("notices: {grafana: {url: x, tokenFile: /t}}", "notices.grafana.url: a URL such as"),
        ("? [a, b]\n: 1", "is no YAML|fields with values"),
        ("1: 2", "1: Keys should be strings"),
        ("- port", "fields with values are expected"),
        ("just words", "fields with values are expected"),
        ("a: [", "is no YAML"),
        ("a: !!python/object:os.system x", "is no YAML"),
    ],
)
def test_nonsense_is_refused_with_file_field_and_what_is_expected(tmp_path, text, words):
    path = written(tmp_path / "c.yaml", text)
    with pytest.raises(BadSettings, match=words) as caught:
        load(path, {})
    assert str(path) in str(caught.value)


def test_each_mistake_has_its_line(tmp_path):
    with pytest.raises(BadSettings) as caught:
        load(written(tmp_path / "c.yaml", "port: 0\nworkers: 0\nprot: 1\n"), {})
    assert len(str(caught.value).splitlines()) == 3


def test_a_mistake_in_the_environment_names_the_variable():
    with pytest.raises(BadSettings, match=r"^RAMPGUARD_PORT: should be a valid integer"):
        load(None, {"RAMPGUARD_PORT": "x"})


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(BadSettings, match=r"none\.yaml: cannot be read"):
        load(tmp_path / "none.yaml", {})
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadSettings, match=r"b\.yaml: "):
        load(tmp_path / "b.yaml", {})


def test_no_two_processes_share_an_identity():
    environment = {"POD_NAME": "rampguard-7d9"}
    assert process_identity(environment).startswith("rampguard-7d9-")
    assert process_identity(environment) != process_identity(environment)
    assert process_identity({}).startswith("outside-")
