"""Channels by HTTP and by mail, and Grafana: real servers, of which some fail for a while."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fake_notifier import FakeNotifier, Temper
from rampguard.adapters.notices import Channel, ChannelNotifier, Grafana
from rampguard.core.ask import Ref
from rampguard.core.outbox import GRAFANA, Kind, Notice
from rampguard.ports import Notifier, RampError, Refused, Unavailable
from receivers import HttpReceiver, SmtpReceiver, http_receiver, smtp_receiver
from scenes import HOUR, T

RAMP, UID = Ref("app", "tree-50"), "0b1f"
LINKS = {
    "prometheus": "https://prom.example/graph?g0.expr={query}&g0.range_input={range}&g0.end_input={end}",
    "dashboard": "https://grafana.example/d/x?var-ns={namespace}&from={start_ms}&to={end_ms}",
    "thread": "https://chat.example/{experiment}",
}
NOTICE = Notice(
    kind=Kind.GUARDRAIL_BREACHED,
    key="GuardrailBreached/share/1",
    at=T,
    text="share breached: 38% [37%, 39%], limit 45% .. 55%",
    details=("share upper: 38% <& more>",),
    experiment="tree layout",
    env="ROLLOUT",
    origin=10,
    to=50,
    owner="@mia",
    since=T - HOUR,
    queries=(("share", 'sum(x{a="b"})'),),
)
TOKEN = "s3cret-t0ken"


@pytest.fixture
def web() -> Iterator[HttpReceiver]:
    with http_receiver() as told:
        yield told


@pytest.fixture
def mail() -> Iterator[SmtpReceiver]:
    with smtp_receiver() as told:
        yield told


@pytest.fixture
def lines() -> list[tuple[str, dict[str, object]]]:
    return []


@pytest.fixture
def notifier(web, mail, lines, tmp_path) -> Iterator[ChannelNotifier]:
    urls = {
        "team": f"json://{web.url}/hooks/{TOKEN}",
        "mail": f"mailto://{TOKEN}@127.0.0.1:{mail.port}?from=r@x.example&to=mia@x.example&mode=insecure",
        "closed": f"json://127.0.0.1:1/{TOKEN}",
        "nonsense": f"nosuch://{TOKEN}",
        "two": "json://a json://b",
    }
    for name, url in urls.items():
        (tmp_path / name).write_text(f"{url}\n")
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "templates").mkdir()
    made = ChannelNotifier(
        {name: Channel(tmp_path / name) for name in (*urls, "missing")},
        grafana=Grafana(url=f"http://{web.url}", token_file=tmp_path / "token", dashboard="d1"),
        templates=tmp_path / "templates",
        link_templates=tuple(LINKS.items()),
        log=lambda level, message, **facts: lines.append((message, facts)),
    )
    yield made
    made.close()


async def send(notifier: Notifier, channel: str) -> None:
    await notifier.deliver(channel, RAMP, UID, NOTICE)


# --- the port, on the fake and on the real one ---


@pytest.fixture(params=["fake", "real"])
def either(request, notifier) -> Notifier:
    if request.param == "fake":
        return FakeNotifier({"team": Temper.GOOD, "closed": Temper.DEAD, GRAFANA: Temper.GOOD})
    return notifier


async def test_a_channel_that_is_there_takes_a_notice(either) -> None:
    assert {"team", "closed", GRAFANA} <= set(either.channels)
    assert list(either.channels) == sorted(either.channels)
    await send(either, "team")
    await send(either, GRAFANA)


async def test_what_cannot_be_delivered_is_unavailable_or_refused(either) -> None:
    with pytest.raises(Unavailable):
        await send(either, "closed")
    with pytest.raises(Refused, match="no channel pager is configured"):
        await send(either, "pager")


# --- what arrives ---


async def test_a_webhook_gets_the_facts_the_links_and_the_key_as_text(notifier, web) -> None:
    await send(notifier, "team")
    (body,) = web.taken
    assert web.asked[0].path == f"/hooks/{TOKEN}"
    assert body["title"] == "GuardrailBreached: app/tree-50, ROLLOUT 10 -> 50"
    assert body["message"] == (
        "share breached: 38% [37%, 39%], limit 45% .. 55%\n"
        "  share upper: 38% <& more>\n"
        "\n"
        "ramp        app/tree-50\n"
        "experiment  tree layout\n"
        "change      ROLLOUT 10 -> 50\n"
        "owner       @mia\n"
        "dashboard: https://grafana.example/d/x?var-ns=app&from=1795431600000&to=1795435200000\n"
        "thread: https://chat.example/tree%20layout\n"
        "prometheus (share): https://prom.example/graph?g0.expr=sum%28x%7Ba%3D%22b%22%7D%29"
        "&g0.range_input=3600s&g0.end_input=2026-11-23%2012%3A00%3A00\n"
        "\n"
        "2026-11-23T12:00:00Z, key 0b1f/GuardrailBreached/share/1"
        " (what comes twice under one key is one notice)"
    )


async def test_a_mail_is_html_and_escaped(notifier, mail) -> None:
    await send(notifier, "mail")
    (body,) = mail.bodies("html")
    assert "38% &lt;&amp; more&gt;" in body
    assert '<a href="https://chat.example/tree%20layout">thread</a>' in body
    assert "owner @mia" in body
    assert "0b1f/GuardrailBreached/share/1" in body
    assert mail.mails[0]["Subject"] == "GuardrailBreached: app/tree-50, ROLLOUT 10 -> 50"
    assert mail.mails[0]["To"] == "mia@x.example"


async def test_markdown_is_written_where_the_channel_asks_for_it(notifier, web, tmp_path) -> None:
    (tmp_path / "team").write_text(f"json://{web.url}/?format=markdown")
    await send(notifier, "team")
    assert "**share breached: 38% [37%, 39%], limit 45% .. 55%**" in web.taken[0]["message"]
    assert "- [thread](https://chat.example/tree%20layout)" in web.taken[0]["message"]


async def test_grafana_gets_an_annotation_at_the_instant_with_the_key_as_tag(notifier, web) -> None:
    await send(notifier, GRAFANA)
    (asked,) = web.asked
    assert asked.path == "/api/annotations"
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.body == {
        "time": 1795435200000,
        "tags": [
            *("rampguard", "GuardrailBreached", "tree layout", "ramp:app/tree-50"),
            "key:0b1f/GuardrailBreached/share/1",
        ],
        "text": NOTICE.text,
        "dashboardUID": "d1",
    }


async def test_a_notice_of_a_part_says_so_in_its_title(notifier, web) -> None:
    capture = replace(NOTICE, kind=Kind.ROLLBACK_VERIFIED, about="capture")
    await notifier.deliver("team", RAMP, UID, capture)
    assert web.taken[0]["title"] == "RollbackVerified, capture: app/tree-50, ROLLOUT 10 -> 50"


async def test_the_same_notice_twice_is_the_same_text(notifier, web) -> None:
    await send(notifier, "team")
    await send(notifier, "team")
    assert web.taken[0] == web.taken[1]


# --- what fails ---

FAILURES = {
    "an answer 503": ("team", 503, "503"),
    "an answer 403": ("team", 403, "403"),
    "a redirect": ("team", 302, "302"),
    "nobody there": ("closed", 200, "Connection error"),
    "a URL that Apprise does not know": ("nonsense", 200, "does not understand the URL in it"),
    "two URLs": ("two", 200, "one URL is expected, it holds 2 words"),
    "no file": ("missing", 200, "cannot be read: No such file"),
    "a Grafana that says no": (GRAFANA, 401, "annotations:create"),
    "a Grafana that is broken": (GRAFANA, 500, "HTTP 500"),
    "a Grafana elsewhere": (GRAFANA, 302, "HTTP 302"),
}


@pytest.mark.parametrize(("channel", "status", "words"), FAILURES.values(), ids=FAILURES)
async def test_a_failure_says_why_and_never_a_secret(notifier, web, channel, status, words) -> None:
    web.status = status
    with pytest.raises(RampError) as caught:
        await send(notifier, channel)
    assert words in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert len(web.asked) <= 1, "it followed a redirect"


async def test_a_mail_server_that_refuses_is_told_without_the_login(notifier, mail) -> None:
    mail.refuses = True
    with pytest.raises(Unavailable, match="Mail") as caught:
        await send(notifier, "mail")
    assert TOKEN not in str(caught.value)
    mail.refuses = False
    await send(notifier, "mail")
    assert (mail.refused, len(mail.mails)) == (1, 1)


async def test_a_grafana_that_is_away_or_a_token_that_is_missing_is_told(
    notifier, web, tmp_path
) -> None:
    away = Grafana(url="http://127.0.0.1:1", token_file=tmp_path / "token")
    with pytest.raises(Unavailable, match="ConnectionError"):
        away.annotate(RAMP, UID, NOTICE)
    (tmp_path / "token").unlink()
    with pytest.raises(Refused, match="token cannot be read"):
        await send(notifier, GRAFANA)
    assert web.asked == []


async def test_a_channel_that_hangs_holds_no_other(notifier, web, mail, tmp_path) -> None:
    web.hangs = threading.Event()
    hanging = [asyncio.create_task(send(notifier, "team")) for _ in range(20)]
    async with asyncio.timeout(5):
        await send(notifier, "mail")
    assert len(mail.mails) == 1
    assert not any(task.done() for task in hanging)
    web.hangs.set()
    web.hangs = None
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_url_that_changes_is_used_from_the_next_notice_on(notifier, web, tmp_path) -> None:
    await send(notifier, "team")
    (tmp_path / "team").write_text(f"json://{web.url}/other")
    await send(notifier, "team")
    assert [one.path for one in web.asked] == [f"/hooks/{TOKEN}", "/other"]


# --- templates ---


def template(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "templates" / name).write_text(text)


async def test_a_team_says_it_in_its_own_words(notifier, web, tmp_path) -> None:
    template(tmp_path, "title.j2", "[{{ kind }}]\n {{ name }}")
    template(tmp_path, "GuardrailBreached.text.j2", "{{ owner }}: {{ text }} ({{ key }})")
    await send(notifier, "team")
    assert web.taken[0]["title"] == "[GuardrailBreached] tree-50"
    assert web.taken[0]["message"] == f"@mia: {NOTICE.text} (0b1f/{NOTICE.key})"


async def test_a_template_of_another_kind_is_not_used(notifier, web, tmp_path) -> None:
    template(tmp_path, "Blocked.text.j2", "blocked")
    await send(notifier, "team")
    assert web.taken[0]["message"].startswith(NOTICE.text)


async def test_a_template_may_change_a_part_of_ours(notifier, mail, tmp_path) -> None:
    template(
        tmp_path,
        "body.html.j2",
        '{% extends "default/body.html.j2" %}{% block lead %}<h1>{{ text }}</h1>{% endblock %}',
    )
    await send(notifier, "mail")
    (body,) = mail.bodies("html")
    assert f"<h1>{NOTICE.text}</h1>" in body
    assert "38% &lt;&amp; more&gt;" in body


BROKEN = {
    "syntax": "{% if %}",
    "an unknown field": "{{ nobody }}",
    "an escape from the sandbox": "{{ ''.__class__.__mro__ }}",
    "too long a loop": "{% for i in range(10000000) %}{% endfor %}",
    "a division": "{{ 1 // 0 }}",
    "an include of nothing": '{% include "nothing.j2" %}',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
async def test_a_broken_template_gives_way_to_ours_and_says_so(
    notifier, web, lines, tmp_path, text
) -> None:
    template(tmp_path, "body.text.j2", text)
    await send(notifier, "team")
    message = web.taken[0]["message"]
    assert message.startswith(NOTICE.text)
    assert "the template for GuardrailBreached.text.j2 is broken: " in message
    ((told, facts),) = lines
    assert (told, facts["ramp"]) == ("template broken", "app/tree-50")


async def test_a_broken_title_is_told_in_our_body(notifier, web, lines, tmp_path) -> None:
    template(tmp_path, "title.j2", "{{ nobody }}")
    await send(notifier, "team")
    assert web.taken[0]["title"].startswith("GuardrailBreached: app/tree-50")
    assert web.taken[0]["message"].endswith("'nobody' is undefined")
    assert len(lines) == 1


async def test_without_a_soak_a_link_shows_the_hour_before(notifier, web, tmp_path) -> None:
    from dataclasses import replace  # noqa: PLC0415 - of this test alone

    bare = replace(NOTICE, since=None, queries=())
    await notifier.deliver("team", RAMP, UID, bare)
    message = web.taken[0]["message"]
    assert "from=1795431600000&to=1795435200000" in message
    assert "prometheus" not in message
    assert timedelta(hours=1) == HOUR
