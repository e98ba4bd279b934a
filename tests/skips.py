"""What a test needs of the machine: there, or skipped with the reason; in CI it must be there."""

import os
import shutil

import pytest


def needs(program: str) -> str:
    """Return the path of a program; skip the test without it, fail it in CI."""
    found = shutil.which(program)
    if found is None:
        why = f"{program} is not on PATH"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return str(found)
