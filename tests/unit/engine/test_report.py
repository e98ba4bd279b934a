"""Events, log lines and gauges of one decision."""

from dataclasses import replace

import pytest

from fakes import NOON, FakeCluster, FakeMetrics, FakeTelemetry
from rampguard.core.ask import EnvValue
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import State, Verdict, Write
from rampguard.core.moves import note
from rampguard.core.plan import Tempo
from rampguard.core.reasons import Reason
from rampguard.engine.act import Outcome
from rampguard.engine.report import NOTE_BYTES, crop, event, report
from rampguard.ports import Conflict, Refused, Resource, Rules, Unavailable, World
from scenes import ORIGINALS, before, lagging, literal, look, pair, plan, seen, soaking, state


@pytest.fixture
def world():
    cluster = FakeCluster()
    return World(
        cluster=cluster,
        metrics=FakeMetrics(cluster.clock),
        clock=cluster.clock,
        telemetry=FakeTelemetry(),
        rules=Rules(process="p", tempo=Tempo()),
    )


SAID = note(Reason.SHARE_CHANGED, "set ROLLOUT 10 -> 50", 0)


async def told(world: World, remembered: State, saw, *outcomes: Outcome) -> None:
    decision = decide(plan(), remembered, saw)
    _, view = render(plan(), saw, decision)
    await report(plan(), decision, view, outcomes, world)


def test_an_event_says_who_what_why_and_about_which_object(world):
    said = event(plan(), SAID, world)
    assert said["regarding"] == {
        "apiVersion": "rampguard.dev/v1alpha1",
        "kind": "ExperimentRamp",
        "namespace": "app",
        "name": "tree-50",
        "uid": "uid-of-the-ramp",
    }
    assert (said["reason"], said["type"], said["note"]) == (
        "ShareChanged",
        "Normal",
        "set ROLLOUT 10 -> 50",
    )
    assert said["eventTime"] == f"{NOON:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert event(plan(), replace(SAID, warning=True), world)["type"] == "Warning"


def test_equal_notes_have_one_name_and_others_another(world):
    def name(**facts: object) -> str:
        return event(plan(), replace(SAID, **facts), world)["metadata"]["name"]

    assert name() == name(message="in other words")
    assert name() != name(key="ShareChanged/1")
    again = plan(uid="uid-of-its-heir")
    assert name() != event(again, SAID, world)["metadata"]["name"]


async def test_a_template_whose_links_find_no_room_is_logged_once(world):
    long = ("long", "https://x/" + "x" * 5000)
    saw = seen(link_templates=(long, ("short", "https://y/")))
    for _ in range(2):
        await told(world, state(soaking()), saw)
    lines = [line for line in world.telemetry.lines if line[1] == "link left out"]
    assert lines == [("warning", "link left out", {"ramp": "app/tree-50", "link": "long"})]


@pytest.mark.parametrize("sign", ["a", "é", "\U0001f600"])
def test_a_note_is_cropped_to_what_an_event_takes(sign):
    for length in (NOTE_BYTES - 2, NOTE_BYTES, NOTE_BYTES + 2, 5 * NOTE_BYTES):
        text = crop(sign * length)
        assert len(text.encode()) <= NOTE_BYTES
        assert text.rstrip("…") == sign * len(text.rstrip("…"))
    assert crop("short") == "short"


async def test_each_note_becomes_a_line_and_an_event(world):
    await told(world, State(), before())
    events = world.cluster.all(Resource.EVENTS)
    assert {one["reason"] for one in events} == {"PreflightPassed", "ShareChanged"}
    lines = [facts["reason"] for _, message, facts in world.telemetry.lines]
    assert lines == ["PreflightPassed", "ShareChanged"]


@pytest.mark.parametrize("error", [Refused("no"), Unavailable("no answer")], ids=repr)
async def test_an_event_that_cannot_be_written_is_logged(world, error):
    world.cluster.fail(error, verb="create_event")
    await told(world, State(), before())
    warnings = [m for level, m, _ in world.telemetry.lines if level == "warning"]
    assert warnings == ["event not written"]
    assert len(world.cluster.all(Resource.EVENTS)) == 1


async def test_an_event_that_is_there_already_is_no_trouble(world):
    world.cluster.fail(Conflict("it exists"), verb="create_event", times=9)
    await told(world, State(), before())
    assert {level for level, *_ in world.telemetry.lines} == {"info"}


async def test_writes_and_refusals_are_logged_with_their_target(world):
    write = Write(original=ORIGINALS[0], value=EnvValue("50"), expect=literal(10), cause="c")
    await told(world, State(), before(), Outcome(write), Outcome(write, refused="api: no"))
    written, refused = world.telemetry.lines[-2:]
    assert written[:2] == ("info", "value written")
    assert refused[:2] == ("error", "write refused")
    assert {facts["deployment"] for _, _, facts in (written, refused)} == {"api/api"}
    assert refused[2]["error"] == "api: no"


async def test_the_gauges_tell_phase_share_pods_and_guardrails(world):
    saw = seen(*pair(50, coverage=lagging()), looks=(look(Tempo().look, Verdict.INCONCLUSIVE),))
    await told(world, state(soaking()), saw)
    figures = world.telemetry.ramps[plan().ask.ref]
    assert (figures["phase"], figures["share"]) == ("Soaking", 0.5)
    assert (figures["proven"], figures["lagging"]) == (6, 2)
    assert figures["guardrails"]["share"]["verdict"] == "Inconclusive"
    assert figures["blind"] == 0.0


async def test_before_the_start_the_share_is_that_of_the_origin(world):
    await told(world, State(), before(signals=("no series",)))
    assert world.telemetry.ramps[plan().ask.ref]["share"] == 0.1
