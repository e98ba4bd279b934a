"""Let mutants of rampguard.core meet its unit tests: `make mutants`.

cosmic-ray makes the mutants; its runner would start a new pytest for each, which takes hours.
Here each is a forked child of a process that has pytest imported already: it imports the mutated
core, then the tests that reach the mutated function. Results are kept: a later run repeats the
survivors without an argument, and the mutants of functions changed since. A function whose mutants
were all killed or argued is written down in settled.json, by its digest, and met no more until it
changes (--fresh: all meet again).
"""

import argparse
import ast
import difflib
import gc
import hashlib
import inspect
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest
from _pytest.runner import runtestprotocol
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import MutationVisitor, mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from coverage import CoverageData

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator"
CORE = OPERATOR / "rampguard" / "core"
TESTS = "tests/unit/core"
BUILD = ROOT / "build" / "mutants"
RESULTS, REACH, REACHED_BY, DURATIONS = (
    BUILD / name for name in ("results.jsonl", "reach", "reached_by", "durations.json")
)
ARGUED = Path(__file__).parent / "equivalent.toml"
SETTLED = Path(__file__).parent / "settled.json"
PLUGINS = (
    "pytest_asyncio.plugin",
    "pytest_timeout",
    "pytest_cov.plugin",
)  # those that our settings name
QUIET = ("-q", "-s", "--tb=no", "--assert=plain", "-p", "no:cacheprovider")
CPU_SECONDS, MEMORY = 60, 2 << 30  # of a child: three times what all tests need
ITEMS: list[pytest.Item] = []  # what pytest collected: children inherit it
MOST_TESTS = 20_000
KILLS = multiprocessing.RawArray("L", MOST_TESTS)  # how often each test was the first to fail
# Simulations run nearly all of core/ for a second each: they need kill only what they are of.
SIMULATOR = {"backtest", "outlook", "remarks", "replays", "trials"}
SIMULATED = {f"{TESTS}/test_{name}.py" for name in ("backtest", "outlook", "replays")}
UNHARMED = {int(pytest.ExitCode.OK), int(pytest.ExitCode.NO_TESTS_COLLECTED)}

Position = tuple[int, int]
Argument = tuple[str, str, str]
Settled = dict[str, dict[str, list[int]]]  # module -> digest -> mutants killed, mutants argued


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
    def change(self) -> tuple[str, str]:
        """The lines before and after, as equivalent.toml names them."""
        before = source(self.module)
        after = mutate_code(before, get_operator(self.operator)(), self.occurrence)
        lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
        return _marked(lines, "- "), _marked(lines, "+ ")


def _marked(lines: Sequence[str], sign: str) -> str:
    return " ".join(line[2:].strip() for line in lines if line.startswith(sign))


# --- mutants -------------------------------------------------------------------------------------


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


# --- tests ---------------------------------------------------------------------------------------


class Mutated(MetaPathFinder, InspectLoader):
    """Imports one module of core from a text, in place of its file."""

    def __init__(self, module: str, text: str) -> None:
        self.name, self.text = f"rampguard.core.{module}", text
        self.package = modules()[module].stem == "__init__"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = spec_from_loader(fullname, self)
        if spec is not None and self.package:
            spec.submodule_search_locations = [str(CORE.joinpath(*fullname.split(".")[2:]))]
        return spec

    def get_source(self, fullname: str) -> str:
        return self.text


class Only:
    """Deselects all tests but some."""

    def __init__(self, tests: frozenset[str]) -> None:
        self.tests = tests

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.tests]


