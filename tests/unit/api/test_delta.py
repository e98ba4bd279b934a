"""A patch makes the new value of the old one, and is short where they are alike."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rampguard.api.delta import patch, patched

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=12) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(VALUES, VALUES)
def test_a_patch_makes_the_new_of_the_old(old: Any, new: Any) -> None:
    assert patched(old, json.loads(json.dumps(patch(old, new)))) == new


@given(VALUES, VALUES)
def test_the_old_stays_as_it_was(old: Any, new: Any) -> None:
    before = json.dumps(old)
    patched(old, patch(old, new))
    assert json.dumps(old) == before


POINTS = [[f"12:{i:02}", 0.5] for i in range(60)]
SHORT: dict[str, tuple[Any, Any, Any]] = {
    "nothing changed": ({"a": [1]}, {"a": [1]}, {}),
    "a field": ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b": [3]}),
    "a field is gone": ({"a": 1, "b": None}, {"b": None}, {"a": None}),
    "a field has come, and is nothing": ({}, {"a": None}, {"a": [None]}),
    "an item of many": (
        {"a": POINTS},
        {"a": [*POINTS[:-1], [1, 2]]},
        {"a": [0, 60, {"59": [[1, 2]]}, []]},
    ),
    "a window slid": ({"a": POINTS}, {"a": [*POINTS[2:], [1, 2]]}, {"a": [2, 58, {}, [[1, 2]]]}),
    "one came": ({"a": POINTS}, {"a": [*POINTS, [1, 2]]}, {"a": [0, 60, {}, [[1, 2]]]}),
    "few scalars": ({"a": [1, 2]}, {"a": [1, 3]}, {"a": [[1, 3]]}),
    "another kind": ({"a": {"b": 1}}, {"a": [{}]}, {"a": [[{}]]}),
}


@pytest.mark.parametrize(("old", "new", "told"), SHORT.values(), ids=SHORT)
def test_what_stayed_is_not_said_again(old: Any, new: Any, told: Any) -> None:
    assert patch(old, new) == told
    assert patched(old, told) == new
