"""What mutants of rampguard.core there are: made by cosmic-ray, less what nobody could mistake."""

import ast
import difflib
import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import MutationVisitor, mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator"
CORE = OPERATOR / "rampguard" / "core"
ARGUED = Path(__file__).parent / "equivalent.toml"

Position = tuple[int, int]
Argument = tuple[str, str, str]


@cache
def argued() -> dict[str, list[dict[str, object]]]:
    return tomllib.loads(ARGUED.read_text(encoding="utf-8"))


@cache
def arguments() -> frozenset[Argument]:
    """Return the changes that equivalent.toml argues: module, lines before, lines after."""
    return frozenset(
        (str(one["module"]), str(before), str(after))
        for one in argued()["equivalent"]
        for before, after in one["changes"]  # type: ignore[attr-defined]
    )


@dataclass(frozen=True, slots=True)
class Mutant:
    """The nth place where an operator of cosmic-ray can change a function or class of a module.

    It is the same one for as long as the digest of that function or class is.
    """

    module: str
    digest: str
    operator: str
    nth: int
    occurrence: int = field(compare=False)  # in the module as it is now
    line: int = field(compare=False)

    @property
    def text(self) -> str:
        """The source of its module, changed."""
        visitor = MutationVisitor(self.occurrence, get_operator(self.operator)())
        told: str = visitor.walk(tree(self.module)).get_code()
        return told

    @property
    def change(self) -> tuple[str, str]:
        """The lines before and after, as equivalent.toml names them."""
        before = source(self.module)
        after = mutate_code(before, get_operator(self.operator)(), self.occurrence)
        lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
        return _marked(lines, "- "), _marked(lines, "+ ")


def _marked(lines: Sequence[str], sign: str) -> str:
    return " ".join(line[2:].strip() for line in lines if line.startswith(sign))


@cache
def modules() -> dict[str, Path]:
    """Return the file of each module, by its dotted name within core."""
    files = (path for path in CORE.rglob("*.py") if path != CORE / "__init__.py")
    return {".".join(_parts(path.relative_to(CORE))): path for path in sorted(files)}


def _parts(path: Path) -> tuple[str, ...]:
    return path.parent.parts if path.stem == "__init__" else path.with_suffix("").parts


@cache
def source(module: str) -> str:
    return modules()[module].read_text(encoding="utf-8")


@cache
def tree(module: str) -> object:
    return get_ast(source(module))


def mutants(module: str) -> Iterator[Mutant]:
    """Yield all mutants of a module but those of excluded operators, and of what only says."""
    nodes, said, digests = list(ast_nodes(tree(module))), list(_said(module)), _digests(module)
    excluded = re.compile("|".join(str(one["operators"]) for one in argued()["excluded"]))
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or excluded.fullmatch(name):
            continue
        places = (at for node in nodes for at, _ in operator().mutation_positions(node))
        so_far = Counter[str]()
        for occurrence, at in enumerate(places):
            digest = digests[at[0]]
            if not any(start <= at < end for start, end in said):
                yield Mutant(module, digest, name, so_far[digest], occurrence, at[0])
            so_far[digest] += 1


def _digests(module: str) -> dict[int, str]:
    """Return for each line the digest of the statement of the module that it is of."""
    lines, digests = source(module).splitlines(), dict[int, str]()
    for node in ast.parse(source(module)).body:
        first = min(
            (one.lineno for one in getattr(node, "decorator_list", ())), default=node.lineno
        )
        whole = range(first, (node.end_lineno or first) + 1)
        text = "\n".join(lines[first - 1 : whole.stop - 1])
        digests |= dict.fromkeys(whole, hashlib.sha256(text.encode()).hexdigest()[:12])
    return digests


def _said(module: str) -> Iterator[tuple[Position, Position]]:
    """Yield where annotations, decorators and a bare * stand: they say much and do nothing."""
    for number, line in enumerate(source(module).splitlines(), 1):
        yield from (((number, m.start()), (number, m.end())) for m in re.finditer(r"\*,", line))
    for node in ast.walk(ast.parse(source(module))):
        told: list[ast.expr | None] = [*getattr(node, "decorator_list", ())]
        told += [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for one in told:
            if one is not None:
                end = (one.end_lineno or 0, one.end_col_offset or 0)
                yield (one.lineno, one.col_offset), end
