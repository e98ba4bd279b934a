"""Links: what is filled in, over which time, and which of them there is room for."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rampguard.core.ask import Leave, Ref
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.linking import of_notice, of_ramp, of_rollback
from rampguard.core.links import (
    LONGEST,
    MOST,
    ROOM,
    Graph,
    Link,
    Span,
    Subject,
    is_web,
    left_out,
    links,
    quoted,
)
from rampguard.core.model import Applying, Ended, Pending, Soaked, State, Verdict
from rampguard.core.outbox import Kind, Notice
from rampguard.core.view import StatusView
from scenes import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T,
    applying,
    judged,
    judging,
    over,
    pair,
    plan,
    restoring,
    seen,
    soaking,
    state,
    watch,
)

GRAPH = ("prometheus", "https://p.example/graph?q={query}&r={range}&e={end}")
TEMPLATES = (GRAPH, ("thread", "https://chat.example/{experiment}/{kind}"))
SPAN = Span(T, T + HOUR)
ABOUT = Subject(
    ramp=Ref("app", "tree-50"),
    experiment="tree layout",
    env="ROLLOUT",
    kind="Ramp",
    span=SPAN,
    graphs=(Graph("share", 'sum(x{a="b"})', SPAN), Graph("p95", "p95", Span(T, T + SECOND))),
)
SHARE = judged(Verdict.BREACHED, query="sum(x)", onset=T + 30 * MINUTE)
P95 = judged(name="p95", query="p95")


def test_pages_come_first_then_a_graph_for_each_query() -> None:
    assert links(TEMPLATES, ABOUT) == (
        Link("thread", "https://chat.example/tree%20layout/Ramp"),
        Link(
            "prometheus (share)",
            "https://p.example/graph?q=sum%28x%7Ba%3D%22b%22%7D%29&r=3600s&e=2026-11-23%2013%3A00%3A00",
        ),
        Link("prometheus (p95)", "https://p.example/graph?q=p95&r=60s&e=2026-11-23%2012%3A00%3A01"),
    )
    assert left_out(TEMPLATES, ABOUT) == ()


def test_every_field_has_its_value() -> None:
    fields = ["namespace", "name", "env", "guardrail", "start", "start_ms", "end_ms"]
    template = "https://x/?" + "&".join(f"{{{one}}}" for one in fields)
    one, _ = links((("x", template),), ABOUT)
    assert one.url == (
        "https://x/?app&tree-50&ROLLOUT&share&2026-11-23%2012%3A00%3A00&1795435200000&1795438800000"
    )


def test_a_field_that_is_unknown_is_empty() -> None:
    assert links((("x", "https://x/{who}"),), ABOUT) == (Link("x", "https://x/"),)


def page(length: int, name: str = "long") -> tuple[str, str]:
    return name, "https://x/".ljust(length, "x")


def test_what_is_too_long_is_left_out_and_named() -> None:
    for length, fits in ((LONGEST, True), (LONGEST + 1, False)):
        templates = (page(length), ("short", "https://y/"))
        assert [one.name for one in links(templates, ABOUT)] == ["long"] * fits + ["short"]
        assert left_out(templates, ABOUT) == () if fits else ("long",)


def test_all_together_have_an_end() -> None:
    four = tuple(page(LONGEST, f"{n}") for n in range(ROOM // LONGEST))
    assert len(links(four, ABOUT)) == len(four)
    more = (*four[:-1], page(LONGEST - 10, "almost"), page(11, "a"), page(10, "b"))
    assert [one.name for one in links(more, ABOUT)] == [*"012", "almost", "b"]
    assert left_out(more, ABOUT) == ("a",)


def test_there_are_no_more_than_the_status_takes() -> None:
    many = tuple((f"{n}", f"https://x/{n}") for n in range(MOST + 2))
    assert len(links(many, ABOUT)) == MOST
    assert left_out(many, ABOUT) == (f"{MOST}", f"{MOST + 1}")


def test_a_template_is_named_once_however_many_of_its_graphs_are_left_out() -> None:
    long = ("g", page(LONGEST)[1] + "{query}")
    assert left_out((long,), ABOUT) == ("g",)


NOT_WEB = (
    "javascript:alert(1)", "data:text/html,x", "ftp://x/", "https://", "https:///x", "//x/",
    "https://me@x/", "https://me:pw@x/", "https://x\\@y/", "https://x/a b", "https://x/\n",
    "https://x/\u202e", " https://x/", "",
)  # fmt: skip


@pytest.mark.parametrize("url", NOT_WEB)
def test_nothing_but_an_address_of_the_web_is_a_link(url: str) -> None:
    assert not is_web(url)
    assert links((("x", url),), ABOUT) == ()
    assert left_out((("x", url),), ABOUT) == ("x",)


@pytest.mark.parametrize(
    "url",
    ["https://x", "http://x:9090/g?a=b#c", "HTTPS://x?a=me@y", "https://x#y", "http://[::1]/"],
)
def test_addresses_of_the_web_are_links(url: str) -> None:
    assert is_web(url)


@given(st.text(st.characters(codec="utf-8")))
def test_words_are_quoted_as_the_standard_library_does(words: str) -> None:
    assert quoted(words) == quote(words, safe="")


def test_half_a_character_is_quoted_too() -> None:
    assert quoted("a\ud800") == "a%3F"


# --- what they are about ---

SPANS = {
    "a soak, the whole of it": (state(soaking()), Span(T, T + DAY)),
    "a soak that is over": (
        state(over(), soaked=Soaked(since=T, until=T + HOUR)), Span(T, T + HOUR)),
    "the hour before a first write": (state(applying()), Span(T - HOUR, T)),
    "nothing was looked at": (State(), Span(T - MINUTE - HOUR, T - MINUTE)),
    "it waits": (State(stage=Pending(since=T)), Span(T - HOUR, T)),
}  # fmt: skip


@pytest.mark.parametrize(("was", "span"), SPANS.values(), ids=SPANS)
def test_a_ramp_is_shown_over(was: State, span: Span) -> None:
    about = of_ramp(plan(), was)
    assert (about.span, about.kind) == (span, "Ramp")
    assert (about.ramp, about.experiment, about.env) == (Ref("app", "tree-50"), "tree", "ROLLOUT")


def test_a_ramp_has_a_graph_of_each_query_what_broke_first() -> None:
    quiet = judged(name="quiet")
    was = state(soaking(judged=(P95, quiet, SHARE)))
    span = Span(T, T + DAY)
    assert of_ramp(plan(), was).graphs == (
        Graph("share", "sum(x)", span),
        Graph("p95", "p95", span),
    )


def test_a_rollback_shows_what_broke_over_the_time_of_its_harm() -> None:
    was = state(soaking(judged=(P95, SHARE)))
    about = of_rollback(plan(), was, T + HOUR)
    assert (about.kind, about.span) == ("Rollback", Span(T, T + HOUR))
    assert about.graphs == (
        Graph("share", "sum(x)", Span(T + 20 * MINUTE, T + HOUR)),
        Graph("p95", "p95", Span(T, T + HOUR)),
    )


def test_harm_of_an_unknown_onset_is_shown_over_the_soak() -> None:
    was = state(soaking(judged=(replace(SHARE, onset=None),)))
    (graph,) = of_rollback(plan(), was, T + HOUR).graphs
    assert graph.span == Span(T, T + HOUR)


def test_before_a_soak_kill_switches_are_shown() -> None:
    was = state(applying(killed=(SHARE,)))
    assert isinstance(was.stage, Applying)
    about = of_rollback(plan(), was, T + HOUR)
    assert about.span == Span(T, T + HOUR)
    assert [one.guardrail for one in about.graphs] == ["share"]


NOTICE = Notice(
    kind=Kind.BLOCKED, key="k", at=T, text="", experiment="tree", env="ROLLOUT", origin=10, to=50
)


@pytest.mark.parametrize(
    ("since", "shown"), [(T - MINUTE, T - MINUTE), (T, T - HOUR), (None, T - HOUR)]
)
def test_a_notice_is_shown_from_its_soak_else_an_hour(since: object, shown: object) -> None:
    notice = replace(NOTICE, since=since, queries=(("p95", "q"),))
    about = of_notice(Ref("app", "tree-50"), notice)
    assert (about.span, about.kind) == (Span(shown, T), "Blocked")
    assert about.graphs == (Graph("p95", "q", about.span),)


# --- where they stand ---


def view_of(was: State, **facts: object) -> StatusView:
    saw = seen(*pair(50), link_templates=TEMPLATES, **facts)
    return render(plan(), saw, decide(plan(), was, saw))[1]


def test_the_status_has_the_links_of_the_ramp() -> None:
    view = view_of(state(soaking(judged=(P95,))))
    assert [one.name for one in view.links] == ["thread", "prometheus (p95)"]
    assert view.unlinked == ()
    assert render(plan(), seen(), decide(plan(), State(), seen()))[1].links == ()


def test_a_link_that_finds_no_room_is_named() -> None:
    saw = seen(link_templates=(page(LONGEST + 1),))
    view = render(plan(), saw, decide(plan(), state(soaking()), saw))[1]
    assert (view.links, view.unlinked) == ((), ("long",))


def test_a_rollback_keeps_the_links_of_its_beginning() -> None:
    broken = judging(40 * MINUTE, replace(SHARE, onset=T + 30 * MINUTE))
    back = watch(broken, was=state(soaking()), link_templates=TEMPLATES)
    assert back.state.rollback is not None
    kept = back.state.rollback.links
    at = back.state.rollback.started_at
    assert kept == (
        Link("thread", "https://chat.example/tree/Rollback"),
        Link(
            "prometheus (share)",
            f"https://p.example/graph?q=sum%28x%29&r={round((at - T).total_seconds()) - 1200}s"
            f"&e={quote(f'{at:%Y-%m-%d %H:%M:%S}')}",
        ),
    )
    proven = decide(plan(), back.state, seen(*pair(10), after=HOUR)).state
    assert isinstance(proven.stage, Ended)
    assert proven.rollback is not None
    assert proven.rollback.links == kept


def test_a_rollback_that_was_asked_for_has_links_too() -> None:
    was = replace(state(soaking(judged=(P95,))), abort=Leave.ROLLBACK)
    back = decide(plan(abort=Leave.ROLLBACK), was, seen(link_templates=TEMPLATES))
    assert back.state.rollback is not None
    assert [one.name for one in back.state.rollback.links] == ["thread", "prometheus (p95)"]


def test_a_rollback_without_templates_has_none() -> None:
    was = state(restoring())
    done = decide(plan(), was, seen(*pair(10), after=HOUR)).state
    assert done.rollback is not None
    assert done.rollback.links == ()


def test_links_of_a_ramp_that_nobody_could_look_at_do_not_move_with_time():
    """Each pass would write another status, and be woken by it."""
    assert of_ramp(plan(), State()).span.until == plan().ask.created_at


def test_a_rollback_of_a_soak_is_shown_from_its_start():
    watched = state(soaking(since=T - HOUR))
    assert of_rollback(plan(), watched, T + MINUTE).span == Span(T - HOUR, T + MINUTE)
    written = state(applying(since=T))
    assert of_rollback(plan(), written, T + MINUTE).span == Span(T + MINUTE - HOUR, T + MINUTE)


def test_a_notice_from_before_its_soak_is_shown_over_the_hour_before():
    odd = Notice(
        kind=Kind.BLOCKED,
        text="x",
        at=T,
        since=T + MINUTE,
        experiment="e",
        env="E",
        key="k",
        origin=10,
        to=50,
    )
    assert of_notice(Ref("app", "x"), odd).span == Span(T - HOUR, T)
