"""A rollback replaces what the ramp may have written, and no value of somebody else's."""

import pytest

from rampguard.core.ask import EnvValue
from rampguard.core.model import Because, Stage, Write
from rampguard.core.reasons import Reason
from rampguard.core.restore import roll_back
from scenes import applying, plan, seen, soaking, state, workload

STEPS = plan(steps=(25, 40, 45))
WHY = Because(Reason.ABORT_ASKED, "abort was asked")


@pytest.mark.parametrize(
    ("stage", "api", "worker", "written"),
    [
        (applying(step=3), 50, 45, {"api", "worker"}),
        (applying(step=3), 50, 40, {"api"}),
        (applying(step=2), 45, 40, {"api", "worker"}),
        (applying(step=1), 40, 25, {"api", "worker"}),
        (applying(step=1), 50, 40, {"worker"}),
        (applying(step=0), 25, 10, {"api"}),
        (applying(step=0), 25, 50, {"api"}),
        (soaking(step=3), 50, 50, {"api", "worker"}),
        (soaking(step=3), 50, 45, {"api"}),
        (soaking(step=1), 40, 50, {"api"}),
    ],
)
def test_only_values_of_ours_are_replaced(
    stage: Stage, api: int, worker: int, written: set[str]
) -> None:
    found = seen(workload("api", api), workload("worker", worker))
    decision = roll_back(STEPS, state(stage), found, WHY)
    writes = [one for one in decision.actions if isinstance(one, Write)]
    assert {one.original.deployment for one in writes} == written
    assert {one.value for one in writes} == {EnvValue("10")}
