"""Whatever stands in a manifest, it is understood or refused by name; nothing else happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import ramp
from property.arbitrary import TEXTS
from rampguard.api.status import Status, refused_status
from rampguard.api.v1alpha1 import to_ask
from rampguard.core.ask import Ask
from rampguard.ports import InvalidSpec
from scenes import T

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    (*ramp()["spec"], "steps", "findings", "abort", "approve", "owner", "gates", "paused", "alpha")
)
HEAD = {"apiVersion": "rampguard.dev/v1alpha1", "kind": "ExperimentRamp"}


def understood(manifest: dict) -> Ask | None:
    """Return what is asked; None: it was refused with words that people can read."""
    try:
        return to_ask(manifest)
    except InvalidSpec as error:
        told = str(error)
    status = refused_status(manifest, told, T)
    assert told
    assert Status.model_validate(status).phase == "Blocked"
    assert all(c.isprintable() for c in status["summary"])
    return None


@given(FIELDS, ANYTHING)
def test_anything_in_a_field_is_understood_or_refused(field, value) -> None:
    manifest = HEAD | ramp()
    manifest["spec"][field] = value
    ask = understood(manifest)
    assert ask is None or isinstance(ask, Ask)


@given(FIELDS, TEXTS)
def test_a_refusal_names_the_field(field, text) -> None:
    manifest = HEAD | ramp()
    manifest["spec"][field] = {text: [text]}
    with pytest.raises(InvalidSpec, match=field):
        to_ask(manifest)


@given(ANYTHING)
def test_anything_for_a_spec_is_refused(spec) -> None:
    assert understood(HEAD | ramp() | {"spec": spec}) is None


@given(ANYTHING)
def test_anything_in_the_metadata_is_read(value) -> None:
    manifest = HEAD | ramp()
    for field in ("annotations", "creationTimestamp", "namespace"):
        understood(manifest | {"metadata": manifest["metadata"] | {field: value}})
