"""The lab stands beside the tests, not among what they are given: it is imported from the root."""

import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Let the lab keep everything in a folder of the test's own."""
    from lab import docker, kind, needs, places, programs, steps  # noqa: PLC0415 - found just now

    kept = {"CACHE": tmp_path, "BIN": tmp_path / "bin", "LOGS": tmp_path / "logs"}
    for module in (places, docker, kind, needs, programs, steps):
        for name, path in kept.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, path)
    return tmp_path
