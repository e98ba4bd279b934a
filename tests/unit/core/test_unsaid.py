"""What holds where nothing is said: of a ramp, of what was judged, of what was seen."""

from dataclasses import MISSING, fields
from datetime import timedelta
from types import ModuleType

import pytest

from rampguard.core import ask, capture, export, model, probe

NOTHING = (None, (), "", False, 0, 0.0, timedelta(0))
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)

# What is not nothing: all else is None, empty, no, or zero.
ASKED = {
    "Target.min_pods": 1,
    "Metrics.source": "default",
    "Metrics.arm_label": "variant",
    "Ask.step_soak": HOUR,
    "Ask.soak": 24 * HOUR,
    "Ask.proof_timeout": 15 * MINUTE,
    "Ask.alpha": 0.01,
    "Ask.alpha_within_tolerance": 0.1,
    "Ask.no_data": ask.NoDataPolicy.HOLD,
    "Ask.max_blind": 10 * MINUTE,
    "Ask.max_hold": 2 * HOUR,
    "Ask.on_failure": ask.OnFailure.ROLLBACK,
    "Ask.on_unattributable": ask.OnFailure.HOLD,
    "Ask.on_delete": ask.Leave.ROLLBACK,
    "Ask.gitops": ask.GitopsPolicy.ENFORCE,
    "Ask.gates": frozenset(),
}
KNOWN = {
    "Part.phi": 1.0,
    "Judgement.limits": (None, None),
    "Judgement.attributable": True,
    "Look.measured": model.Measured(),
    "Baseline.phi_history": model.Phi(value=1.0),
    "Baseline.phi_arms": model.Phi(value=1.0),
    "State.stage": model.Pending(),
    "State.observed_generation": -1,
    "Coverage.settled": True,
    "Coverage.min_pods": 1,
    "Workload.desired": 1,
    "Workload.managed": True,
    "Workload.progress_deadline": 10 * MINUTE,
    "Decision.look_again_in": 30 * SECOND,
}


def unsaid(module: ModuleType) -> dict[str, object]:
    """Return what the records of a module hold where nothing is said, but for nothing itself."""
    records = (one for one in vars(module).values() if hasattr(one, "__dataclass_fields__"))
    return {
        f"{record.__name__}.{one.name}": one.default
        for record in records
        if isinstance(record, type) and record.__module__ == module.__name__
        for one in fields(record)
        if one.default is not MISSING and one.default not in NOTHING
    }


PROBED = {"Probe.users": 200, "Probe.rate": 20}
EXPORTED = {"Analytics.after": 15 * MINUTE, "Recounted.one_in": 1}
MODULES = [(ask, ASKED), (model, KNOWN), (probe, PROBED), (export, EXPORTED), (capture, {})]


@pytest.mark.parametrize(
    ("module", "told"), MODULES, ids=["ask", "model", "probe", "export", "capture"]
)
def test_what_is_not_said(module: ModuleType, told: dict[str, object]) -> None:
    assert unsaid(module) == told
