"""How a mutant meets the tests: in a forked child, in what the parent has imported already."""

import ast
import hashlib
import inspect
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest
from _pytest.runner import runtestprotocol
from coverage import CoverageData

from mutants.making import CORE, OPERATOR, ROOT, Mutant, modules, source

TESTS = "tests/unit/core"
BUILD = ROOT / "build" / "mutants"
FILES: list[str] = []  # the only test files that mutants meet; none: all
QUIET = ("-q", "-s", "--tb=no", "--assert=plain", "-p", "no:cacheprovider")
CPU_SECONDS, MEMORY = 60, 2 << 30  # of a child: three times what all tests need
ITEMS: list[pytest.Item] = []  # what pytest collected: children inherit it
MOST_TESTS = 20_000
KILLS = multiprocessing.RawArray("L", MOST_TESTS)  # how often each test was the first to fail
# Simulations run nearly all of core/ for a second each: they need kill only what they are of.
SIMULATOR = {"backtest", "outlook", "remarks", "replays", "trials"}
SIMULATED = {f"{TESTS}/test_{name}.py" for name in ("backtest", "outlook", "replays")}
UNHARMED = {int(pytest.ExitCode.OK), int(pytest.ExitCode.NO_TESTS_COLLECTED)}


class NoProgramError(Exception):
    """What a mutant makes cannot even be imported."""


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
    imported. What is neither, and what survives that, is imported anew, and its tests with it:
    they may have computed a table while they were imported.
    """
    near, inner = reaching(mutant), _function(mutant)
    if not (inner or _is_constant(mutant)):
        return mutant, _survives_anew(mutant, near)
    change = (
        partial(_exchange_code, mutant, inner) if inner else partial(_exchange_constants, mutant)
    )
    came = in_child(partial(_in_place, mutant, change, near))
    if came == pytest.ExitCode.INTERNAL_ERROR:
        raise RuntimeError(f"cannot be made: {mutant}")
    return mutant, came in UNHARMED and (bool(FILES) or _survives_anew(mutant, near))


def _survives_anew(mutant: Mutant, near: frozenset[str]) -> bool:
    files = _importers(mutant.module) - (SIMULATED if mutant.module not in SIMULATOR else set())
    near |= {test for test in durations() if _file(test) in files}
    return in_child(partial(_imported_anew, mutant, near)) in UNHARMED


@cache
def _importers(module: str) -> frozenset[str]:
    """Return the test files that import from a module: what they compute then reaches it too."""
    first, _, last = module.partition(".")
    named = re.compile(
        rf"rampguard\.core\.{first}\b|from rampguard\.core import .*\b{last or first}\b"
    )
    files = {_file(test) for test in durations()}
    return frozenset(file for file in files if named.search((ROOT / file).read_text("utf-8")))


def control() -> int:
    """Run all tests as mutants meet them, without one: 0, or nothing that they say is true."""
    return in_child(partial(_pass, sorted(range(len(ITEMS)), key=_cost)), 10 * CPU_SECONDS)


def _exchange_code(mutant: Mutant, name: str) -> None:
    try:
        code: CodeType = compile(mutant.text, mutant.module, "exec")
    except SyntaxError as error:  # `**some` in a call or a dictionary, changed to another sign
        raise NoProgramError from error
    found: object = import_module(f"rampguard.core.{mutant.module}")
    for part in name.split("."):
        code = next(
            one for one in code.co_consts if isinstance(one, CodeType) and one.co_name == part
        )
        found = inspect.getattr_static(found, part)
    _plain(found).__code__ = code
    _forget()


def _forget() -> None:
    """Let nothing stand that a mutated function, or one that calls it, told before."""
    for name in [name for name in sys.modules if _is_ours(name)]:
        for one in vars(sys.modules[name]).values():
            if callable(forget := getattr(one, "cache_clear", None)):
                forget()


def _exchange_constants(mutant: Mutant) -> None:
    """Make the mutated statement again, and give its names their values wherever they are."""
    space = vars(import_module(f"rampguard.core.{mutant.module}"))
    before = dict(space)
    try:
        told = ast.parse(mutant.text)
        told.body = [one for one in told.body if _spans(one, mutant.line)]
        exec(compile(told, mutant.module, "exec"), space)  # noqa: S102 - a mutant of our own source
    except Exception as error:
        raise NoProgramError from error
    for name in (name for name in before if before[name] is not space[name]):
        for module in [sys.modules[one] for one in sys.modules if _is_ours(one)]:
            if vars(module).get(name) is before[name]:
                setattr(module, name, space[name])
    _forget()


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _is_constant(mutant: Mutant) -> bool:
    body = ast.parse(source(mutant.module)).body
    return any(_spans(n, mutant.line) and isinstance(n, ast.Assign | ast.AnnAssign) for n in body)


def _in_place(mutant: Mutant, change: Callable[[], None], near: frozenset[str]) -> int:
    """Change what is imported, and run the tests that reach it, deadly ones first."""
    try:
        change()
    except NoProgramError:
        return pytest.ExitCode.TESTS_FAILED
    own = _own_file(mutant)
    order = sorted(
        (number for number, item in enumerate(ITEMS) if item.nodeid in near),
        key=lambda n: (-KILLS[n], _file(ITEMS[n].nodeid) != own, _cost(n)),
    )
    return _pass(order)


def _plain(found: object) -> FunctionType:
    """Return the function within a property, a class method or a cache."""
    while not isinstance(found, FunctionType):
        names = (n for n in ("fget", "func", "__wrapped__", "__func__") if hasattr(found, n))
        found = getattr(found, next(names))
    return found


def _pass(order: Sequence[int]) -> int:
    for number, following in zip(order, [*order, None][1:], strict=True):
        item, after = ITEMS[number], None if following is None else ITEMS[following]
        signal.setitimer(signal.ITIMER_PROF, 1 + 5 * _cost(number))  # its signal ends us
        told = runtestprotocol(item, log=False, nextitem=after)
        if any(one.failed for one in told):
            KILLS[number] += 1
            return pytest.ExitCode.TESTS_FAILED
    return pytest.ExitCode.OK


def _cost(number: int) -> float:
    return durations().get(ITEMS[number].nodeid, 1.0)


def _imported_anew(mutant: Mutant, near: frozenset[str]) -> int:
    for name in [name for name in sys.modules if _is_ours(name)]:
        del sys.modules[name]
    sys.meta_path.insert(0, Mutated(mutant.module, mutant.text))
    import_module(f"rampguard.core.{mutant.module}")
    files = sorted(set(map(_file, near)), key=_own_file(mutant).__ne__)
    return pytest.main([*QUIET, "-x", *files], plugins=[Only(near)])


def _is_ours(name: str) -> bool:
    """Say whether a module comes from this repository, and may have taken something of core."""
    told = getattr(sys.modules[name], "__file__", None) or ""
    ours = told.startswith((f"{ROOT}/operator", f"{ROOT}/tests"))
    return ours and not told.startswith(f"{ROOT}/tests/mutants")


class Timed:
    """Writes down how long each test takes, and lets each run what is cached anew."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def pytest_runtest_setup(self) -> None:
        _forget()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        _kept("durations.json").write_text(json.dumps(self.seconds), encoding="utf-8")


