"""The owner of a ramp is named where a person may have to do something, and nowhere else."""

from rampguard.core.ask import GateKind
from rampguard.core.decide import decide
from rampguard.core.model import State
from rampguard.core.reasons import Reason
from scenes import before, pair, plan, told

OWNED = " (owner: @mia)"


def test_a_question_to_a_person_names_the_owner() -> None:
    asked = decide(plan(owner="@mia", gates=frozenset({GateKind.START})), State(), before())
    (note,) = told(asked, Reason.APPROVAL_ASKED)
    assert note.message.endswith(OWNED)


def test_a_warning_names_the_owner() -> None:
    blocked = decide(plan(owner="@mia"), State(), before(signals=("share: no series",)))
    assert [note.message.endswith(OWNED) for note in blocked.notes if note.warning] == [True]


def test_what_asks_nobody_names_nobody() -> None:
    done = decide(plan(owner="@mia"), State(), before(workloads=pair(50)))
    (note,) = told(done, Reason.ALREADY_AT_GOAL)
    assert "@mia" not in note.message


def test_without_an_owner_nobody_is_named() -> None:
    blocked = decide(plan(), State(), before(signals=("share: no series",)))
    assert not any("owner" in note.message for note in blocked.notes)
