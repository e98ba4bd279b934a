"""Builds what has no package: the components of Kubernetes, etcd, CoreDNS, kind and helm.

Each is kept under its version; a build that was interrupted is begun again, the Go cache remembers.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from lab.places import BIN, CACHE, COREDNS, ETCD, HELM, HERE, KIND, KUBERNETES, digest
from lab.steps import LabError, environment, run

GO = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
STRIPPED = "-s -w"
BUILD = ("build", "-trimpath", "-mod=mod")
COMPONENTS = (
    "kubectl",
    "kubeadm",
    "kubelet",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)
Build = Callable[[Path, Path], None]  # a folder to work in, and the program to make


def program(name: str, version: str, build: Build) -> Path:
    """Return a program of a version, built where it is not kept yet, and found in BIN."""
    kept = CACHE / f"{name}-{version}" / name
    if not kept.exists():
        work = CACHE / "work" / name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        made = work / f"{name}.made"
        build(work, made)
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.rename(kept)  # whole, or not there
        shutil.rmtree(work)
    link(name, kept)
    return kept


def link(name: str, kept: Path) -> None:
    """Let a program be found under a name in BIN."""
    BIN.mkdir(parents=True, exist_ok=True)
    fresh = BIN / f".{name}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(kept)
    fresh.rename(BIN / name)


def kubernetes() -> Path:
    """Return one program that is every component of Kubernetes."""
    kept = program("kube", f"{KUBERNETES}-{digest(HERE / 'kube')}", _build_kubernetes)
    for name in COMPONENTS:
        link(name, kept)
    return kept


def etcd() -> Path:
    """Return etcd."""
    path = f"go.etcd.io/etcd/server/v3@{ETCD}"
    return program("etcd", ETCD, lambda work, made: _build_module(work, made, path, "etcd"))


def coredns() -> Path:
    """Return CoreDNS."""
    return program("coredns", f"{COREDNS}-{digest(HERE / 'coredns')}", _build_coredns)


def kind() -> Path:
    """Return kind."""
    return program("kind", KIND, lambda work, made: _install(work, made, "sigs.k8s.io/kind", KIND))


def helm() -> Path:
    """Return helm."""
    return program(
        "helm", HELM, lambda work, made: _install(work, made, "helm.sh/helm/v3/cmd/helm", HELM)
    )


def pause() -> Path:
    """Return the process that holds the namespaces of a pod."""
    source = HERE / "node" / "pause.c"
    return program(
        "pause",
        digest(source),
        lambda _, made: run("gcc", "-O2", "-static", "-o", made, source, log="pause"),
    )


def _build_kubernetes(work: Path, made: Path) -> None:
    shutil.copy(HERE / "kube" / "main.go", work)
    (work / "go.mod").write_text(_kubernetes_module(work))
    numbers = dict(zip(("gitMajor", "gitMinor"), re.findall(r"\d+", KUBERNETES), strict=False))
    told = {"gitVersion": KUBERNETES, **numbers, "gitTreeState": "clean"}
    told["buildDate"] = "2026-01-01T00:00:00Z"
    flags = [f"-X k8s.io/component-base/version.{key}={value}" for key, value in told.items()]
    linked = " ".join((STRIPPED, *flags))
    _go(work, "kube", *BUILD, "-tags=selinux,notest", f"-ldflags={linked}", "-o", made, ".")


def _kubernetes_module(work: Path) -> str:
    """Return a go.mod that takes every staging module of Kubernetes from its own release."""
    told = subprocess.run(
        ["go", "mod", "download", "-json", f"k8s.io/kubernetes@{KUBERNETES}"],
        cwd=work,
        env=environment(GO),
        capture_output=True,
        check=False,
    )
    if told.returncode:
        raise LabError(f"go cannot download Kubernetes: {told.stdout.decode()[-500:]}")
    theirs = Path(json.loads(told.stdout)["GoMod"]).read_text()
    go = re.search(r"^go \S+", theirs, re.MULTILINE)
    staged = re.findall(r"^\t(k8s\.io/\S+) => \./staging", theirs, re.MULTILINE)
    of = KUBERNETES.replace("v1.", "v0.", 1)
    return "\n".join(
        (
            "module lab/kube",
            go.group() if go else "",
            f"require k8s.io/kubernetes {KUBERNETES}",
            *(f"replace {module} => {module} {of}" for module in staged),
        )
    )


def _build_coredns(work: Path, made: Path) -> None:
    shutil.copy(HERE / "coredns" / "main.go", work)
    flags = f"{STRIPPED} -X github.com/coredns/coredns/coremain.GitCommit=lab"
    _go(work, "coredns", "mod", "init", "lab/coredns")
    _go(work, "coredns", "get", f"github.com/coredns/coredns@{COREDNS}")
    _go(work, "coredns", *BUILD, f"-ldflags={flags}", "-o", made, ".")


def _build_module(work: Path, made: Path, path: str, log: str) -> None:
    """Build a program whose module has replacements, which `go install` does not take."""
    _go(work, log, "mod", "init", f"lab/{log}")
    _go(work, log, "get", path)
    _go(work, log, *BUILD, f"-ldflags={STRIPPED}", "-o", made, path.partition("@")[0])


def _install(work: Path, made: Path, path: str, version: str) -> None:
    """Build a program that can be installed by its path."""
    name = path.rpartition("/")[2]
    flags = (f"-ldflags={STRIPPED}", f"{path}@{version}")
    _go(work, name, "install", "-trimpath", *flags, env={"GOBIN": str(work)})
    (work / name).rename(made)


def _go(work: Path, log: str, *args: str | Path, env: dict[str, str] | None = None) -> None:
    if shutil.which("go") is None:
        raise LabError("go is not installed: Go 1.24 or newer builds what has no package")
    run("nice", "go", *args, cwd=work, env={**GO, **(env or {})}, log=log)