def in_child(run: Callable[[], int], seconds: int = CPU_SECONDS) -> int:
    """Return the exit code of a run in a forked child, without its output; of a signal: -n."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os._exit(run())
    finally:
        os._exit(pytest.ExitCode.INTERNAL_ERROR)


def meet(mutant: Mutant) -> tuple[Mutant, bool]:
    """Let a mutant meet the tests that reach it; tell whether it survives all of them.

    The code of its function, or the value of its constant, is exchanged in what the parent has
    imported; what is neither is imported anew, and its tests with it.
    """
    near, inner = reaching(mutant), _function(mutant)
    if inner:
        change = partial(_exchange_code, mutant, inner)
    elif _is_constant(mutant):
        change = partial(_exchange_constants, mutant)
    else:
        return mutant, in_child(partial(_imported_anew, mutant, near)) in UNHARMED
    came = in_child(partial(_in_place, mutant, change, near))
    if came == pytest.ExitCode.INTERNAL_ERROR:
        raise RuntimeError(f"cannot be made: {mutant}")
    return mutant, came in UNHARMED


def _exchange_code(mutant: Mutant, name: str) -> None:
    code: CodeType = compile(_text(mutant), mutant.module, "exec")
    found: object = import_module(f"rampguard.core.{mutant.module}")
    for part in name.split("."):
        code = next(
            one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == part
        )
        found = inspect.getattr_static(found, part)
    _plain(found).__code__ = code


def _exchange_constants(mutant: Mutant) -> None:
    """Make the mutated statement again, and give its names their values wherever they are."""
    told = ast.parse(_text(mutant))
    told.body = [one for one in told.body if _spans(one, mutant.line)]
    space = vars(import_module(f"rampguard.core.{mutant.module}"))
    before = dict(space)
    exec(compile(told, mutant.module, "exec"), space)  # noqa: S102 - a mutant of our own source
    for name in (name for name in before if before[name] is not space[name]):
        for module in [sys.modules[one] for one in sys.modules if _is_ours(one)]:
            if vars(module).get(name) is before[name]:
                setattr(module, name, space[name])


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _is_constant(mutant: Mutant) -> bool:
    body = ast.parse(source(mutant.module)).body
    return any(_spans(n, mutant.line) and isinstance(n, ast.Assign | ast.AnnAssign) for n in body)


def _in_place(mutant: Mutant, change: Callable[[], None], near: frozenset[str]) -> int:
    """Change what is imported, and run the tests that reach it, deadly ones first."""
    try:
        change()
    except (SyntaxError, ArithmeticError, TypeError, ValueError):  # no such program can be
        return pytest.ExitCode.TESTS_FAILED
    own = f"test_{mutant.module.rpartition('.')[2]}.py"
    order = sorted(
        (number for number, item in enumerate(ITEMS) if item.nodeid in near),
        key=lambda n: (-KILLS[n], ITEMS[n].path.name != own, _duration(ITEMS[n])),
    )
    return _pass(order)


def _plain(found: object) -> FunctionType:
    """Return the function within a property, a class method or a cache."""
    while not isinstance(found, FunctionType):
        names = (n for n in ("fget", "func", "__wrapped__", "__func__") if hasattr(found, n))
        found = getattr(found, next(names))
    return found


def _pass(order: Sequence[int]) -> int:
    for number, following in zip(order, [*order[1:], None], strict=True):
        item, after = ITEMS[number], None if following is None else ITEMS[following]
        signal.setitimer(signal.ITIMER_PROF, 1 + 5 * _duration(item))  # its signal ends us
        told = runtestprotocol(item, log=False, nextitem=after)
        if any(one.failed for one in told):
            KILLS[number] += 1
            return pytest.ExitCode.TESTS_FAILED
    return pytest.ExitCode.OK


def _duration(item: pytest.Item) -> float:
    return durations().get(item.nodeid, 1.0)


def _text(mutant: Mutant) -> str:
    visitor = MutationVisitor(mutant.occurrence, get_operator(mutant.operator)())
    text: str = visitor.walk(tree(mutant.module)).get_code()
    return text


def _imported_anew(mutant: Mutant, near: frozenset[str]) -> int:
    for name in [name for name in sys.modules if _is_ours(name)]:
        del sys.modules[name]
    sys.meta_path.insert(0, Mutated(mutant.module, _text(mutant)))
    import_module(f"rampguard.core.{mutant.module}")
    files = sorted({test.partition("::")[0] for test in near})
    own = f"{TESTS}/test_{mutant.module.rpartition('.')[2]}.py"
    files.sort(key=own.__ne__)
    return pytest.main([*QUIET, "-x", *files], plugins=[Only(near)])


def _is_ours(name: str) -> bool:
    """Say whether a module comes from this repository, and may have taken something of core."""
    told = getattr(sys.modules[name], "__file__", None) or ""
    return name != "__main__" and told.startswith((f"{ROOT}/operator", f"{ROOT}/tests"))


class Timed:
    """Writes down how long each test takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        DURATIONS.write_text(json.dumps(self.seconds), encoding="utf-8")


@cache
def durations() -> dict[str, float]:
    """Return the seconds that each test takes, with coverage measured: more than it needs."""
    told: dict[str, float] = json.loads(DURATIONS.read_text(encoding="utf-8"))
    return told


