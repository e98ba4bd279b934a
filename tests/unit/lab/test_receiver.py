"""Who hears of ramps in the lab: the receiver as it runs in its pod, and the way to it."""

import asyncio
import importlib.util
import threading
import time

import pytest
import requests
import yaml
from lab import workloads
from lab.images import Images
from lab.places import HERE

from rampguard.adapters.notices import Channel, ChannelNotifier
from rampguard.core.ask import Ref
from rampguard.core.outbox import Kind, Notice
from scenes import T

VALUES = yaml.safe_load((HERE / "notices-values.yaml").read_text())
CHANNELS = set(VALUES["config"]["notices"]["channels"])
(SECRET,) = yaml.safe_load_all((HERE / "cluster" / "channels.yaml").read_text())
NOTICE = Notice(
    kind=Kind.RAMP_STARTED, key="k", at=T, text="it starts", experiment="e", env="E",
    origin=0, to=10,
)  # fmt: skip


@pytest.fixture
def receiver():
    """Serve as the script does; yields the address."""
    told = importlib.util.spec_from_file_location("receiver", HERE / "cluster" / "receiver.py")
    assert told is not None
    assert told.loader is not None
    module = importlib.util.module_from_spec(told)
    told.loader.exec_module(module)
    with module.ThreadingHTTPServer(("127.0.0.1", 0), module.Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_the_operator_sends_is_told_as_it_came(receiver, tmp_path):
    (tmp_path / "url").write_text(SECRET["stringData"]["calc-design"].replace(
        "receiver.people:8080", receiver))  # fmt: skip
    notifier = ChannelNotifier(
        {"calc-design": Channel(tmp_path / "url")},
        grafana=None,
        templates=tmp_path,
        link_templates=(),
        log=lambda *_, **__: None,
    )
    began = time.time()
    asyncio.run(notifier.deliver("calc-design", Ref("app", "tree"), "uid", NOTICE))
    notifier.close()
    (one,) = requests.get(f"http://{receiver}/", timeout=5).json()
    assert (one["channel"], one["title"]) == ("calc-design", "RampStarted: app/tree, E 0 -> 10")
    assert one["message"].startswith("it starts\n")
    assert began <= one["at"] <= time.time()


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"title": "x"}', b"\xff"])
def test_what_is_no_notice_is_refused_and_not_kept(receiver, body):
    assert requests.post(f"http://{receiver}/x", body, timeout=5).status_code == 400
    assert requests.get(f"http://{receiver}/", timeout=5).json() == []


def test_every_channel_that_is_configured_leads_somewhere():
    assert set(SECRET["stringData"]) == CHANNELS
    assert VALUES["secrets"] == [{"name": "notices", "secretName": SECRET["metadata"]["name"]}]
    for name, one in VALUES["config"]["notices"]["channels"].items():
        assert one["urlFile"] == f"/etc/rampguard/secrets/notices/{name}"


@pytest.mark.parametrize("manifest", sorted((HERE / "ramps").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_ramps_of_the_demo_tell_a_channel_that_there_is(manifest):
    told = yaml.safe_load(manifest.read_text())["spec"]["notify"]
    assert {one["channel"] for one in told} <= CHANNELS


def test_the_pod_is_given_the_script_as_it_is():
    text = workloads._with_script("people.yaml", "receiver.py", Images(registry=True))
    _, script, deployment, _ = yaml.safe_load_all(text)
    assert script["data"]["receiver.py"].strip() == (
        (HERE / "cluster" / "receiver.py").read_text().strip()
    )
    (box,) = deployment["spec"]["template"]["spec"]["containers"]
    assert box["image"] == Images(registry=True).python
