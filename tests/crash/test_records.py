"""Records of simulated ramps: each is written, read and worked out once more, without a difference.

Every ramp has another app: another traffic, harm of another kind and size, or none.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from crash.harness import Process, begin, walk
from crash.story import COUNTED, ENV, NAME, Scene, Story, soaks_at
from fake_metrics import Traffic
from rampguard.api.members import lines
from rampguard.api.record import read
from rampguard.core.ask import Ref
from rampguard.core.model import Verdict
from rampguard.core.replay import Record, differences, replayed
from scenes import MINUTE, SECOND
from taped import Kept, written

STARTS = 'starts_total{source="assignment"}'
FAMILIES = {
    **COUNTED,
    "guardrails": [
        *COUNTED["guardrails"],
        {"name": "starts", "type": "RelativeDrop", "tolerance": 5, "metric": STARTS},
        {
            "name": "errors",
            "type": "ErrorRate",
            "tolerance": 20,
            "metric": "errors_total",
            "requests": "requests_total",
        },
    ],
    "onUnattributable": "Rollback",
}
QUICK, ALL = 10, 1000


def any_app(draw: Random) -> tuple[Callable[[Scene], None], Callable[[Scene], None]]:
    """Return an app that runs well before the ramp, and what becomes of it in a soak."""
    treated, started, failed = (draw.choice((1.0, draw.uniform(0.2, 1.1))) for _ in range(3))
    rate, requests, minutes = draw.uniform(1, 60), draw.uniform(5, 300), draw.randint(1, 90)
    both = draw.random() < 1 / 3

    def opens(scene: Scene) -> None:
        scene.traffic = Traffic(
            scene.metrics,
            scene.cluster,
            Ref(NAME.namespace, "api"),
            ENV,
            labels={"source": "assignment", "instance": "one"},
            rate=rate,
            starts=lambda _: 0.6,
            requests=requests,
            fails=lambda _: 0.02,
        )
        scene.cluster.clock.advance(minutes * MINUTE)

    def worsens(scene: Scene) -> None:
        assert scene.traffic is not None
        scene.traffic.starts = lambda arm: 0.6 * (started if arm == "list" else 1)
        scene.traffic.fails = lambda arm: 0.02 / (failed if both or arm == "list" else 1)
        scene.traffic.change(harm=lambda share: share * treated)

    return opens, worsens


def drawn(seed: int) -> Story:
    draw = Random(seed)  # noqa: S311 - another seed is another app, nothing is secret
    opens, worsens = any_app(draw)
    return Story(
        f"ramp {seed}",
        frozenset({"Completed", "RolledBack"}),
        None,
        spec=FAMILIES,
        prepare=opens,
        when=soaks_at(draw.choice((10, 50))),
        after=draw.randint(1, 60) * SECOND,
        what=worsens,
    )


async def recorded(seed: int) -> list[Record]:
    """Return what stands in the file of a ramp that went to its end."""
    process, kept = Process(begin(drawn(seed))), Kept()
    process.world = replace(process.world, recorder=kept)
    async for _ in walk(process):
        pass
    made = [record for _, _, record in kept.records]
    found = [entry for entry in read(lines([written(made)])) if isinstance(entry, Record)]
    assert len(found) == len(made) > 0
    return found


async def differing(seeds: range) -> tuple[list[object], set[Verdict]]:
    """Return what differs in any of the ramps, and which verdicts there were."""
    told: list[object] = []
    verdicts: set[Verdict] = set()
    for seed in seeds:
        for one in await recorded(seed):
            told += [(seed, found) for found in differences(one, replayed(one))]
            verdicts |= {judged.verdict for look in one.seen.looks for judged in look.judgements}
    return told, verdicts


async def test_simulated_ramps_come_out_as_they_were_recorded() -> None:
    told, verdicts = await differing(range(QUICK))
    assert told == []
    assert verdicts >= {Verdict.BREACHED, Verdict.INCONCLUSIVE, Verdict.WITHIN_TOLERANCE}


@pytest.mark.slow
async def test_a_thousand_simulated_ramps_come_out_as_they_were_recorded() -> None:
    told, verdicts = await differing(range(QUICK, ALL))
    assert told == []
    assert verdicts >= {Verdict.BREACHED, Verdict.INCONCLUSIVE, Verdict.WITHIN_TOLERANCE}
