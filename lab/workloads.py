"""What runs in the lab's cluster: Prometheus, the example application, the operator."""

import hashlib
from pathlib import Path

import yaml

from lab.images import Images
from lab.kind import kubectl
from lab.places import CACHE, CONTEXT, HERE, NAME, NODE, ROOT
from lab.steps import LabError, run

APPLIED = "lab.rampguard.dev/applied"  # on a namespace: what was applied there
EXAMPLE = ROOT / "examples" / "skill-tree" / "k8s"
RECORDS = "/var/lib/rampguard-records"  # of the node
EXPORTS = "/var/lib/rampguard-exports"  # the same: what the pods of the example write
READY = "180s"
# Pods that are no user of the machine write there; what none has written to for a day goes.
_MAKE_EXPORTS = (
    f"mkdir -p {EXPORTS} && chmod 1777 {EXPORTS} && find {EXPORTS} -type f -mmin +1440 -delete"
)


def prometheus(images: Images) -> None:
    """Let Prometheus scrape."""
    told = _with_script("prometheus.yaml", "discovery.py", images)
    _apply("monitoring", told.replace("PROMETHEUS_IMAGE", images.prometheus))
    _rolled_out("monitoring", "prometheus")


def people(images: Images) -> None:
    """Let somebody hear of ramps."""
    _apply("people", _with_script("people.yaml", "receiver.py", images))
    _rolled_out("people", "receiver")


def example(images: Images) -> None:
    """Let the example application serve; a variable that a ramp has changed stays as it is."""
    run("docker", "exec", NODE, "sh", "-c", _MAKE_EXPORTS, log="exports")
    manifests = "---\n".join(path.read_text() for path in sorted(EXAMPLE.glob("*.yaml")))
    manifests = manifests.replace("emptyDir: {}", f"hostPath: {{path: {EXPORTS}}}")
    _apply("app", manifests.replace("rampguard-lab/skill-tree:lab", images.example))
    for name in ("api", "worker", "traffic"):
        _rolled_out("app", name)


def operator(images: Images) -> None:
    """Install the operator by its chart, with a folder of the node for its records.

    Its channel leads to the receiver of people().
    """
    run("docker", "exec", NODE, "mkdir", "-p", RECORDS, log="records")
    parts = ("records.yaml", "channels.yaml")
    told = "---\n".join((HERE / "cluster" / part).read_text() for part in parts)
    told = told.replace("RECORDS_FOLDER", RECORDS).replace("NODE_NAME", NODE)
    _apply("rampguard-system", told)
    repository, _, tag = images.operator.partition(":")
    try:
        _helm(repository, tag)
    except LabError as error:
        logs = kubectl("-n", "rampguard-system", "logs", "deploy/rampguard", "--tail=20") or ""
        raise LabError(f"{error}\nThe operator says:\n{logs}") from error


def _helm(repository: str, tag: str) -> None:
    run(
        *("helm", "upgrade", "--install", "rampguard", ROOT / "charts" / "rampguard"),
        *("--kube-context", CONTEXT, "--namespace", "rampguard-system", "--create-namespace"),
        *("--values", HERE / "operator-values.yaml", "--values", HERE / "notices-values.yaml"),
        *("--set", f"image.repository={repository}", "--set", f"image.tag={tag}"),
        *("--set", "records.existingClaim=records", "--wait", "--timeout", "180s"),
        log="helm",
    )


def _with_script(manifests: str, script: str, images: Images) -> str:
    """Return manifests with the image of Python, and a script of the lab in a ConfigMap."""
    lines = (HERE / "cluster" / script).read_text().splitlines()
    told = (HERE / "cluster" / manifests).read_text().replace("PYTHON_IMAGE", images.python)
    return told.replace(Path(script).stem.upper(), "\n    ".join(lines))


def _apply(namespace: str, manifests: str) -> None:
    """Apply manifests, unless they were applied before as they are."""
    path = CACHE / f"{NAME}-{namespace}.yaml"
    path.write_text(manifests)
    of = hashlib.sha256(manifests.encode()).hexdigest()[:12]
    jsonpath = f"jsonpath={{.metadata.annotations.{APPLIED.replace('.', chr(92) + '.')}}}"
    if kubectl("get", "namespace", namespace, "-o", jsonpath) == of:
        _scale(namespace, manifests)
        return
    run("kubectl", "--context", CONTEXT, "apply", "-f", path, log=f"apply-{namespace}")
    if kubectl("annotate", "--overwrite", "namespace", namespace, f"{APPLIED}={of}") is None:
        raise LabError(f"the namespace {namespace} was not made: see the log apply-{namespace}")


def _scale(namespace: str, manifests: str) -> None:
    """Let as many pods run as the manifests say: somebody may have scaled them meanwhile."""
    for one in yaml.safe_load_all(manifests):
        if one and one["kind"] == "Deployment":
            replicas = f"--replicas={one['spec'].get('replicas', 1)}"
            name = one["metadata"]["name"]
            if kubectl("-n", namespace, "scale", f"deploy/{name}", replicas) is None:
                raise LabError(f"{namespace}/{name} cannot be scaled by {replicas}")


def _rolled_out(namespace: str, name: str) -> None:
    told = kubectl(
        *("-n", namespace, "rollout", "status", f"deploy/{name}", f"--timeout={READY}"), limit=200
    )
    if told is None:
        pods = kubectl("-n", namespace, "get", "pods", "-o", "wide") or ""
        raise LabError(f"{namespace}/{name} does not become ready:\n{pods}")
