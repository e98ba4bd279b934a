"""`lint -f`: manifests against schema and rules, without a cluster, in the API server's words."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from rampguard.api.raw import items, part, text
from rampguard.api.v1alpha1 import GROUP, KIND, to_ask
from rampguard.cli.exits import Exit, Told
from rampguard.cli.text import crop, safe
from rampguard.ports import InvalidSpec

LARGEST = 3 * 2**20  # bytes: the API server takes no more
LONGEST_NAME = 63
LONGEST = 1000  # columns of a line
ENDINGS = {".yaml", ".yml", ".json"}


class _Strict(yaml.SafeLoader):
    """Reads YAML as kubectl does: no key twice, and dates stay text."""


def _mapping(loader: _Strict, node: yaml.MappingNode, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - yaml's signature
    seen = set[str]()
    for key, _ in node.value:
        if key.value in seen:
            problem = f"key {safe(str(key.value))!r} stands twice"
            raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
        if isinstance(key.value, str):
            seen.add(key.value)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=deep)


def _whole_mapping(loader: _Strict, node: yaml.MappingNode) -> Any:
    return _mapping(loader, node, deep=True)


_Strict.add_constructor("tag:yaml.org,2002:map", _whole_mapping)
_Strict.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Checked:
    """One ramp of a file; mistakes: none where it is valid."""

    where: str
    name: str
    mistakes: tuple[str, ...]


def lint(names: tuple[str, ...]) -> Exit:
    """Check all ramps of some files, folders and standard input; REFUSED if one is wrong."""
    results = [one for name in names for one in _checked(name)]
    for one in results:
        for mistake in one.mistakes:
            click.echo(crop(f"{one.where}: {one.name}: {safe(mistake)}", LONGEST))
        if not one.mistakes:
            click.echo(crop(f"{one.where}: {one.name}: ok", LONGEST))
    wrong = sum(bool(one.mistakes) for one in results)
    if not results:
        raise Told(f"there is no {KIND} in {', '.join(names)}", Exit.REFUSED)
    if wrong:
        click.echo(f"{wrong} of {len(results)} ramps would be refused", err=True)
    return Exit.REFUSED if wrong else Exit.DONE


def mistakes_of(document: Any) -> Iterator[str]:
    """Yield what is wrong with one ramp; nothing where the API server would take it."""
    meta = part(document, "metadata")
    name = text(meta.get("name"))
    if not name and not text(meta.get("generateName")):
        yield "metadata.name: required"
    elif len(name) > LONGEST_NAME:
        yield "the name of a ramp may have at most 63 characters"
    yield from _repeated(document)
    try:
        to_ask(document)
    except InvalidSpec as error:
        yield from re.split(r"; (?=spec\b)", str(error))


def _repeated(document: Any) -> Iterator[str]:
    """Yield keys that stand twice in a list; the API server alone knows these lists as maps."""
    spec = part(document, "spec")
    for field in ("targets", "guardrails"):
        names = [text(one.get("name")) for one in items(spec.get(field))]
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield f"spec.{field}: Duplicate value: {name}"


def ramps_of(name: str) -> Iterator[tuple[str, Any]]:
    """Yield each ramp of a file, a folder or standard input with where it stands.

    A YAMLError or a RecursionError: it is not YAML.
    """
    for path, written in _read(name):
        for line, document in _documents(written):
            for one in _ramps(document):
                yield f"{path}:{line}", one


def _checked(name: str) -> Iterator[Checked]:
    for path, written in _read(name):
        try:
            for line, document in _documents(written):
                for one in _ramps(document):
                    known = safe(part(one, "metadata").get("name")) or "without a name"
                    yield Checked(f"{path}:{line}", known, tuple(mistakes_of(one)))
        except yaml.MarkedYAMLError as error:
            at = (error.problem_mark.line + 1) if error.problem_mark else 1
            yield Checked(f"{path}:{at}", "not YAML", (error.problem or "cannot be read",))
        except (yaml.YAMLError, RecursionError) as error:
            yield Checked(path, "not YAML", (str(error) or "nested too deeply",))


def _read(name: str) -> Iterator[tuple[str, bytes]]:
    if name == "-":
        yield "standard input", _bounded("standard input", sys.stdin.buffer.read(LARGEST + 1))
        return
    path = Path(name)
    try:
        found = (
            sorted(one for one in path.iterdir() if one.suffix in ENDINGS)
            if path.is_dir()
            else [path]
        )
        for one in found:
            with one.open("rb") as file:
                yield safe(str(one)), _bounded(str(one), file.read(LARGEST + 1))
    except OSError as error:
        raise Told(f"cannot read {safe(name)}: {error.strerror}", Exit.UNREACHED) from error


def _bounded(name: str, written: bytes) -> bytes:
    if len(written) > LARGEST:
        raise Told(f"{safe(name)} is larger than 3 MiB; the API server takes no such manifest",
                   Exit.REFUSED)  # fmt: skip
    return written


def _documents(written: bytes) -> Iterator[tuple[int, Any]]:
    """Yield each document with the line on which it begins."""
    loader = _Strict(written)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield node.start_mark.line + 1, loader.construct_document(node)
    finally:
        loader.dispose()


def _ramps(document: Any) -> Iterator[Any]:
    """Yield the ramps of a document: itself, or those of a list; other kinds are not ours."""
    kind = text(part(document).get("kind"))
    if kind in {"List", f"{KIND}List"}:
        for one in items(document.get("items")):
            yield from _ramps(one)
    elif kind == KIND or text(part(document).get("apiVersion")).startswith(f"{GROUP}/"):
        yield document
