"""Checks what the machine must have, before anything is made."""

import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.places import CACHE
from lab.steps import LabError

DISK = 12  # GB free for what is built and for images
MEMORY = 4  # GB available for a node with everything in it
PACKAGES = {"mmdebstrap": "mmdebstrap", "gcc": "gcc libc6-dev", "containerd": "containerd"}


def check(needed: Iterable[str]) -> None:
    """Raise a LabError that names everything that is missing, and how to get it."""
    wanting = [*_programs(needed), *_disk(), *_memory()]
    if wanting:
        raise LabError("the lab cannot be made here:\n" + "\n".join(f"  - {w}" for w in wanting))


def check_ports(ports: Iterable[int]) -> None:
    """Raise a LabError that names the ports of 127.0.0.1 that something else listens on."""
    taken = [port for port in ports if not _is_free(port)]
    if taken:
        listed = ", ".join(map(str, taken))
        raise LabError(
            f"something listens on port {listed} of 127.0.0.1: end it,"
            " or move the lab's ports by LAB_PORT_OFFSET=100"
        )


def is_root() -> bool:
    """Say whether we may install packages and start daemons."""
    return os.geteuid() == 0


def _programs(needed: Iterable[str]) -> Iterator[str]:
    for name in needed:
        if shutil.which(name) is None:
            package = PACKAGES.get(name, name)
            yield f"{name} is not installed: apt-get install {package}"


def _disk() -> Iterator[str]:
    CACHE.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(CACHE).free / 1e9
    if free < DISK:
        yield f"{free:.0f} GB are free at {CACHE}: {DISK} GB are needed"


def _memory() -> Iterator[str]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    available = int(told.get("MemAvailable", "0 kB").split()[0]) / 1e6
    if available < MEMORY:
        yield f"{available:.1f} GB of memory are available: {MEMORY} GB are needed"


def _is_free(port: int) -> bool:
    with socket.socket() as asking:
        asking.settimeout(1)
        return asking.connect_ex(("127.0.0.1", port)) != 0
