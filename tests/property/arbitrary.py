"""Arbitrary values of our nouns, made from their types."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from rampguard.core.model import Judgement, Stage, State

INSTANTS = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - likewise
    timezones=st.just(UTC),
)
SPANS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30))
NUMBERS = st.floats(allow_nan=False)
# Hostile: quotes, braces, control characters, other scripts; no lone surrogates, as in JSON.
TEXTS = st.text(max_size=40) | st.sampled_from(
    (
        '"',
        "\\",
        "{}",
        "\x00",
        "\n",
        "'; --",
        "\U0001d7d3",
        "\u202e",
        "${x}",
        "None",
        "null",
        "0x10",
        "NaN",
    )
)

for kind, strategy in (
    (datetime, INSTANTS),
    (timedelta, SPANS),
    (float, NUMBERS),
    (str, TEXTS),
    (int, st.integers(min_value=-(2**53), max_value=2**53)),
):
    st.register_type_strategy(kind, strategy)

# Counts are sums of finite counters; evidence may be infinite on either side.
st.register_type_strategy(Judgement, st.builds(Judgement, counted=st.floats(0, 1e12)))

STAGES = st.from_type(Stage)
STATES = st.builds(
    State,
    stage=STAGES,
    conditions=st.just(()),
    timeline=st.just(()),
).filter(lambda state: len(getattr(state.stage, "judged", ())) <= 10 and len(state.gates) <= 20)
