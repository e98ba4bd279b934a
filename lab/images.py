"""Makes the images that run in the lab; each is named after what it is made of."""

import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab import docker, programs
from lab.places import (
    CACHE,
    COREDNS,
    ETCD,
    HERE,
    KUBERNETES,
    PROMETHEUS,
    PYTHON,
    ROOT,
    SUITE,
    digest,
)
from lab.steps import LabError, run

PAUSE = "3.10.1"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
OPERATOR_PARTS = ("Dockerfile", "pyproject.toml", "README.md", "LICENSE", "operator")


@dataclass(frozen=True)
class Images:
    """Makes images from a registry's, or from packages where no registry is reached."""

    registry: bool

    @property
    def node(self) -> str:
        """Name the image of a node that is made here."""
        return f"rampguard-lab/node:{KUBERNETES}-{digest(HERE / 'node', HERE / 'archive.py')}"

    @property
    def python(self) -> str:
        """Name the base of everything in Python."""
        return f"python:{PYTHON}" if self.registry else f"rampguard-lab/python:{SUITE}"

    @property
    def prometheus(self) -> str:
        """Name the image of Prometheus."""
        return (
            f"prom/prometheus:{PROMETHEUS}"
            if self.registry
            else f"rampguard-lab/prometheus:{SUITE}"
        )

    @cached_property  # the clone may change while we work
    def operator(self) -> str:
        """Name the image of the operator as it stands in this clone."""
        return f"rampguard-lab/rampguard:{digest(*(ROOT / part for part in OPERATOR_PARTS))}"

    @cached_property
    def example(self) -> str:
        """Name the image of the example application as it stands in this clone."""
        return f"rampguard-lab/skill-tree:{digest(ROOT / 'examples' / 'skill-tree')}"

    def make_node(self) -> None:
        """Make the image of a node from packages and programs."""
        if docker.has(self.node):
            return
        work = CACHE / "work" / "node"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        parts = (programs.kubernetes, programs.etcd, programs.coredns, programs.pause)
        for made in (part() for part in parts):
            (work / made.name).symlink_to(made)
        (work / "rootfs.tar").symlink_to(self._root_of_node())
        versions = (KUBERNETES, f"{ETCD.removeprefix('v')}-0", COREDNS, PAUSE)
        env = {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
        run(HERE / "node" / "build.sh", self.node, *versions, cwd=work, env=env, log="node")
        shutil.rmtree(work)

    def make_root(self) -> None:
        """Make the root file system of a node, which needs no program of ours."""
        if not docker.has(self.node):
            self._root_of_node()

    def make_python(self) -> None:
        """Provide the base of everything in Python."""
        if self.registry:
            _pull(self.python)
            return
        packages = ("python3-minimal", "python3-venv", "python3-pip", "ca-certificates")
        _from_packages(self.python, packages, _trusting())

    def make_prometheus(self) -> None:
        """Provide Prometheus."""
        if self.registry:
            _pull(self.prometheus)
            return
        entry = 'USER nobody\nWORKDIR /prometheus\nENTRYPOINT ["/usr/bin/prometheus"]\n'
        _from_packages(self.prometheus, ("prometheus", "ca-certificates"), entry)

    def make_operator(self) -> None:
        """Build the operator by the Dockerfile that is shipped."""
        if not docker.has(self.operator):
            docker.build(self.operator, ROOT, BASE=self.python)

    def make_example(self) -> None:
        """Build the example application."""
        if not docker.has(self.example):
            docker.build(self.example, ROOT / "examples" / "skill-tree", BASE=self.python)

    def _root_of_node(self) -> Path:
        script = HERE / "node" / "rootfs.sh"
        kept = CACHE / f"rootfs-{SUITE}-{digest(script)}" / "rootfs.tar"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            made = kept.with_name("made.tar")
            run(script, SUITE, made, log="rootfs")
            made.rename(kept)
        return kept


def _pull(image: str) -> None:
    if not docker.has(image):
        run("docker", "pull", image, log="pull")


def _from_packages(image: str, packages: tuple[str, ...], dockerfile: str) -> None:
    """Make an image from packages of the distribution, of the sources that apt is set up with."""
    if docker.has(image):
        return
    if shutil.which("mmdebstrap") is None:
        raise LabError("mmdebstrap is not installed: apt-get install mmdebstrap")
    name = image.rpartition("/")[2].replace(":", "-")
    work = CACHE / "work" / name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    tarball = work / "root.tar"
    quiet = (
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
    )
    listed = f"--include={','.join(packages)}"
    log = f"image-{name}"
    run("nice", "mmdebstrap", "--variant=minbase", listed, *quiet, SUITE, tarball, log=log)
    run("docker", "import", tarball, f"{image}-root", log=log)
    tarball.unlink()
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, work / "ca-certificates.crt")
    (work / "Dockerfile").write_text(f"FROM {image}-root\n{dockerfile}")
    docker.build(image, work)
    shutil.rmtree(work)


def _trusting() -> str:
    """Return the lines that let pip trust whom this machine trusts, a proxy of its own as well."""
    if not CERTIFICATES.exists():
        return ""
    return (
        f"COPY ca-certificates.crt {CERTIFICATES}\n"
        f"ENV PIP_CERT={CERTIFICATES} SSL_CERT_FILE={CERTIFICATES}\n"
    )
