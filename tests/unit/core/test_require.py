"""What is asked and known of preconditions where nothing more is said."""

from datetime import timedelta

from rampguard.core.require import Precursor, Require, SmokeTest

NOTHING = timedelta(0)


def test_a_ramp_that_goes_on_vouches_for_nothing() -> None:
    assert Precursor(env="ROLLOUT", to=10, phase="Soaking") == Precursor(
        env="ROLLOUT",
        to=10,
        phase="Soaking",
        ended_at=None,
        watched=False,
        soaked=NOTHING,
        blind=NOTHING,
        blind_at_end=False,
        breached=False,
        conclusive=False,
        because="",
    )


def test_nothing_is_asked_unless_it_is_said() -> None:
    assert Require() == Require(
        smoke_test=None,
        no_firing_alerts=None,
        no_open_incidents=None,
        announced=False,
        override=None,
    )
    asked = SmokeTest(ramp="tree-10", max_age=NOTHING, conclusive=False, evidence=None)
    assert SmokeTest(ramp="tree-10") == asked
