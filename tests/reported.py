"""Flight records for reports: ramps on the fakes that complete, that are blind, that go back."""

from dataclasses import replace
from datetime import timedelta

from crash.harness import Process, begin, walk
from crash.story import COUNTED, ENV, NAME, QUERY, Scene, Story, soaks_at
from fake_fields import Json
from fake_metrics import Mood, Traffic
from rampguard.api.members import Member
from rampguard.api.record import Head, Tape
from rampguard.core.ask import Ref
from rampguard.core.replay import Record
from scenes import MINUTE
from taped import UID, Kept

SPEC = {
    **COUNTED,
    "guardrails": [
        *COUNTED["guardrails"],
        {
            "name": "starts",
            "type": "RelativeDrop",
            "tolerance": 5,
            "metric": 'starts_total{source="assignment"}',
        },
        {
            "name": "errors",
            "type": "ErrorRate",
            "tolerance": 20,
            "metric": "errors_total",
            "requests": "requests_total",
        },
        {"name": "p95", "type": "Threshold", "query": QUERY, "max": "0.5", "dryRun": True},
    ],
    "owner": "@mia",
    "stepSoak": "10m",
    "soak": "40m",
    "findings": ["10m", "20m", "40m"],
}
LOST = 6  # records
LINKS = (
    ("prometheus", "https://prom.example/graph?q={query}&range={range}&end={end}"),
    ("dashboard", "https://grafana.example/d/ramps?from={start_ms}&to={end_ms}"),
    ("thread", "https://chat.example/{experiment}"),
)


def opens(scene: Scene) -> None:
    """Let an app count for a while before the ramp."""
    scene.traffic = Traffic(
        scene.metrics,
        scene.cluster,
        Ref(NAME.namespace, "api"),
        ENV,
        labels={"source": "assignment", "instance": "one"},
        rate=40,
        starts=lambda _: 0.6,
        requests=200,
        fails=lambda _: 0.02,
    )
    scene.cluster.clock.advance(90 * MINUTE)


def worsens(scene: Scene) -> None:
    """Let treatment start fewer sessions."""
    assert scene.traffic is not None
    scene.traffic.starts = lambda arm: 0.45 if arm == "list" else 0.6
    scene.traffic.change()


HARMLESS = Story("harmless", frozenset({"Completed"}), "50", spec=SPEC, prepare=opens)
HARMFUL = Story(
    "harmful",
    frozenset({"RolledBack"}),
    "0",
    spec=SPEC,
    prepare=opens,
    when=soaks_at(50),
    after=22 * MINUTE,
    what=worsens,
)


async def told(story: Story, blind: tuple[timedelta, ...] = ()) -> tuple[list[Record], Json]:
    """Return the records of a ramp and what it is in the end.

    blind: since and until when Prometheus is away, counted from the first record.
    """
    process, kept = Process(begin(story)), Kept()
    rules = replace(process.world.rules, links=LINKS)
    process.world = replace(process.world, recorder=kept, rules=rules)
    scene = process.tale.scene
    began = scene.now
    async for _ in walk(process):
        passed = scene.now - began
        away = bool(blind) and blind[0] <= passed < blind[1]
        scene.metrics.mood = Mood.DOWN if away else Mood.WELL
    assert scene.ramp is not None
    return [record for _, _, record in kept.records], scene.ramp


def with_a_gap(records: list[Record], after: int) -> bytes:
    """Return the file of records of which some behind an index were dropped."""
    tape, member = (
        Tape(Head(operator="1.2.3", ramp=NAME, uid=UID, at=records[0].seen.now)),
        Member(),
    )
    lines = [tape.head, *map(tape.line, records[:after]), tape.gap(LOST)]
    # The recorder begins anew behind a gap: what follows needs nothing of what was lost.
    again = Tape(Head(operator="1.2.4", ramp=NAME, uid=UID, at=records[after + LOST].seen.now))
    lines += [again.head, *map(again.line, records[after + LOST :])]
    member = Member()
    return b"".join(map(member.add, lines)) + member.end()
