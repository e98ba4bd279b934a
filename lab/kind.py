"""The kind cluster: made, found again, thrown away when it cannot be used."""

import json

from lab import needs
from lab.places import BIN, CACHE, CONTEXT, NAME, NODE, PORTS
from lab.steps import LabError, ask, run, say

CREATE = 120  # seconds for the node to be ready
ANSWER = 20  # seconds for the API server of a node that was started again


def ensure(node: str | None) -> None:
    """Make a cluster that answers; node None: of kind's own image. A dead one is made anew."""
    if NAME in clusters():
        _wake()
        if _answers():
            return
        say(f"      the cluster {NAME} does not answer; it is made anew")
        delete()
    needs.check_ports(port for port, _ in PORTS.values())
    config = CACHE / f"kind-{NAME}.json"
    config.write_text(json.dumps(_config()))
    image = ("--image", node) if node else ()
    told = ("--name", NAME, "--config", config, "--wait", f"{CREATE}s")
    run("kind", "create", "cluster", *told, *image, log="kind")
    _ready()


def clusters() -> list[str]:
    """Return the names of all kind clusters of this machine."""
    return (ask("kind", "get", "clusters") or "").split()


def delete() -> None:
    """Delete the cluster."""
    run("kind", "delete", "cluster", "--name", NAME, log="kind")


def load(image: str) -> None:
    """Bring an image into the node, where it is not there already."""
    named = image if "/" in image else f"library/{image}"
    held = ask("docker", "exec", NODE, "ctr", "-n", "k8s.io", "images", "ls", "-q") or ""
    if f"docker.io/{named}" not in held.split():
        run("kind", "load", "docker-image", image, "--name", NAME, log="kind")


def use_existing() -> None:
    """Make sure that the current context is a lab's."""
    current = (ask("kubectl", "config", "current-context") or "").strip()
    if not current.startswith("kind-rampguard"):
        raise LabError(
            f"the current context is {current or 'not set'}: with LAB_PROVIDER=existing its name"
            " must start with kind-rampguard"
        )
    if current != CONTEXT:
        raise LabError(f"the current context is {current}: LAB_NAME={current[5:]} names it")


def kubectl(*arguments: str, limit: float = 120) -> str | None:
    """Return what kubectl says of the lab; None: it failed."""
    return ask(BIN / "kubectl", "--context", CONTEXT, *arguments, limit=limit)


def _wake() -> None:
    """Start the node again where the machine was started again, and use its context."""
    ask("docker", "start", NODE)
    run("kind", "export", "kubeconfig", "--name", NAME, log="kind")


def _answers() -> bool:
    told = ask(
        "timeout",
        str(ANSWER),
        "sh",
        "-c",
        f"until kubectl --context {CONTEXT} get --raw /readyz; do sleep 1; done",
        limit=ANSWER + 5,
    )
    return told is not None


def _ready() -> None:
    ready = kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s")
    dns = kubectl("-n", "kube-system", "rollout", "status", "deploy/coredns", "--timeout=90s")
    if ready is None or dns is None:
        raise LabError("the node is there, but not ready: kubectl get pods -A says more")


def _config() -> dict[str, object]:
    mappings = [
        {"containerPort": inside, "hostPort": outside, "listenAddress": "127.0.0.1"}
        for outside, inside in PORTS.values()
    ]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane", "extraPortMappings": mappings}],
    }
