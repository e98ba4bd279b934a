"""A whole ramp and each way back, with the engine killed at every single call."""

import pytest

from crash.harness import Blow, dying_again_and_again, every_blow
from crash.story import MINUTE, STORIES, Story

QUICK = (9, 14, 20)  # calls that a process lives for: fewer than a pass has, as many, and more
ALIKE = {"counted", "from absent", "breach"}  # others go the same ways; struck in the slow tier
UNLIKE = [story for story in STORIES.values() if story.name not in ALIKE]


@pytest.mark.parametrize("story", UNLIKE, ids=str)
async def test_every_ramp_ends_right_wherever_its_engine_is_struck(story: Story) -> None:
    tally = await every_blow(story)
    assert tally.blows > 10 * tally.passes, "the blows missed"


@pytest.mark.parametrize("calls", QUICK)
@pytest.mark.parametrize("story", STORIES.values(), ids=str)
async def test_an_engine_that_dies_again_and_again_does_no_harm(story: Story, calls: int) -> None:
    for blow in (Blow.BEFORE, Blow.LOST):
        await dying_again_and_again(story, calls, blow)


async def test_an_engine_that_was_away_for_long_gives_the_pods_their_time() -> None:
    await every_blow(STORIES["completes"], blows=(Blow.BEFORE,), restart=20 * MINUTE)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", STORIES.values(), ids=str)
async def test_each_blow_is_lived_through_to_the_end(story: Story) -> None:
    tally = await every_blow(story, thorough=True)
    assert tally.futures == tally.blows


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", STORIES.values(), ids=str)
async def test_an_engine_may_come_back_at_once_or_late(story: Story) -> None:
    for restart in (0 * MINUTE, MINUTE / 2):
        await every_blow(story, restart=restart)
    in_time = tuple(blow for blow in Blow if blow is not Blow.LATE)  # no call is 20 minutes late
    await every_blow(story, blows=in_time, restart=20 * MINUTE)


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES.values(), ids=str)
async def test_an_engine_may_die_after_any_number_of_calls(story: Story) -> None:
    for calls in range(1, 61):
        for blow in (Blow.BEFORE, Blow.LOST):
            await dying_again_and_again(story, calls, blow)
