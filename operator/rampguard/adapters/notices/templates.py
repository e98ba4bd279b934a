"""Titles and bodies: Jinja2 in its sandbox, a team's templates before ours.

For a notice of a kind and a format, the first that there is:

    KIND.title.j2     title.j2
    KIND.FORMAT.j2    body.FORMAT.j2      FORMAT: text, markdown, html
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    TemplatesNotFound,
)
from jinja2.sandbox import SandboxedEnvironment

LONGEST_TITLE, LONGEST_BODY = 250, 20_000  # characters
LONGEST_REMARK = 200
Facts = Mapping[str, Any]
Told = tuple[str, str]  # a text, and why it is not the team's: empty where nothing is wrong


class Templates:
    """Ours, and before them those of a team's folder, which may extend `default/...`."""

    def __init__(self, folder: Path) -> None:
        ours = PackageLoader("rampguard.adapters.notices", "templates")
        self._ours = _environment(ours)
        self._teams = _environment(
            ChoiceLoader([FileSystemLoader(folder), PrefixLoader({"default": ours})])
        )

    def title(self, kind: str, facts: Facts) -> Told:
        """Return a title of one line."""
        text, broken = self._rendered([f"{kind}.title.j2", "title.j2"], facts)
        return " ".join(text.split())[:LONGEST_TITLE], broken

    def body(self, kind: str, form: str, facts: Facts) -> Told:
        """Return a body in a format; facts with `remark`, what is wrong so far."""
        return self._rendered([f"{kind}.{form}.j2", f"body.{form}.j2"], facts)

    def _rendered(self, names: list[str], facts: Facts) -> Told:
        broken = ""
        try:
            return _text(self._teams, names, facts), ""
        except TemplatesNotFound:
            pass
        except Exception as error:  # noqa: BLE001 - a team's template runs code of its own; said, and ours is used
            words = " ".join(f"{type(error).__name__}: {error}".split())
            broken = f"the template for {names[0]} is broken: {words}"[:LONGEST_REMARK]
        told = [one for one in (facts.get("remark"), broken) if one]
        return _text(self._ours, names[1:], {**facts, "remark": "; ".join(told)}), broken


def _environment(loader: BaseLoader) -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=loader,
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(environment: SandboxedEnvironment, names: list[str], facts: Facts) -> str:
    return environment.select_template(names).render(facts).strip()[:LONGEST_BODY]
