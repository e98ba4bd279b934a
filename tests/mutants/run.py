"""Let mutants of rampguard.core meet its unit tests: `make mutants`.

cosmic-ray makes the mutants; its runner would start a new pytest for each, which takes hours.
Here each is a forked child of a process that has pytest imported already: it imports the mutated
core, then the tests that reach the mutated function. Results are kept: a later run repeats the
survivors without an argument, and the mutants of functions changed since. A function whose mutants
were all killed or argued is written down in settled.json, by its digest, and met no more until it
changes (--fresh: all meet again).
"""

import argparse
import gc
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest

from mutants.making import OPERATOR, ROOT, Argument, Mutant, arguments, modules, mutants, source
from mutants.meeting import BUILD, FILES, ITEMS, QUIET, control, meet, reach, tests

RESULTS = BUILD / "results.jsonl"
SETTLED = Path(__file__).parent / "settled.json"
PLUGINS = (
    "pytest_asyncio.plugin",
    "pytest_timeout",
    "pytest_cov.plugin",
)  # those that our settings name

Settled = dict[str, dict[str, list[int]]]  # module -> digest -> mutants killed, mutants argued


class Loop:
    """Lets mutants meet the tests that pytest has collected, in place of running them."""

    def __init__(self, todo: Sequence[Mutant], workers: int) -> None:
        self.todo, self.workers = todo, workers

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        ITEMS.extend(session.items)
        gc.freeze()  # what all children share is not looked through by each
        if code := control():
            sys.exit(f"without a mutant the tests end with {code}, so they can kill none")
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
            if not (survived and FILES):  # some tests may kill a mutant: only all let it live
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
    parser.add_argument(
        "--tests",
        action="append",
        metavar="FILE",
        help="meet these alone, in place, to kill; repeatable",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fresh", action="store_true", help="forget all results first")
    parser.add_argument("--report", action="store_true", help="run nothing, print what is known")
    asked = parser.parse_args()
    os.chdir(ROOT)
    FILES.extend(asked.tests or ())
    if missing := [name for name in FILES if not Path(name.partition("::")[0]).is_file()]:
        parser.error(f"no such file of tests: {', '.join(missing)}")
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
        pytest.main([*QUIET, *tests()], plugins=[Loop(todo, asked.workers)])
    return min(report(every), 1)


if __name__ == "__main__":
    sys.exit(main())
