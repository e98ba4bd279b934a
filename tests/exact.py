"""The exact vectors of the statistics, one list of rows for each kind."""

import json
import math
from pathlib import Path

import pytest

VECTORS = json.loads((Path(__file__).parent / "vectors/guardrails.json").read_text())
GRIDS = {name: tuple(effects) for name, effects in VECTORS["grids"].items()}


def rows(kind: str):
    """Run a test once for each row."""
    return pytest.mark.parametrize("row", VECTORS[kind], ids=lambda row: row["id"])


def close(value: float | None, rel: float = 1e-6) -> object:
    """Return what equals a number of the vectors; None is no evidence."""
    return -math.inf if value is None else pytest.approx(value, rel=rel)
