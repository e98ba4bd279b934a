"""What Prometheus is told of the pods, by the discovery as it runs in the pod."""

import importlib.util
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from lab.places import HERE

SCRIPT = HERE / "cluster" / "discovery.py"
SCRAPED = {"prometheus.io/scrape": "true"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Path:
    """Return a folder with the certificate of an authority, as a pod's account has it."""
    folder = tmp_path_factory.mktemp("account")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        " -subj /CN=kubernetes -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out ca.crt"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    (folder / "token").write_text("a token")
    return folder


@pytest.fixture
def discovery(authority, monkeypatch):
    """Load the script as it is, of which the account is in a folder of the test's own."""
    trusting = ssl.create_default_context

    def trusted(*, cafile: Path) -> ssl.SSLContext:
        return trusting(cafile=authority / Path(cafile).name)

    monkeypatch.setattr(ssl, "create_default_context", trusted)
    told = importlib.util.spec_from_file_location("discovery", SCRIPT)
    assert told is not None
    assert told.loader is not None
    module = importlib.util.module_from_spec(told)
    told.loader.exec_module(module)
    monkeypatch.setattr(module, "ACCOUNT", authority)
    return module


def pod(name: str = "api-1", ip: str | None = "10.244.0.7", phase: str = "Running", **metadata):
    told = {"name": name, "namespace": "app", "annotations": SCRAPED} | metadata
    kept = {key: value for key, value in told.items() if value is not None}
    return {"metadata": kept, "status": {"phase": phase} | ({"podIP": ip} if ip else {})}


# fmt: off
PODS: dict[str, tuple[dict, bool]] = {
    "a pod that runs and asks for it": (pod(), True),
    "a pod without annotations": (pod(annotations=None), False),
    "a pod with other annotations": (pod(annotations={"a": "b"}), False),
    "a pod that asks not to": (pod(annotations={"prometheus.io/scrape": "false"}), False),
    "a pod that is pending": (pod(phase="Pending"), False),
    "a pod that is over": (pod(phase="Succeeded"), False),
    "a pod without an address yet": (pod(ip=None), False),
    "a pod that ends, which still counts": (
        pod(deletionTimestamp="2026-11-24T00:00:00Z"), True),
    "a pod without a status": ({"metadata": {"annotations": SCRAPED}, "status": {}}, False),
}
# fmt: on


@pytest.mark.parametrize(("one", "wanted"), PODS.values(), ids=PODS)
def test_only_a_running_pod_that_asks_for_it_is_scraped(one, wanted, discovery):
    assert discovery.wants(one) is wanted


def test_a_pod_is_one_target_with_its_names(discovery):
    told = discovery.group(pod(labels={"app": "api"}))
    assert told == {
        "targets": ["10.244.0.7:8080"],
        "labels": {"namespace": "app", "pod": "api-1", "app": "api"},
    }


def test_a_port_may_be_asked_for(discovery):
    asked = pod(annotations=SCRAPED | {"prometheus.io/port": "9102"})
    assert discovery.group(asked)["targets"] == ["10.244.0.7:9102"]


def test_an_address_of_ipv6_stands_in_brackets(discovery):
    assert discovery.group(pod(ip="fd00:10:244::7"))["targets"] == ["[fd00:10:244::7]:8080"]


@pytest.mark.parametrize(
    ("labels", "app"),
    [
        ({"app.kubernetes.io/name": "api", "app": "other"}, "api"),
        ({"app": "api"}, "api"),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_app_is_known_by_its_labels(labels, app, discovery):
    assert discovery.group(pod(labels=labels))["labels"]["app"] == app


class Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_):
        return


@pytest.fixture
def served(authority, discovery, monkeypatch):
    """Be the API server: answers with pods, or with an error; yields what it was asked."""
    answers: list[tuple[int, object]] = []
    asked: list[tuple[str, str | None]] = []

    class Api(Quiet):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            status, body = answers[-1]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

    with HTTPServer(("127.0.0.1", 0), Api) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "ca.crt", authority / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        path = discovery.PODS.removeprefix("https://kubernetes.default.svc")
        monkeypatch.setattr(discovery, "PODS", f"https://127.0.0.1:{server.server_port}{path}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield answers, asked
        server.shutdown()
        thread.join()


def test_the_groups_are_those_of_the_pods_of_now(served, discovery):
    answers, asked = served
    pods = [pod("api-1"), pod("db-1", annotations=None), pod("api-2", ip="10.244.0.8")]
    answers.append((200, {"items": pods}))
    assert [one["targets"] for one in discovery.groups()] == [
        ["10.244.0.7:8080"],
        ["10.244.0.8:8080"],
    ]
    assert asked == [("/api/v1/pods?resourceVersion=0", "Bearer a token")]


def test_a_cluster_without_pods_has_no_groups(served, discovery):
    served[0].append((200, {"items": []}))
    assert discovery.groups() == []


@pytest.fixture
def sidecar(discovery):
    with ThreadingHTTPServer(("127.0.0.1", 0), discovery.Discovery) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_prometheus_is_answered_in_json(served, sidecar):
    served[0].append((200, {"items": [pod()]}))
    answer = requests.get(sidecar, timeout=5)
    assert answer.headers["Content-Type"] == "application/json"
    assert [one["targets"] for one in answer.json()] == [["10.244.0.7:8080"]]


def test_an_api_server_that_fails_is_a_502_so_that_prometheus_keeps_what_it_knew(served, sidecar):
    served[0].append((500, {}))
    assert requests.get(sidecar, timeout=5).status_code == 502
