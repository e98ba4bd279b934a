"""How long the pure part of a pass takes, stage by stage; prints tables, judges nothing.

    .venv/bin/python benchmarks/bench_decide.py [calls]

A decision is what a pass adds to what it asks of the API server; the second table has the steps
around it. The usual ramp has 2 targets and 2 guardrails and is in the middle of a day; the largest
has 10 targets, 10 guardrails, 11 steps, and a week in 288 bins.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial

import sizes
from figures import CALLS, heading, measured, times_table

from rampguard.api import engine
from rampguard.api.status import to_state, to_status
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import Leave
from rampguard.core.conditions import render
from rampguard.core.decide import decide
from rampguard.core.model import Lag, Observation, State, Verdict
from rampguard.core.plan import Plan, make_plan
from rampguard.core.reasons import Reason
from scenes import (
    MINUTE,
    TEMPO,
    applying,
    before,
    covered,
    lagging,
    look,
    over,
    pair,
    plan,
    restoring,
    seen,
    soaking,
    state,
)

BAR = 0.2  # ms, of a decision
PATIENCE = 30  # seconds for all calls of a decision, beside others on the machine
OUR = plan()
BACK = restoring(Reason.GUARDRAIL_BREACHED)
LEFT = covered(leftovers=(Lag("api-x", "still runs 50"),))
Seen = tuple[Plan, State, Observation]
Call = tuple[str, Callable[[], object]]
DECISIONS: dict[str, Seen] = {
    "Pending: starts": (OUR, State(), before()),
    "Pending: blocked, another value": (OUR, State(), before(workloads=pair(20))),
    "Applying: pods lag": (OUR, state(applying()), seen(*pair(coverage=lagging()))),
    "Applying: proven": (OUR, state(applying()), seen()),
    "Soaking: no look is due": (OUR, state(soaking()), seen()),
    "Soaking: a look": (OUR, state(soaking()), seen(looks=(look(MINUTE),))),
    "Soaking: a breach": (
        OUR,
        state(soaking()),
        seen(looks=(look(MINUTE, Verdict.BREACHED),)),
    ),
    "Soaking: an abort": (plan(abort=Leave.ROLLBACK), state(soaking()), seen()),
    "RollingBack: pods lag": (OUR, state(BACK), seen(*pair(10, coverage=LEFT))),
    "RollingBack: proven": (OUR, state(BACK), seen(*pair(10))),
    "Ended": (OUR, state(over()), seen()),
}


def main(calls: int) -> None:
    """Print both tables."""
    heading("make bench, or .venv/bin/python benchmarks/bench_decide.py", f"{BAR} ms a decision")
    made = {"usual": sizes.usual(), "largest": sizes.largest()}
    for name, size in made.items():
        DECISIONS[f"Soaking: a look, the {name} ramp"] = (size.plan, size.state, size.seen)
    decisions = ((f"decide, {what}", partial(decide, *told)) for what, told in DECISIONS.items())
    times_table(((what, measured(call, calls, PATIENCE)) for what, call in decisions), BAR)
    steps = (step for name, size in made.items() for step in around(name, size))
    times_table((what, measured(call, calls)) for what, call in steps)


def around(name: str, size: sizes.Size) -> Iterator[Call]:
    """Yield what a pass does around its decision, for one ramp."""
    decision = decide(size.plan, size.state, size.seen)
    remembered, view = render(size.plan, size.seen, decision)
    told = to_status(view, remembered)
    ask, written = size.plan.ask, {**size.manifest, "status": told}
    line = told["engine"]
    yield f"to_ask, {name}", partial(to_ask, written)
    yield f"to_state, {name}", partial(to_state, written, ask)
    yield f"  of it engine.read, {len(line) / 1000:.1f} kB", partial(engine.read, line)
    yield f"make_plan, {name}", partial(make_plan, ask, TEMPO)
    yield f"render, {name}", partial(render, size.plan, size.seen, decision)
    yield f"to_status, {name}", partial(to_status, view, remembered)
    yield "  of it engine.write", partial(engine.write, remembered)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
