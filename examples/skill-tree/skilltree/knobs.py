"""The knobs of the traffic program: what may be changed while it runs."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skilltree.faults import DIVERT, FAIL, FAIL_TREATMENT

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _limited(least: float, most: float) -> object:
    return Field(ge=least, le=most, allow_inf_nan=False)


class Knobs(BaseModel):
    """One setting of all knobs; a change makes another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rps: Annotated[float, _limited(0, 500)] = 40.0  # requests per second, all users together
    profile: Literal["steady", "diurnal"] = "steady"
    diurnal_period: Annotated[float, _limited(10, 604_800)] = 86_400.0  # seconds
    burstiness: Share = 0.0  # standard deviation of the rate of a second, as a share of it
    new_users: Share = 0.6  # of the visits
    sessions_per_visit: Annotated[float, _limited(0, 5)] = 0.8
    unknown_skills: Share = 0.01  # of the visits: they are answered with 404
    # Harm; 0 is none.
    treatment_session_drop: Share = 0.0  # of the sessions that treated users would start
    error_rate_treatment: Share = 0.0  # of the tree requests of treated users
    error_rate_all: Share = 0.0  # of all tree requests
    arm_imbalance: Share = 0.0  # of the new users in treatment: they are put into control
    restart_storm: Annotated[float, _limited(0, 600)] = 0.0  # API pods asked to exit, per minute

    def changed(self, patch: Mapping[str, object]) -> "Knobs":
        """Return the knobs with some set anew; ValueError names each that cannot be so."""
        try:
            return Knobs.model_validate(self.model_dump() | dict(patch))
        except ValidationError as error:
            wrong = ((".".join(map(str, one["loc"])), one["msg"]) for one in error.errors())
            raise ValueError("; ".join(f"{name}: {why}" for name, why in wrong)) from error

    def headers(self) -> dict[str, str]:
        """Return the headers that ask the API for harm."""
        asked = {
            FAIL: self.error_rate_all,
            FAIL_TREATMENT: self.error_rate_treatment,
            DIVERT: self.arm_imbalance,
        }
        return {name: str(share) for name, share in asked.items() if share > 0}
