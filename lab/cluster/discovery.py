"""Tells Prometheus which pods to scrape, by their annotations (its `http_sd`).

The distribution's Prometheus is built without a discovery of Kubernetes of its own. Runs beside it
in the pod, on the standard library alone.
"""

import json
import ssl
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PODS = "https://kubernetes.default.svc/api/v1/pods?resourceVersion=0"
Json = dict[str, Any]
TRUSTED = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")


def groups() -> list[dict[str, object]]:
    """Return one group of targets for each running pod that asks to be scraped."""
    token = (ACCOUNT / "token").read_text()
    asked = urllib.request.Request(PODS, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=3, context=TRUSTED) as answer:
        pods = json.load(answer)["items"]
    return [group(pod) for pod in pods if wants(pod)]


def wants(pod: Json) -> bool:
    """Say whether a pod runs and asks to be scraped."""
    asked = pod["metadata"].get("annotations", {}).get("prometheus.io/scrape") == "true"
    return asked and pod["status"].get("phase") == "Running" and "podIP" in pod["status"]


def group(pod: Json) -> dict[str, object]:
    """Return the address of a pod, with the labels that its series bear."""
    metadata = pod["metadata"]
    port = metadata["annotations"].get("prometheus.io/port", "8080")
    address = pod["status"]["podIP"]
    host = f"[{address}]" if ":" in address else address
    labels = metadata.get("labels", {})
    app = labels.get("app.kubernetes.io/name") or labels.get("app", "")
    named = {"namespace": metadata["namespace"], "pod": metadata["name"], "app": app}
    return {"targets": [f"{host}:{port}"], "labels": named}


class Discovery(BaseHTTPRequestHandler):
    """Answers every GET with the targets of now."""

    def do_GET(self) -> None:
        """Answer; an error of the API server is a 502, and Prometheus keeps what it knew."""
        try:
            status, body = 200, json.dumps(groups()).encode()
        except OSError as error:
            status, body = 502, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 9099), Discovery).serve_forever()
