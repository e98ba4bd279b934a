"""Adapters that write values of the core and read them again, to the last bit."""

from types import GenericAlias
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter


def faithful(of: Any, *, extra: Literal["ignore", "forbid"] = "ignore") -> TypeAdapter[Any]:
    """Return the adapter of (value,); of: a type. Infinities and NaN survive.

    A tuple around it, for a dataclass takes no configuration.
    """
    one: Any = GenericAlias(tuple, (of,))
    return TypeAdapter(one, config=ConfigDict(ser_json_inf_nan="strings", extra=extra))
