"""How long `kubectl ramp` takes to start, beside an empty Python; prints a table.

    .venv/bin/python benchmarks/bench_cli_start.py [runs]

`list` asks a kubectl that is a shell script here: it answers at once, so that what is measured is
ours.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FAKE = """#!/bin/sh
echo '{"items": []}'
"""


def main(runs: int) -> None:
    program = str(Path(sys.executable).with_name("kubectl-ramp"))
    with tempfile.TemporaryDirectory() as folder:
        fake = Path(folder) / "kubectl"
        fake.write_text(FAKE)
        fake.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "kubectl-ramp version --client": [program, "version", "--client"],
            "kubectl-ramp --help": [program, "--help"],
            "kubectl-ramp list": [program, "list"],
            "kubectl-ramp lint -f FILE": [program, "lint", "-f", "examples/ramps/minimal.yaml"],
        }
        print(f"{'command':<32}{'median':>10}{'slowest':>10}   of {runs} runs")
        for name, command in commands.items():
            show(name, command, environment, runs)


def show(name: str, command: list[str], environment: dict[str, str], runs: int) -> None:
    """Print a row."""
    times = sorted(once(command, environment) for _ in range(runs))
    median = statistics.median(times)
    print(f"{name:<32}{median:>7.0f} ms{times[-1]:>7.0f} ms")


def once(command: list[str], environment: dict[str, str]) -> float:
    """Return the milliseconds that one run takes."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
