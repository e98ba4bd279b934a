"""Keeps what passes were given and made of it: a folder, or any file system that fsspec knows.

    NAMESPACE_NAME_UID.jsonl.gz          in a folder: a file a ramp, appended to
    NAMESPACE_NAME_UID.000001.jsonl.gz   elsewhere: its parts, one for some minutes

A thread of its own writes. Whatever goes wrong there is told once, and costs records, never a pass.
"""

from rampguard.adapters.records.place import Place
from rampguard.adapters.records.recorder import FlightRecorder

__all__ = ["FlightRecorder", "Place"]
