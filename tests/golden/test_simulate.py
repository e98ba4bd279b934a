"""What `kubectl ramp simulate` shows of pasts that differ, whole screens against files."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from pasts import PLAN, RULES, World, counts_of, threshold
from rampguard.cli.simulation import simulation
from rampguard.cli.simulation_facts import of_simulation
from rampguard.cli.symbols import ASCII, UNICODE
from rampguard.cli.text import plain
from rampguard.core.ask import GateKind
from rampguard.core.backtest import Backtest, backtest
from rampguard.core.plan import Plan
from rampguard.core.replays import replayed, starts
from scenes import DAY, HOUR, plan

Golden = Callable[[str, str], None]
STEPS = plan(
    guardrails=(*RULES, replace(threshold(), dry_run=True)),
    steps=(25,),
    soak=12 * HOUR,
    gates=frozenset({GateKind.START, GateKind.EACH_STEP}),
)
SCENES: dict[str, tuple[Plan, World, float]] = {
    "calm": (PLAN, World(users=3, requests=30), 3),
    "poor": (PLAN, World(users=0.03, requests=0.3, errors=0.002), 3),
    "incident": (
        PLAN,
        World(failing=lambda at: 8 if 40 * HOUR <= at < 41 * HOUR else 1),
        3,
    ),
    "blind": (PLAN, World(absent=lambda at: 50 * HOUR < at <= 50.4 * HOUR), 3),
    "steps": (STEPS, World(), 2),
    "first": (plan(guardrails=RULES, origin=0, to=10), World(drawn=lambda _: 0.0), 2),
    "everybody": (plan(guardrails=RULES, origin=50, to=100), World(drawn=lambda _: 0.5), 2),
    "short": (PLAN, World(), 25 * HOUR / DAY),
}


def found(scene: str) -> tuple[Plan, Backtest]:
    our, world, days = SCENES[scene]
    told = counts_of(world, days, our)
    return our, backtest(our, told, [replayed(our, told, one) for one in starts(our, told)])


@pytest.mark.parametrize("scene", SCENES)
def test_a_ramp_is_shown_on_past_days(scene: str, golden: Golden) -> None:
    shown = plain(simulation(*found(scene), UNICODE))
    assert max(map(len, shown.splitlines())) <= 120
    golden(f"cli/simulate-{scene}.txt", shown)


def test_the_screen_has_a_form_for_poor_terminals(golden: Golden) -> None:
    shown = plain(simulation(*found("poor"), ASCII))
    assert "  ! session-starts: " in shown


def test_programs_read_the_same_facts(golden: Golden) -> None:
    told = of_simulation(*found("incident"))
    golden("cli/facts-simulate.json", f"{json.dumps(told, indent=2)}\n")
