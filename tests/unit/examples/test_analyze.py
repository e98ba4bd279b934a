"""What the example application writes is what `kubectl ramp analyze` reads."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from skilltree.assignment import COOKIE
from skilltree.config import Config
from skilltree.metrics import SESSIONS_PATH, TREE_PATH
from skilltree.tiers import api_app

from rampguard.cli.main import run


async def test_the_example_s_export_is_valid_and_counted(visit, tmp_path: Path) -> None:
    client = visit(api_app(Config(rollout=50, events_dir=tmp_path, pod="api-1")))
    arms = {"tree": 0, "list": 0}
    for n in range(300):
        name = {"Cookie": f"session=u-{n}"}
        seen = (await client.get(TREE_PATH, headers=name)).json()["experiment"]
        arms[seen["variant"]] += 1
        client.cookies.clear()
        if n % 3 == 0:
            kept = {"Cookie": f"session=u-{n}; {COOKIE}={seen['variant']}"}
            await client.get(TREE_PATH, headers=kept)
            await client.post(SESSIONS_PATH, headers=kept, json={"skill": "ratios"})
            client.cookies.clear()
    out = StringIO()
    export = str(tmp_path / "api-1.jsonl")
    expected = ("--expected-variant", "tree", "--expected-variant", "list")
    with redirect_stdout(out):
        code = run(["analyze", export, *expected, "--rollout", "50", "-o", "json"])
    told = json.loads(out.getvalue())
    assert (code, told["invalid"]) == (0, 0)
    assert {arm["arm"]: arm["newUsers"] for arm in told["arms"]} == arms
    assert {arm["arm"]: arm["users"] for arm in told["arms"]} == arms
    assert sum(arm["byCookie"] for arm in told["arms"]) == sum(
        arm["sessionStarts"] for arm in told["arms"]
    )
