"""How a row of the tables of malformed manifests is written.

A row is: what is wrong, the field as the API server names it, its words, the operator's words.
The operator (and `kubectl ramp lint`) writes a place in a list as .0 where the server writes [0].
"""

from dataclasses import dataclass

from integration.manifests import Change, put


@dataclass(frozen=True, slots=True)
class Row:
    """One malformed manifest; words "": accepted there."""

    changes: tuple[Change, ...]
    field: str
    server: str
    operator: str


def both(field: str, server: str, operator: str, *changes: Change) -> Row:
    """Return a row that the API server refuses, and our own reading as well."""
    return Row(changes, field, server, operator)


def ruled(field: str, message: str, *changes: Change) -> Row:
    """Return a row that breaks one of our rules: the words are the same everywhere."""
    return Row(changes, field, message, message)


def strange(field: str, *changes: Change) -> Row:
    return both(field, f'unknown field "{field}"', "no such field", *changes)


def missing(field: str, *changes: Change) -> Row:
    return both(field, f"{field}: Required value", "required", *changes)


def typed(field: str, kind: str, value: object) -> Row:
    """Return a row with a value of another type; kind as the schema names it."""
    said = {"array": "tuple", "object": "dictionary"}.get(kind, kind)
    return both(field, f"{field} in body must be of type {kind}", f"valid {said}", at(field, value))


def listed(field: str, value: object) -> Row:
    """Return a row whose value is none of a few words."""
    return both(field, f"{field}: Unsupported value", "should be '", at(field, value))


def at(field: str, value: object) -> Change:
    """Return the change that sets a field, named as the API server names it."""
    return put("/" + field.replace("[", ".").replace("]", ""), value)