@cache
def reach() -> dict[str, dict[int, frozenset[str]]]:
    """Return for each line of each module the tests that run it; all must pass."""
    now = _state_of_all()
    if not REACHED_BY.exists() or REACHED_BY.read_text(encoding="utf-8") != now:
        os.environ["COVERAGE_FILE"] = str(REACH)
        cov = ("--cov=rampguard.core", "--cov-context=test", "--cov-report=")
        tests = partial(pytest.main, [*QUIET, *cov, TESTS], plugins=[Timed()])
        if code := in_child(tests, 10 * CPU_SECONDS):
            sys.exit(f"the tests must pass before mutants meet them: {TESTS} ended with {code}")
        REACHED_BY.write_text(now, encoding="utf-8")
    data = CoverageData(str(REACH))
    data.read()
    names = {str(path): name for name, path in modules().items()}
    known = (file for file in data.measured_files() if file in names)
    return {names[file]: _tests_by_line(data, file) for file in known}


def _state_of_all() -> str:
    """Return what changes with any file of the operator or of the tests."""
    files = sorted(
        (*OPERATOR.rglob("*.py"), *(ROOT / "tests").glob("*.py"), *(ROOT / TESTS).glob("*.py"))
    )
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _tests_by_line(data: CoverageData, file: str) -> dict[int, frozenset[str]]:
    by_line = data.contexts_by_lineno(file)
    return {
        line: frozenset(test for one in contexts if (test := one.rpartition("|")[0]))
        for line, contexts in by_line.items()
    }


def reaching(mutant: Mutant) -> frozenset[str]:
    """Return the tests that run the mutated function; of what is none: that run the module."""
    lines = reach().get(mutant.module, {})
    spans = (span for span in _bodies(mutant.module) if mutant.line in span)
    near = frozenset[str]().union(*(lines.get(line, ()) for line in next(spans, lines)))
    quick = frozenset(test for test in near if test.partition("::")[0] not in SIMULATED)
    return quick if quick and mutant.module not in SIMULATOR else near


def _function(mutant: Mutant) -> str:
    """Return the dotted name of the outermost function whose body a mutant changes, or ""."""
    spans = _bodies(mutant.module)
    return next((name for span, name in spans.items() if mutant.line in span), "")


@cache
def _bodies(module: str) -> dict[range, str]:
    """Return the lines of the body of each function that is not within another one."""
    bodies = dict[range, str]()
    for node in ast.parse(source(module)).body:
        within = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for one in within:
            if isinstance(one, ast.FunctionDef):
                lines = range(one.body[0].lineno, (one.end_lineno or 0) + 1)
                bodies[lines] = f"{prefix}{one.name}"
    return bodies


# --- the run -------------------------------------------------------------------------------------


class Loop:
    """Lets mutants meet the tests that pytest has collected, in place of running them."""

    def __init__(self, todo: Sequence[Mutant], workers: int) -> None:
        self.todo, self.workers = todo, workers

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        ITEMS.extend(session.items)
        gc.freeze()  # what all children share is not looked through by each
        run(self.todo, self.workers)
        return True


def run(todo: Sequence[Mutant], workers: int) -> None:
    """Let mutants meet the tests, and keep what comes of each."""
    began, survivors = time.monotonic(), 0
    with (
        RESULTS.open("a", encoding="utf-8") as results,
        multiprocessing.get_context("fork").Pool(workers) as pool,
    ):
        for count, (mutant, survived) in enumerate(pool.imap_unordered(meet, todo), 1):
            results.write(json.dumps(asdict(mutant) | {"survived": survived}) + "\n")
            results.flush()
            survivors += survived
            if sys.stdout.isatty() or count % 100 == 0 or count == len(todo):
                each = (time.monotonic() - began) / count
                print(
                    f"{count} of {len(todo)} mutants, {survivors} alive, {each:.2f} s each",
                    end="\r" if sys.stdout.isatty() else "\n",
                    flush=True,
                )
    print()


def known() -> dict[Mutant, bool]:
    """Return of each mutant that met the tests whether it survived."""
    if not RESULTS.exists():
        return {}
    lines = map(json.loads, RESULTS.read_text(encoding="utf-8").splitlines())
    return {Mutant(**line): survived for line in lines for survived in (line.pop("survived"),)}


def settled() -> Settled:
    """Return of each function whose mutants were all killed or argued how many were."""
    told: Settled = json.loads(SETTLED.read_text(encoding="utf-8")) if SETTLED.exists() else {}
    return told


