"""Writes docs/reference.md from the CRD: `.venv/bin/python docs/generate.py`."""  # noqa: INP001 - a script, in no package

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from rampguard.api.crd import crd
from rampguard.api.rules import (
    FROZEN,
    FROZEN_OF_GUARDRAIL,
    FROZEN_OF_REQUIRE,
    FROZEN_OPTIONAL,
)

HERE = Path(__file__).parent
REFERENCE, TEMPLATE, WORDS = HERE / "reference.md", HERE / "reference.in.md", HERE / "words.yaml"
FROZEN_FIELDS = {
    *(f"spec.{name}" for name in (*FROZEN, *FROZEN_OPTIONAL)),
    *(f"spec.guardrails[].{name}" for name in ("name", "type", *FROZEN_OF_GUARDRAIL)),
    *(f"spec.require.{name}" for name in FROZEN_OF_REQUIRE),
}
Json = dict[str, Any]


def reference() -> str:
    """Return the whole page."""
    root = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec, status = root["properties"]["spec"], root["properties"]["status"]
    words = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    parts = {
        "spec": _table(
            ("field", "type", "default", "meaning"),
            (_asked(path, one, words, must=must) for path, one, must in fields(spec, "spec")),
        ),
        "rules": _table(("on", "message"), rules(root)),
        "status": _table(
            ("field", "type", "meaning"),
            (
                (f"`{path}`", _type(one), _meaning(path, one, words))
                for path, one, _ in fields(status, "status")
            ),
        ),
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    for name, table in parts.items():
        page = page.replace(f"{{{name}}}", table)
    return page


def fields(told: Json, where: str) -> Iterator[tuple[str, Json, bool]]:
    """Yield every field below a part, required ones first: path, schema, whether required."""
    required = told.get("required", ())
    for name, one in sorted(
        told.get("properties", {}).items(), key=lambda item: (item[0] not in required, item[0])
    ):
        path = f"{where}.{name}"
        yield path, one, name in required
        yield from fields(one, path)
        yield from fields(one.get("items", {}), f"{path}[]")


def rules(root: Json) -> Iterator[tuple[str, str]]:
    """Yield where each rule stands and what it says; one that stands on many fields once."""
    found: dict[str, list[str]] = {}
    spec = root["properties"]["spec"]
    parts = [("spec", spec), *((path, one) for path, one, _ in fields(spec, "spec"))]
    for path, one in [*parts, *((f"{path}[]", one.get("items", {})) for path, one in parts)]:
        for rule in one.get("x-kubernetes-validations", ()):
            found.setdefault(rule["message"], []).append(path.removeprefix("spec."))
    for rule in root["x-kubernetes-validations"]:
        found[rule["message"]] = ["the ramp"]
    for message, paths in found.items():
        yield ", ".join(f"`{path}`" if path != "the ramp" else path for path in paths), message


def _asked(path: str, one: Json, words: Json, *, must: bool) -> tuple[str, str, str, str]:
    default = f"`{json.dumps(one['default'])}`" if one.get("default") else ""
    frozen = " *Frozen.*" if path in FROZEN_FIELDS else ""
    meaning = f"{_meaning(path, one, words)}.{frozen}"
    return f"`{path}`", _type(one), "**required**" if must else default, meaning


def _meaning(path: str, one: Json, words: Json) -> str:
    return " ".join((words.get(path) or one.get("description", "")).split())


def _type(one: Json) -> str:
    if "enum" in one:
        return " or ".join(f"`{value}`" for value in one["enum"])
    kind = one["type"]
    if kind == "array":
        return f"list of {_type(one['items'])}, at most {one['maxItems']}"
    if kind == "integer" and {"minimum", "maximum"} <= set(one):
        return f"{one['minimum']} to {one['maximum']}"
    return "instant" if one.get("format") == "date-time" else str(kind)


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
