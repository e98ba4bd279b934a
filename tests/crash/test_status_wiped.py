"""The status is lost in the middle of a ramp: the stamps bring the originals back."""

from itertools import count

import pytest

from crash.harness import Process, Tale, begin, until, walk
from crash.story import NAME, SECOND, STORIES, TARGETS, Story
from fakes import Json
from rampguard.core.ask import Ref
from rampguard.ports import Resource

RIGHT = frozenset({"Completed", "RolledBack", "Aborted"})
WAYS = ("abort", "delete")


def wipe(tale: Tale) -> None:
    def without(ramp: Json) -> Json:
        return {key: value for key, value in ramp.items() if key != "status"}

    tale.scene.cluster.edit(Resource.RAMPS, NAME, without)


async def recover(tale: Tale, way: str) -> str:
    """Go on without a status; once it is Contested ask for the way back. Return how it ended."""
    process, scene = Process(tale), tale.scene
    for _ in range(400):
        if scene.ramp is None:
            return "gone"
        phase, held = scene.status.get("phase"), scene.ramp["metadata"].get("finalizers")
        if phase == "Contested" and "abort" not in scene.ramp["spec"]:
            check_nothing_was_written(tale)
            if way == "abort":
                scene.cluster.patch(Resource.RAMPS, NAME, {"spec": {"abort": "Rollback"}})
            else:
                scene.cluster.patch(Resource.RAMPS, NAME, {"spec": {"onDelete": "Rollback"}})
                if "deletionTimestamp" not in scene.ramp["metadata"]:
                    scene.cluster.delete(Resource.RAMPS, NAME)
        if phase in RIGHT and not held:
            return str(phase)
        if phase == "Blocked" and not tale.watchman.stamped():
            return "RolledBack"  # all was back when it was wiped; the harm blocks another start
        wait = await process.look()
        until(scene, scene.now + max(wait, SECOND))
    raise AssertionError(f"no end in sight: {scene.status.get('summary')}")


def check_nothing_was_written(tale: Tale) -> None:
    """Make sure that a Contested ramp told what to do, and kept the stamps."""
    told = tale.scene.status["conditions"]
    (stalled,) = (c for c in told if c["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "StatusLost")


def check_it_is_right(tale: Tale, ended: str, story: Story) -> None:
    """Make sure that what the targets run is what the end says, and that no stamp stays."""
    values = {tale.watchman.values[name][-1] for name in TARGETS}
    if ended in {"RolledBack", "gone"}:
        assert values <= {story.original}
    elif ended == "Completed":
        assert values == {"50"}
    assert not tale.watchman.stamped()


STORY_NAMES = ("completes", "breach", "from absent and back", "proof timeout", "deletion")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", STORY_NAMES)
async def test_a_status_wiped_between_two_passes_loses_no_original(name: str, way: str) -> None:
    ends = set()
    async for before in walk(Process(begin(STORIES[name]))):
        tale = before.another()
        if tale.scene.ramp is None:
            continue
        wipe(tale)
        ends.add(ended := await recover(tale, way))
        check_it_is_right(tale, ended, STORIES[name])
    assert ends & {"RolledBack", "gone"}


@pytest.mark.parametrize("name", ["completes", "from absent and back"])
async def test_a_status_wiped_in_the_middle_of_a_pass_loses_no_original(name: str) -> None:
    async for before in walk(Process(begin(STORIES[name]))):
        for call in count(2):  # the first reads the ramp: before it, it is the test above
            tale = before.another()
            if not await wiped_at(tale, call):
                break
            ended = await recover(tale, "abort")
            check_it_is_right(tale, ended, STORIES[name])


async def wiped_at(tale: Tale, call: int) -> bool:
    """Make a pass in which the status is wiped before a call; say whether it came so far."""
    process, calls = Process(tale), count(1)
    done = False

    async def count_down(verb: str, resource: Resource, ref: Ref) -> None:
        nonlocal done
        if next(calls) == call and tale.scene.ramp is not None:
            wipe(tale)
            done = True

    process.cluster.before = count_down
    await process.look()
    return done
