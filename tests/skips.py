"""What a test needs of the machine: there, or skipped with the reason; in CI it must be there."""

import os
import shutil

import pytest


def needs(program: str) -> str:
    """Return the path of a program; skip the test without it, fail it in CI.

    RAMPGUARD_BINARIES names a folder that is looked at before PATH.
    """
    folder = os.environ.get("RAMPGUARD_BINARIES")
    found = (shutil.which(program, path=folder) if folder else None) or shutil.which(program)
    if found is None:
        why = f"{program} is neither in RAMPGUARD_BINARIES nor on PATH"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return str(found)
