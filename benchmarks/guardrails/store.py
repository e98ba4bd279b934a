"""What was measured, one line each, so that an interrupted run goes on where it was."""

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

RESULTS = Path(__file__).with_name("results.jsonl")
VERSIONS = {
    "python": ".".join(platform.python_version_tuple()[:2]),
    "numpy": np.__version__,
    "numba": numba.__version__,
}
KEY = ("part", "cell", "runs", "seed", "config", "versions")


@dataclass(frozen=True, slots=True)
class Store:
    """A file that only grows; of two lines of one cell the later with more runs counts."""

    path: Path = RESULTS

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what is written, oldest first."""
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)

    def has(self, cell: dict[str, Any]) -> bool:
        """Return whether exactly this was measured, with these versions."""
        wanted = cell | {"versions": VERSIONS}
        return any(all(one[k] == wanted[k] for k in KEY) for one in self.lines())

    def add(self, cell: dict[str, Any], figures: dict[str, Any], took: float) -> None:
        """Append what a cell has shown."""
        line = cell | {"versions": VERSIONS, "took_s": round(took, 1), "figures": figures}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def best(self, part: str) -> dict[str, dict[str, Any]]:
        """Return the line with the most runs of each cell of a part."""
        told: dict[str, dict[str, Any]] = {}
        for line in self.lines():
            known = told.get(line["cell"])
            if line["part"] == part and (known is None or line["runs"] >= known["runs"]):
                told[line["cell"]] = line
        return told
