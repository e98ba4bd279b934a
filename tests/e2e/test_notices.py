"""People are told: one channel fails for a while, and the operator dies before it could tell."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.operators import Operator
from e2e.stage import Stage, pause, until
from receivers import HttpReceiver, SmtpReceiver, http_receiver, smtp_receiver

TOLD = {
    "owner": "@mia",
    "notify": [{"channel": "team"}, {"channel": "mail"}],
    "decision": {"analysisWindow": "2026-11-24 to 2026-12-01", "goNoGo": "2026-12-02"},
}
ALL = {"RampPlanned", "RampStarted", "FindingRecorded", "RampSucceeded"}


@dataclass
class Channels:
    """A webhook, a mailbox and a Grafana, and an operator that knows them."""

    team: HttpReceiver
    mail: SmtpReceiver
    grafana: HttpReceiver
    operator: Operator

    def log(self, since: float) -> list[str]:
        """Return what arrived where and when, in order; shown with `pytest -rP`."""
        posts = [("team", one.at, one.body["title"]) for one in self.team.asked]
        marks = [("grafana", one.at, one.body["tags"][1]) for one in self.grafana.asked]
        mails = [
            ("mail", at, str(one["Subject"]))
            for at, one in zip(self.mail.arrived, self.mail.mails, strict=True)
        ]
        told = sorted((*posts, *marks, *mails), key=lambda one: one[1])
        return [f"{at - since:6.1f} s  {who:8}{what.partition(':')[0]}" for who, at, what in told]

    def team_got(self) -> set[str]:
        return {one["title"].partition(":")[0] for one in self.team.taken}

    def mail_got(self) -> set[str]:
        return {str(one["Subject"]).partition(":")[0] for one in self.mail.mails}


@contextmanager
def channels(stage: Stage, home: Path) -> Iterator[Channels]:
    with http_receiver() as team, smtp_receiver() as mail, http_receiver() as grafana:
        (home / "team").write_text(f"json://{team.url}/hook")
        (home / "mail").write_text(
            f"mailto://ramps@127.0.0.1:{mail.port}?from=ramps@x.example&to=mia@x.example"
            "&mode=insecure"
        )
        (home / "token").write_text("token")
        notices = {
            "channels": {name: {"urlFile": str(home / name)} for name in ("team", "mail")},
            "links": {"prometheus": "https://prom.example/graph?g0.expr={query}"},
            "grafana": {"url": f"http://{grafana.url}", "tokenFile": str(home / "token")},
        }
        with Operator(stage.namespace, home, notices=notices) as operator:
            yield Channels(team, mail, grafana, operator)


def waiting(stage: Stage) -> set[str]:
    """Return the kinds of notices in the outbox of the status."""
    line = json.loads(stage.status().get("engine", "{}"))
    return {letter["notice"]["kind"] for letter in line.get("outbox", ())}


def keys(told: list[Any]) -> dict[str, set[str]]:
    """Return the texts by the key that stands in them."""
    found: dict[str, set[str]] = {}
    for one in told:
        found.setdefault(one["message"].partition(", key ")[2].partition(" ")[0], set()).add(
            one["message"]
        )
    return found


def test_every_notice_arrives_though_a_channel_fails_and_the_operator_dies(
    stage: Stage, tmp_path: Path
) -> None:
    with channels(stage, tmp_path) as told:
        told.team.hangs, told.mail.refuses = threading.Event(), True
        began = time.monotonic()
        stage.apply(**TOLD)
        until(lambda: told.team.held, 60, "a notice on its way", every=0.1)
        assert waiting(stage) == {"RampPlanned"}
        told.operator.kill()
        print(f"{time.monotonic() - began:6.1f} s  the operator is killed, nothing arrived")
        assert stage.value("api") == "0", "it started before people were told"
        told.team.hangs.set()
        told.team.hangs = None
        assert told.team.taken == []
        told.operator.start()

        stage.reaches("Soaking", limit=180)
        until(lambda: {"RampPlanned", "RampStarted"} <= told.team_got(), 30, "the team was told")
        notified = until(lambda: stage.condition("Notified"), 30, "the failure is told")
        assert (notified["status"], notified["reason"]) == ("False", "DeliveryFailing")
        assert "mail: RampPlanned (try " in notified["message"]
        assert told.mail.refused
        print(
            f"{time.monotonic() - began:6.1f} s  mail takes messages, {told.mail.refused} refused"
        )
        told.mail.refuses = False

        stage.reaches("Completed", limit=240)
        assert stage.status()["links"][0]["url"].startswith("https://prom.example/graph?g0.expr=")
        until(lambda: told.team_got() >= ALL, 60, f"the team heard all: {told.team_got()}")
        until(lambda: told.mail_got() >= ALL, 300, f"mail heard all: {told.mail_got()}")
        print(*told.log(began), sep="\n")
        assert all(len(texts) == 1 for texts in keys(told.team.taken).values())
        until(lambda: stage.condition("Notified")["status"] == "True", 60, "all is delivered")
        assert waiting(stage) == set()

        (done,) = (one for one in told.team.taken if one["title"].startswith("RampSucceeded"))
        for words in ("@mia", "go/no-go: 2026-12-02", "analysis window: 2026-11-24 to 2026-12-01"):
            assert words in done["message"]
        (found, *_) = (one for one in told.team.taken if one["title"].startswith("FindingRecorded"))
        assert (
            "prometheus (balance): https://prom.example/graph?g0.expr=experiment_assignments_total%7B"
            in found["message"]
        )
        assert [one["tags"][1] for one in told.grafana.taken] == ["Change"]
        # An event may die with an operator that is killed; the status has what it would have said.
        told_of = [line for line in stage.status()["timeline"] if "does not take notices" in line]
        assert len(told_of) == 1
        assert "mail" in told_of[0]


def test_no_dead_channel_delays_a_rollback_and_it_is_told_afterwards(
    stage: Stage, tmp_path: Path
) -> None:
    with channels(stage, tmp_path) as told:
        stage.apply(soak="10m", **TOLD)
        stage.reaches("Soaking", limit=180)
        told.team.hangs, told.mail.refuses = threading.Event(), True
        stage.ask("abort", "Rollback")
        stage.reaches("RolledBack", limit=60)
        assert stage.only("0")
        assert "RollbackVerified" not in told.team_got() | told.mail_got()
        told.team.hangs.set()
        told.team.hangs, told.mail.refuses = None, False
        until(lambda: "RollbackVerified" in told.team_got(), 120, "the team was told")
        until(lambda: "RollbackVerified" in told.mail_got(), 120, "mail was told")
        body = next(b for b in told.mail.bodies("html") if "pods run 0 again" in b)
        assert "because: abort was asked" in body
        assert [one["tags"][1] for one in told.grafana.taken] == ["Change", "Rollback"]
        reasons = {(event["reason"], event["type"]) for event in stage.events()}
        assert ("NotifyFailed", "Warning") in reasons


def test_nothing_changes_until_everybody_has_the_plan(stage: Stage, tmp_path: Path) -> None:
    with channels(stage, tmp_path) as told:
        told.mail.refuses = True
        stage.apply(**TOLD, require={"announced": True})
        stage.reaches("Blocked", limit=60)
        unmet = stage.condition("PreconditionsMet")
        assert (unmet["status"], unmet["reason"]) == ("False", "NotAnnounced")
        assert "RampPlanned is not delivered to mail" in unmet["message"]
        pause(35)  # longer than a start waits for those who need not have it
        assert "RampPlanned" in told.team_got()
        assert stage.value("api") == "0"
        told.mail.refuses = False
        stage.reaches("Soaking", limit=300)
        assert "RampPlanned" in told.mail_got()
        met = stage.condition("PreconditionsMet")
        assert (met["status"], met["reason"]) == ("True", "Met")
        assert "all held before the first write" in met["message"]


def test_a_channel_that_nobody_configured_blocks_and_is_named(stage: Stage, tmp_path: Path) -> None:
    with channels(stage, tmp_path) as told:
        stage.apply(notify=[{"channel": "pager"}, {"channel": "team"}])
        stage.reaches("Blocked", limit=60)
        stalled = stage.condition("Stalled")
        assert stalled["reason"] == "UnknownChannel"
        assert "names the channel pager" in stalled["message"]
        assert stage.value("api") == "0"
        until(lambda: {"RampPlanned", "Blocked"} <= told.team_got(), 30, "the team was told")
        stage.ask("notify", [{"channel": "team"}])
        stage.reaches("Soaking", limit=180)
