"""What the lab is made of, by version, and where its parts are kept."""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "lab"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rampguard"
BIN = CACHE / "bin"
LOGS = CACHE / "logs"

KUBERNETES = "v1.34.4"  # the last whose kubelet takes cgroup v1 and containerd 1.6
ETCD = "v3.6.5"
COREDNS = "v1.12.1"
KIND = "v0.33.0"
HELM = "v3.22.0"
PROMETHEUS = "v3.7.3"  # where a registry is reached; else the distribution's
PYTHON = "3.13-slim"
SUITE = "bookworm"  # of Debian, for everything that is made from packages

NAME = os.environ.get("LAB_NAME", "rampguard")
CONTEXT = f"kind-{NAME}"
NODE = f"{NAME}-control-plane"
OFFSET = int(os.environ.get("LAB_PORT_OFFSET", "0"))
PORTS = {  # on 127.0.0.1: what answers, and the NodePort that it leads to
    "Prometheus": (30090 + OFFSET, 30090),
    "example API": (30080 + OFFSET, 30080),
    "traffic knobs": (30085 + OFFSET, 30085),
}


def digest(*paths: Path) -> str:
    """Return a short digest of files and folders by what they hold; names count as well."""
    summed = hashlib.sha256()
    for path in sorted(f for p in paths for f in ([p] if p.is_file() else p.rglob("*"))):
        if path.is_file() and "__pycache__" not in path.parts:
            summed.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode & 0o111:o}\0".encode())
            summed.update(path.read_bytes())
    return summed.hexdigest()[:12]