def open_ones(every: dict[str, list[Mutant]]) -> list[Mutant]:
    """Return the mutants that never met the tests, then the survivors without an argument."""
    results, done = known(), settled()
    still_open = [
        mutant
        for module, some in every.items()
        for mutant in some
        if mutant.digest not in done.get(module, {})
        and results.get(mutant, True)
        and (mutant not in results or (module, *mutant.change) not in arguments())
    ]
    return sorted(still_open, key=results.__contains__)


def settle(every: dict[str, list[Mutant]]) -> Settled:
    """Write down whose mutants are all killed or argued now, and forget what has changed."""
    results, done = known(), settled()
    for module, some in every.items():
        before, now = done.get(module, {}), dict[str, list[int]]()
        for digest, group in _by_digest(some).items():
            alive = [one for one in group if results.get(one, True)]
            if digest in before:
                now[digest] = before[digest]
            elif all(one in results and (module, *one.change) in arguments() for one in alive):
                now[digest] = [len(group) - len(alive), len(alive)]
        done[module] = now
    kept = {module: dict(sorted(done[module].items())) for module in sorted(done) if done[module]}
    lines = json.dumps(kept, indent=1).replace("[\n   ", "[").replace(",\n   ", ", ")
    SETTLED.write_text(lines.replace("\n  ]", "]") + "\n", encoding="utf-8")
    return kept


def _by_digest(some: Sequence[Mutant]) -> dict[str, list[Mutant]]:
    groups = dict[str, list[Mutant]]()
    for mutant in some:
        groups.setdefault(mutant.digest, []).append(mutant)
    return groups


def report(every: dict[str, list[Mutant]]) -> int:
    """Print what survived without an argument, and arguments that no survivor needs."""
    results, done, open_questions = known(), settle(every), 0
    table, needless = [], set[Argument]()
    for module, some in every.items():
        count = Counter[str](mutants=len(some))
        for killed, argued_for in done.get(module, {}).values():
            count.update(killed=killed, argued=argued_for)
        for mutant in some:
            if mutant.digest in done.get(module, {}):
                continue
            if mutant not in results:
                count["unmet"] += 1
                continue
            if not results[mutant]:
                count["killed"] += 1
                needless |= {(module, *mutant.change)} if _is_suspect(mutant) else set()
            elif (module, *mutant.change) in arguments():
                count["argued"] += 1
            else:
                count["unexplained"] += 1
                before, after = mutant.change
                print(f"\n{_shown(module)}:{mutant.line}  {mutant.operator.removeprefix('core/')}")
                print(f"- {before}\n+ {after}")
        table.append((module, count))
        open_questions += count["unexplained"]
    needless &= arguments()
    stale = sorted(needless | {one for one in arguments() if one[0] in every and _is_gone(one)})
    for module, before, after in stale:
        print(f"\nargued, but killed or gone: {_shown(module)}\n- {before}\n+ {after}")
    columns = ("mutants", "killed", "argued", "unexplained", "unmet")
    print(f"\n{'module':>26}" + "".join(f"{head:>14}" for head in columns))
    total = Counter[str]()
    for module, count in table:
        total += count
        print(f"{module:>26}" + "".join(f"{count[column]:>14}" for column in columns))
    print(f"{'all':>26}" + "".join(f"{total[column]:>14}" for column in columns))
    return open_questions + len(stale)


def _is_suspect(mutant: Mutant) -> bool:
    """Say whether an argument may be about a mutant: to make its change takes a while."""
    line = source(mutant.module).splitlines()[mutant.line - 1].strip()
    return any(module == mutant.module and line in before for module, before, _ in arguments())


def _is_gone(argument: Argument) -> bool:
    """Say whether the lines that an argument is about stand in its module no more."""
    module, before, _ = argument
    return before not in " ".join(line.strip() for line in source(module).splitlines())


def _shown(module: str) -> str:
    return str(modules()[module].relative_to(ROOT))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--module", action="append", choices=[*modules()], help="only this; repeatable"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fresh", action="store_true", help="forget all results first")
    parser.add_argument("--report", action="store_true", help="run nothing, print what is known")
    asked = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(OPERATOR))
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": ",".join(PLUGINS)}
    for plugin in PLUGINS:
        import_module(plugin)
    BUILD.mkdir(parents=True, exist_ok=True)
    if asked.fresh:
        RESULTS.unlink(missing_ok=True)
        SETTLED.unlink(missing_ok=True)
    every = {module: list(mutants(module)) for module in asked.module or modules()}
    if not asked.report and (todo := open_ones(every)):
        reach()
        pytest.main([*QUIET, TESTS], plugins=[Loop(todo, asked.workers)])
    return min(report(every), 1)


if __name__ == "__main__":
    sys.exit(main())