@cache
def durations() -> dict[str, float]:
    """Return the seconds that each test takes, with coverage measured: more than it needs."""
    told: dict[str, float] = json.loads(_kept("durations.json").read_text(encoding="utf-8"))
    return told


@cache
def reach() -> dict[str, dict[int, frozenset[str]]]:
    """Return for each line of each module the tests that run it; all must pass."""
    now, reached_by = _state_of_all(), _kept("reached_by")
    if not reached_by.exists() or reached_by.read_text(encoding="utf-8") != now:
        os.environ["COVERAGE_FILE"] = str(_kept("reach"))
        cov = ("--cov=rampguard.core", "--cov-context=test", "--cov-report=")
        timed = partial(pytest.main, [*QUIET, *cov, *tests()], plugins=[Timed()])
        if code := in_child(timed, 10 * CPU_SECONDS):
            sys.exit(f"the tests must pass before mutants meet them: they ended with {code}")
        reached_by.write_text(now, encoding="utf-8")
    data = CoverageData(str(_kept("reach")))
    data.read()
    names = {str(path): name for name, path in modules().items()}
    known = (file for file in data.measured_files() if file in names)
    return {names[file]: _tests_by_line(data, file) for file in known}


def tests() -> list[str]:
    """Return where the tests are that mutants meet."""
    return FILES or [TESTS]


def _kept(name: str) -> Path:
    """Return where something that we know of these tests is kept."""
    return BUILD / (f"{name}-of-some" if FILES else name)


def _state_of_all() -> str:
    """Return what changes with any file of the operator or of the tests."""
    files = sorted(
        (*OPERATOR.rglob("*.py"), *(ROOT / "tests").glob("*.py"), *(ROOT / TESTS).glob("*.py"))
    )
    texts = (*(file.read_bytes() for file in files), *(name.encode() for name in FILES))
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _tests_by_line(data: CoverageData, file: str) -> dict[int, frozenset[str]]:
    by_line = data.contexts_by_lineno(file)
    return {
        line: frozenset(test for one in contexts if (test := one.rpartition("|")[0]))
        for line, contexts in by_line.items()
    }


def reaching(mutant: Mutant) -> frozenset[str]:
    """Return the tests that run the mutated function; of what is none: of its module."""
    lines = reach().get(mutant.module, {})
    span = next((span for span in _bodies(mutant.module) if mutant.line in span), None)
    near = frozenset[str]().union(*(lines.get(line, ()) for line in span or lines))
    quick = frozenset(test for test in near if _file(test) not in SIMULATED)
    return quick if quick and mutant.module not in SIMULATOR else near


def _file(test: str) -> str:
    return test.partition("::")[0]


def _own_file(mutant: Mutant) -> str:
    return f"{TESTS}/test_{mutant.module.rpartition('.')[2]}.py"


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
