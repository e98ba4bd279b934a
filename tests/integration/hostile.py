"""Texts that break careless programs, and every field that takes a text."""

from collections.abc import Iterator

from integration.manifests import Json, changed, put

TEXTS = {
    "a terminal's colour": "a\x1b[31mb\x07",
    "a NUL": "a\x00b",
    "a line break": "a\nb\r\tc",
    "quotes": "a'b\"c`d\\",
    "markup": "<script>alert(1)</script>&amp;{{.}}${HOME}%s%n",
    "a matcher": 'x",variant=~".*',
    "a path": "../../../api/v1/secrets",
    "10 kB": "x" * 10_240,
    "an emoji": "\U0001f9a8" * 3,
    "text that runs backwards": "a\u202e\u2066b\u200f\u061c",
    "nothing to see": "\u200b\u00a0\ufeff",
    "half a character": "a\ud800",
    "no text at all": "",
    "a minus": "--all",
}
# Which guardrail of the valid manifest has a field; the first has all others.
OWNERS = {"query": 1, "max": 1, "min": 1, "for": 1, "metric": 2, "requests": 3}


def text_fields(schema: Json, place: str = "") -> Iterator[str]:
    """Yield where the schema of a spec takes a text, as a path into the valid manifest."""
    match schema["type"]:
        case "string":
            yield place
        case "array":
            yield from text_fields(schema["items"], f"{place}.0")
        case "object":
            for name, inner in schema["properties"].items():
                yield from text_fields(inner, f"{place}.{name}".strip("."))


def with_text(path: str, text: str) -> Json:
    """Return the manifest with a text in a field; a guardrail is the one that has the field."""
    owner = OWNERS.get(path.rpartition(".")[2], 0)
    return changed(put(path.replace("guardrails.0", f"guardrails.{owner}"), text))
