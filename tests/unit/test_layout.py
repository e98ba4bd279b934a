"""Facts about the tree that a machine can check and a person overlooks."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from skips import missing

ROOT = Path(__file__).parents[2]
THIS = Path(__file__).relative_to(ROOT).as_posix()
MACHINE_PATH = r"(?:^|[^\w.])/(?:work|farm|root|home)/[a-z.]|/tmp/[a-z]+[_.-][a-z]"
REGISTRY = r"https?://[a-z0-9.-]*(?:pypi|npmjs|golang|maven|debian|crates)[a-z.]*/"
UNFINISHED = r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b"
BARE = r"#\s*(?:noqa(?::[\s\w,]+)?|type:\s*ignore(?:\[[\w,-]+\])?|pragma: no \w+)\s*$"


def tracked(*patterns: str) -> list[Path]:
    """Return the files under version control, and those about to be."""
    if not (ROOT / ".git").exists():
        missing("not a clone: the list of files comes from git")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = (ROOT / name for name in listed.splitlines() if name != THIS)
    return [path for path in paths if path.is_file()]


def found(pattern: str, paths: list[Path]) -> list[str]:
    hits = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        name = path.relative_to(ROOT)
        hits += [f"{name}:{n}: {x}" for n, x in enumerate(lines, 1) if re.search(pattern, x)]
    return hits


def test_the_source_root_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_packages_of_the_standard_library_are_found() -> None:
    import operator  # noqa: PLC0415 - what this test is about

    assert operator.add(1, 1) == 2


def test_nothing_is_promised_in_comments() -> None:
    assert found(UNFINISHED, tracked("*.py", "Makefile", "*.yaml", "*.tpl", "*.md", "*.sh")) == []


def test_every_exception_from_a_rule_has_its_reason_beside_it() -> None:
    assert found(BARE, tracked("operator/*.py", "lab/*.py", "examples/*.py")) == []


def test_no_path_of_one_machine_is_in_the_tree() -> None:
    assert found(MACHINE_PATH, tracked("operator", "charts", "tests/*.py", "Makefile")) == []


def test_no_registry_is_named_in_the_tree() -> None:
    assert found(REGISTRY, tracked("operator", "charts", "lab", "Dockerfile", "Makefile")) == []


CAUGHT = {
    "a word": (UNFINISHED, "# TODO: later"),
    "a bare noqa": (BARE, "x = 1  # noqa"),
    "a bare noqa with a code": (BARE, "x = 1  # noqa: E501, S101"),
    "a bare type ignore": (BARE, "x = 1  # type: ignore[arg-type]"),
    "a machine's path": (MACHINE_PATH, "open('/root/x')"),
    "a registry": (REGISTRY, "https:" + "//pypi.org/simple"),
}
LET_THROUGH = {
    "a noqa with a reason": (BARE, "x = 1  # noqa: S101 - a test"),
    "a type ignore with a reason": (BARE, "x = 1  # type: ignore[x]  # their stubs are wrong"),
    "a path of a container": (MACHINE_PATH, "/etc/rampguard/config.yaml"),
}


@pytest.mark.parametrize(("pattern", "line"), CAUGHT.values(), ids=CAUGHT)
def test_the_patterns_above_catch(pattern: str, line: str) -> None:
    assert re.search(pattern, line)


@pytest.mark.parametrize(("pattern", "line"), LET_THROUGH.values(), ids=LET_THROUGH)
def test_the_patterns_above_let_through(pattern: str, line: str) -> None:
    assert not re.search(pattern, line)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        missing(f"{program.name} is not beside {sys.executable}: run `make setup`")
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "operator"), "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_imports_point_inwards() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


BROKEN = {
    "the core asks the time": ("core/model.py", "import time"),
    "the core does I/O": ("core/plan.py", "import asyncio"),
    "an adapter knows another": ("adapters/clock.py", "import rampguard.adapters.telemetry"),
    "the engine knows an adapter": ("engine/__init__.py", "import rampguard.adapters.clock"),
    "a port knows the engine": ("ports.py", "import rampguard.engine"),
    "the command line knows a cluster library": ("cli/__init__.py", "import kubernetes"),
    "an adapter knows kopf": ("adapters/clock.py", "import kopf"),
    "a module without a place": ("helpers.py", "import rampguard.core"),
}


@pytest.mark.parametrize(("module", "line"), BROKEN.values(), ids=BROKEN)
def test_an_import_outwards_fails(module: str, line: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "operator", tmp_path / "operator")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "operator" / "rampguard" / module).open("a", encoding="utf-8") as out:
        out.write(f"\n{line}\n")
    assert lint_imports(tmp_path).returncode == 1


def test_every_fragment_of_news_is_of_a_known_kind() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    kinds = "|".join(kind["directory"] for kind in told["tool"]["towncrier"]["type"])
    names = [path.name for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
    pattern = rf"(?:\d+|\+[\w-]+)\.(?:{kinds})\.md"
    assert [name for name in names if not re.fullmatch(pattern, name)] == []
