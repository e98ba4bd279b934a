"""One profile for everybody: the same examples on every machine."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "house",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=100,
    phases=(Phase.explicit, Phase.generate),  # our states are large: shrinking them takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("house")
