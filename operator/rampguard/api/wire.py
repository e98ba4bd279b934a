"""What every part of the wire is made of: its base, words of a bounded length, and their rules."""

from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from rampguard.api.rules import SOAK_RULES, Rule, broken

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


def _with_rules(schema: dict[str, Any], of: type[Any]) -> None:
    if of.RULES:
        schema.update(in_schema(of.RULES))


class Wire(BaseModel):
    """A part of the wire: camelCase, nothing unknown; RULES hold for the whole of it."""

    RULES: ClassVar[tuple[Rule, ...]] = ()
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        json_schema_extra=_with_rules,
    )

    @model_validator(mode="before")
    @classmethod
    def _rules_hold(cls, value: Any) -> Any:
        """Raise the first broken rule of a part as it came, before its fields are read."""
        return _checked(cls.RULES, value)


def ruled(rules: tuple[Rule, ...]) -> Any:
    """Return what holds a field to its rules, here and in the schema."""

    def check(value: str) -> str:
        if message := broken(rules, value):
            raise PydanticCustomError("rule", "{text}", {"text": message})
        return value

    return AfterValidator(check)


def in_schema(rules: tuple[Rule, ...]) -> dict[str, Any]:
    """Return what the schema says of rules."""
    return {"x-kubernetes-validations": [rule.as_cel() for rule in rules]}


def bounded(limit: int, rules: tuple[Rule, ...]) -> Any:
    """Return a field of so many characters at most, with its rules in the schema."""
    return Field(min_length=1, max_length=limit, json_schema_extra=in_schema(rules))


def _checked(rules: tuple[Rule, ...], value: Any) -> Any:
    if isinstance(value, dict):
        try:
            message = broken(rules, value)
        except (KeyError, TypeError, AttributeError):
            return value  # of a wrong shape: the fields say so
        if message:
            raise PydanticCustomError("rule", "{text}", {"text": message})
    return value


Short = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=NAME)]
Duration = Annotated[str, bounded(16, SOAK_RULES), ruled(SOAK_RULES)]
