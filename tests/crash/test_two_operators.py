"""Two operators started by accident do no harm."""

import pytest

from crash.crowd import crowd
from crash.story import STORIES, Story

QUICK, MANY = range(4), range(100, 300)


@pytest.mark.parametrize("story", STORIES.values(), ids=str)
async def test_two_operators_lead_a_ramp_to_one_right_end(story: Story) -> None:
    for seed in QUICK:
        await crowd(story, seed)


async def test_the_operators_do_get_in_each_others_way() -> None:
    tales = [await crowd(STORIES["breach"], seed) for seed in QUICK]
    results = [call.result for tale in tales for call in tale.calls]
    assert results.count("Conflict") > 5
    assert results.count("Killed") > 5


async def test_two_operators_leave_no_stamp() -> None:
    for seed in range(12):
        await crowd(STORIES["abort"], seed, stamps=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", STORIES.values(), ids=str)
async def test_two_operators_do_no_harm_in_any_order(story: Story) -> None:
    for seed in MANY:
        await crowd(story, seed)
        await crowd(story, seed, operators=3, deadly=False)
