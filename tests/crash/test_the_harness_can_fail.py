"""A harness that nothing can fail shows nothing: engines that break one promise are found out."""

import pytest

from crash.broken import Promises
from crash.crowd import crowd
from crash.harness import every_blow
from crash.story import STORIES
from crash.watchman import Broken


async def test_an_engine_that_keeps_every_promise_passes() -> None:
    await every_blow(STORIES["from absent and back"], Promises())
    await crowd(STORIES["from absent and back"], 0, Promises())


ALONE = {
    "it acts before it remembers": (
        Promises(remembers_first=False), "breach", "nobody knows what it was"),
    "it does not hold the ramp": (
        Promises(holds_the_ramp=False), "deletion", "stands at|nobody knows"),
    "it takes a write for its effect": (
        Promises(waits_for_pods=False), "breach", "still run our value"),
}  # fmt: skip


@pytest.mark.parametrize(("engine", "story", "told"), ALONE.values(), ids=ALONE)
async def test_one_broken_promise_is_found_out_alone(
    engine: Promises, story: str, told: str
) -> None:
    with pytest.raises(Broken, match=told):
        await every_blow(STORIES[story], engine)


TOGETHER = {
    "it does not fence": Promises(fences=False),
    "it does not swap": Promises(swaps=False),
}
SEEDS = (*range(30, 60), *range(30))  # the first that are known to find something come first


@pytest.mark.parametrize("engine", TOGETHER.values(), ids=TOGETHER)
async def test_one_broken_promise_is_found_out_by_two(engine: Promises) -> None:
    with pytest.raises(Broken):
        await _many(engine)


async def _many(engine: Promises) -> None:
    for story in ("deletion while it is applied", "abort while it is applied", "breach"):
        for seed in SEEDS:
            await crowd(STORIES[story], seed, engine)
