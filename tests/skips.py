"""What a test needs of the machine: there, or skipped with the reason; in CI it must be there."""

import os
import shutil
from typing import NoReturn

import pytest


def missing(why: str) -> NoReturn:
    """Skip the test with the reason; in CI fail it."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def needs(program: str) -> str:
    """Return the path of a program; without it the test is skipped, in CI failed.

    RAMPGUARD_BINARIES names a folder that is looked at before PATH.
    """
    folder = os.environ.get("RAMPGUARD_BINARIES")
    found = (shutil.which(program, path=folder) if folder else None) or shutil.which(program)
    return found or missing(f"{program} is neither in RAMPGUARD_BINARIES nor on PATH")
