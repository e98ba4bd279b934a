"""Docker: found or started, and asked what it has."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from lab.needs import is_root
from lab.places import CACHE, HERE, LOGS
from lab.steps import LabError, ask, environment, run, say

SYS_RESOURCE = 24  # the bit of the capability in CapBnd
PID = Path("/var/run/docker.pid")
PACKAGES = ("docker.io", "containerd", "runc", "iptables", "mmdebstrap")
NODE_IN_REGISTRY = "kindest/node:v1.34.0"  # asked for to see whether a registry is reached


def answers() -> bool:
    """Say whether the daemon answers."""
    return ask("docker", "version", "--format", "{{.Server.Version}}", limit=20) is not None


def reaches_registry() -> bool:
    """Say whether an image registry is reached, by asking for a manifest."""
    return ask("docker", "manifest", "inspect", NODE_IN_REGISTRY, limit=20) is not None


def ensure() -> None:
    """Make the daemon answer: install and start it where we may; else say what to do."""
    if answers():
        return
    if not is_root():
        raise LabError("Docker does not answer: start it, or be in the group docker")
    if shutil.which("dockerd") is None or shutil.which("mmdebstrap") is None:
        _install()
    _forget_dead_daemon()
    _start()


def has(image: str) -> bool:
    """Say whether an image is there."""
    return ask("docker", "image", "inspect", "--format", "{{.Id}}", image) is not None


def build(image: str, folder: Path, *, dockerfile: str = "Dockerfile", **arguments: str) -> None:
    """Build an image from a folder; arguments are those of the Dockerfile."""
    told = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    run(
        "docker",
        "build",
        "--tag",
        image,
        "--file",
        folder / dockerfile,
        *told,
        folder,
        log=f"image-{_plain(image)}",
        env={"DOCKER_BUILDKIT": "0"},  # buildx is not in the distribution's package
    )


def _plain(image: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", image)


def _install() -> None:
    if shutil.which("apt-get") is None:
        raise LabError("Docker is not installed, and apt-get is not there to install it")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", log="apt", env=quiet)
    command = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES)
    run(*command, log="apt", env=quiet)


def _forget_dead_daemon() -> None:
    """Remove the pid file of a daemon that is gone: it would keep the next from starting."""
    if PID.exists() and not Path(f"/proc/{PID.read_text().strip() or 'none'}").exists():
        PID.unlink()


def _start() -> None:
    """Start the daemon so that it outlives us; it is left running."""
    LOGS.mkdir(parents=True, exist_ok=True)
    command = ["dockerd", *_runtime()]
    with (LOGS / "dockerd.txt").open("a") as out:
        subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, env=environment())
    for _ in range(60):
        if answers():
            say(f"      started {' '.join(command)}")
            return
        time.sleep(1)  # noqa: TID251 - another process
    raise LabError(f"dockerd does not answer after a minute: see {LOGS / 'dockerd.txt'}")


def _runtime() -> tuple[str, ...]:
    """Return flags for a host that cannot grant everything that `--privileged` asks for."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if found is None or int(found.group(1), 16) >> SYS_RESOURCE & 1:
        return ()
    kept = CACHE / "runc-nores"
    shutil.copy(HERE / "node" / "runc-nores", kept)
    return (f"--add-runtime=runc-nores={kept}", "--default-runtime=runc-nores")
