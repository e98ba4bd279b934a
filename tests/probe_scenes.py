"""Short words for the probe: what is asked, and apps that answer in their own way."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from rampguard.core.answers import Answered, judge, questions
from rampguard.core.ask import Ask
from rampguard.core.probe import Carrier, Heard, Occasion, Probe, Question, Reply, Round, Spot
from scenes import ASK, T

PROBE = Probe(
    service="api",
    port=80,
    path="/tree",
    arm=(Spot(Carrier.HEADER, "X-Arm"), Spot(Carrier.COOKIE, "arm")),
    value=Spot(Carrier.JSON, "rollout"),
    identity=Spot(Carrier.HEADER, "X-Request-ID"),
)
PODS = ("api-1", "api-2", "api-3")
App = Callable[[Question], Reply | str]


def asking(**facts: object) -> Ask:
    """Return the ramp 10 -> 50 with a probe that differs in some facts."""
    return replace(ASK, probe=replace(PROBE, **facts))


def a_round(occasion: Occasion = Occasion.STEP, **facts: object) -> Round:
    told = Round(number=4, occasion=occasion, key="step/0", share=50, users=200, since=T, at=T)
    return replace(told, **facts)


def bucket(question: Question) -> int:
    """Return the bucket of a user, 0 to 99."""
    told = f"{question.of}/{question.user}".encode()
    return int.from_bytes(hashlib.sha256(told).digest()[:8], "big") % 100


def says(arm: str, value: object = 50) -> Reply:
    return Reply((arm, arm), str(value))


def app(share: int = 50, value: object = None) -> App:
    """Return an app that does as it should at a share."""
    return lambda question: says(
        "list" if bucket(question) < share else "tree", share if value is None else value
    )


def answers(ask: Ask, told: Round, one: App, pods: tuple[str, ...] = PODS) -> list[Answered]:
    assert ask.probe is not None
    return [(question, one(question)) for question in questions(ask.probe, told, pods)]


def heard(
    told: Round,
    one: App,
    ask: Ask | None = None,
    pods: tuple[str, ...] = PODS,
    at: datetime = T,
) -> Heard:
    asked = ask or asking()
    return judge(asked, told, answers(asked, told, one, pods), at)
