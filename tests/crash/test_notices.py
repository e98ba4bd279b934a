"""Notices with the engine killed at every call: each arrives, and no channel holds anything up."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from crash.harness import (
    Blow,
    Process,
    begin,
    dying_again_and_again,
    every_blow,
    to_its_end,
    walk,
)
from crash.story import MINUTE, STORIES, Story
from fake_notifier import FakeNotifier, Temper
from rampguard.core.outbox import GRAFANA

NOTIFY = {"notify": [{"channel": "team"}, {"channel": "mail"}], "owner": "@mia"}
STARTS = frozenset({"RampPlanned", "RampStarted", "Change"})
BACK = frozenset({"Rollback", "RollbackVerified"})


def told(story: str, tells: frozenset[str], mail: Temper = Temper.DEAD) -> Story:
    """Return a story whose team and Grafana listen while mail does not."""
    tempers = {"team": Temper.GOOD, GRAFANA: Temper.GOOD, "mail": mail}
    known = STORIES[story]
    return replace(
        known, name=f"{story}, told", spec={**known.spec, **NOTIFY}, tells=tells, tempers=tempers
    )


COMPLETES = told("completes", STARTS | {"FindingRecorded", "RampSucceeded"})
BREACH = told("breach", STARTS | BACK | {"FindingRecorded", "GuardrailBreached"})
DELETION = told("deletion", STARTS | BACK)
GOOD = told("abort", STARTS | BACK, Temper.GOOD)
ANNOUNCED = replace(
    GOOD,
    name="abort, announced to all",
    spec={
        **GOOD.spec,
        "notify": [{"channel": "team"}, {"channel": "mail", "events": ["Blocked"]}],
        "require": {"announced": True},
    },
)
STORIES_TOLD = (COMPLETES, BREACH, DELETION, ANNOUNCED)


@pytest.mark.parametrize("story", STORIES_TOLD, ids=str)
async def test_every_notice_arrives_wherever_the_engine_is_struck(story: Story) -> None:
    tally = await every_blow(story, blows=(Blow.BEFORE, Blow.LOST, Blow.UNHEARD))
    assert tally.blows > 10 * tally.passes, "the blows missed"


@pytest.mark.parametrize("calls", [9, 14, 20])
@pytest.mark.parametrize("story", [BREACH, DELETION, ANNOUNCED], ids=str)
async def test_every_notice_arrives_from_engines_that_die_again_and_again(
    story: Story, calls: int
) -> None:
    for blow in (Blow.BEFORE, Blow.LOST):
        await dying_again_and_again(story, calls, blow)


async def lived(story: Story) -> Process:
    process = Process(begin(story))
    await to_its_end(process)
    return process


def instants(process: Process) -> dict[str, datetime]:
    """Return when each line of the timeline was written, by its first words."""
    lines = (line.partition("  ") for line in process.tale.scene.status["timeline"])
    return {text.partition(" ")[0]: datetime.fromisoformat(at) for at, _, text in lines}


@pytest.mark.parametrize("mail", Temper)
async def test_no_channel_delays_a_rollback(mail: Temper) -> None:
    alone = instants(await lived(STORIES["breach"]))
    beside = instants(await lived(told("breach", BREACH.tells, mail)))
    took = [at["4"] - at["errors"] for at in (alone, beside)]  # "4 of 4 pods run 0 again"
    assert took[0] == took[1] > timedelta(0)


async def test_every_channel_that_works_hears_each_thing_once() -> None:
    process = await lived(told("breach", BREACH.tells, Temper.GOOD))
    by_channel = {
        channel: [str(one.notice.kind) for one in process.tale.scene.mail if one.channel == channel]
        for channel in ("team", "mail", GRAFANA)
    }
    assert by_channel["team"] == by_channel["mail"]
    assert by_channel["team"] == [
        *("RampPlanned", "RampStarted", "FindingRecorded"),
        *("GuardrailBreached", "RollbackVerified"),
    ]
    assert by_channel[GRAFANA] == ["Change", "Change", "GuardrailBreached", "Rollback"]


async def test_a_dead_channel_is_told_in_the_condition_and_as_an_event() -> None:
    process = await lived(COMPLETES)
    conditions = {one["type"]: one for one in process.tale.scene.status["conditions"]}
    notified = conditions["Notified"]
    assert (notified["status"], notified["reason"]) == ("False", "DeliveryFailing")
    assert "mail: RampPlanned (try " in notified["message"]
    assert "refused the connection" in notified["message"]
    notes = [c.body["note"] for c in process.tale.calls if c.verb == "create_event"]
    assert sum("mail does not take notices" in note for note in notes) == 1


async def test_a_start_that_must_be_announced_waits_for_a_dead_channel_and_then_goes() -> None:
    tempers = {**ANNOUNCED.tempers, "mail": Temper.DEAD}
    process = Process(begin(replace(ANNOUNCED, tempers=tempers)))
    scene, notifier = process.tale.scene, process.world.notifier
    assert isinstance(notifier, FakeNotifier)
    recovers, phases = scene.now + 30 * MINUTE, set()
    async for _ in walk(process):
        if scene.now < recovers:
            phases.add(scene.status.get("phase"))
        else:
            notifier.tempers["mail"] = Temper.GOOD
    await process.end()
    process.tale.watchman.check_end()
    assert phases == {None, "Pending", "Blocked"}
    assert "Blocked" not in {str(one.notice.kind) for one in scene.mail}
    told = [c.body for c in process.tale.calls if c.verb == "create_event"]
    assert [one["note"] for one in told if one["reason"] == "NotAnnounced"] == [
        "RampPlanned is not delivered to mail: see condition Notified (owner: @mia)"
    ]
