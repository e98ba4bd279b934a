"""Asks the rounds of the probe, beside the passes."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import NAMESPACE_OID, uuid5

from rampguard.api.raw import Json, printable, saying
from rampguard.core.answers import judge, questions
from rampguard.core.applying import all_proven
from rampguard.core.ask import Ref
from rampguard.core.model import State
from rampguard.core.plan import Plan
from rampguard.core.probe import Heard, Probe, Question, Reply
from rampguard.core.probing import due
from rampguard.engine.beside import Beside
from rampguard.engine.sight import Sight
from rampguard.ports import Door, Errand, NotFound, RampError, Resource, World

AT_ONCE = 50  # requests of one ramp


def send(plan: Plan, state: State, sight: Sight, world: World) -> None:
    """Leave the round that is due for the task that asks it."""
    if sight.seen.unreadable:
        return
    told = due(state, sight.seen.now, proven=all_proven(sight.seen))
    world.errands[plan.ask.ref] = Errand(plan.ask, told, sight.asked) if told else None


def rounds(world: World, wake: Callable[[Ref], None]) -> Beside[Errand, Heard]:
    """Return who asks the rounds that passes leave."""
    return Beside(
        left=world.errands,
        results=world.heard,
        make=lambda left: ask(left, world),
        failed=lambda left, why: _unheard(left, why, world),
        wake=wake,
        telemetry=world.telemetry,
    )


async def ask(errand: Errand, world: World) -> Heard:
    """Ask a round, at its rate; return what came of it. Nothing is raised: silence is told."""
    probe = errand.ask.probe
    if probe is None:
        return _unheard(errand, "spec.probe is gone", world)
    try:
        doors = await _doors(probe, errand, world)
    except RampError as error:
        return _unheard(errand, str(error), world)
    asked = questions(probe, errand.round, tuple(sorted(doors)))
    turns = asyncio.Semaphore(AT_ONCE)
    beat = timedelta(seconds=1) / probe.rate
    async with asyncio.TaskGroup() as group:
        tasks = []
        for question in asked:
            await turns.acquire()
            one = _one(probe, doors[question.pod], question, errand, world, turns)
            tasks.append(group.create_task(one))
            await world.clock.sleep(beat)
    replies = [(q, task.result()) for q, task in zip(asked, tasks, strict=True)]
    return judge(errand.ask, errand.round, replies, world.clock.now())


async def _one(  # noqa: PLR0913, PLR0917 - one request, all of it
    probe: Probe,
    door: Door,
    question: Question,
    errand: Errand,
    world: World,
    turns: asyncio.Semaphore,
) -> Reply | str:
    user = identity(errand.ask.uid, question)
    try:
        told = await world.prober.ask(probe, door, user, errand.uid)
    except RampError as error:
        return _clean(str(error))
    finally:
        turns.release()
    return Reply(
        tuple(None if word is None else _clean(word) for word in told.arms),
        None if told.value is None else _clean(told.value),
    )


def identity(uid: str, question: Question) -> str:
    """Return who a user is: the same for the same ramp, round and number, and nobody else."""
    return str(uuid5(NAMESPACE_OID, f"{uid}/{question.of}/{question.user}"))


async def _doors(probe: Probe, errand: Errand, world: World) -> dict[str, Door]:
    """Return where each pod is asked; raises RampError where the Service says nothing of it.

    Only pods of the targets are asked, at the addresses that the API server says they have.
    """
    namespace = errand.ask.ref.namespace
    try:
        service = await world.cluster.get(Resource.SERVICES, Ref(namespace, probe.service))
    except NotFound as error:
        raise NotFound(f"there is no Service {namespace}/{probe.service}") from error
    told = service.get("spec") or {}
    selector = told.get("selector") or {}
    target = _target_port(probe, told, namespace)
    host = f"{probe.service}.{namespace}.svc"
    doors = {
        pod["metadata"]["name"]: Door(address, port, host, namespace)
        for pod in errand.pods
        if _is_selected(selector, pod)
        and (address := (pod.get("status") or {}).get("podIP"))
        and (port := _port_of(target, pod))
    }
    if not doors:
        raise NotFound(
            f"Service {namespace}/{probe.service} selects no Ready pod of the targets"
            f" with port {target}"
        )
    return doors


def _target_port(probe: Probe, told: Json, namespace: str) -> int | str:
    """Return the port of the pods, a number or a name, behind the port of the Service."""
    ports = {one.get("port"): one for one in told.get("ports") or ()}
    if probe.port not in ports:
        known = ", ".join(str(one) for one in sorted(filter(None, ports))) or "none"
        raise NotFound(
            f"Service {namespace}/{probe.service} has no port {probe.port}; there are: {known}"
        )
    target = ports[probe.port].get("targetPort", probe.port)
    return target if isinstance(target, int | str) else probe.port


def _is_selected(selector: Mapping[str, str], pod: Json) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and selector.items() <= labels.items()


def _port_of(target: int | str, pod: Json) -> int:
    """Return the number of a pod's port; 0: it has none of that name."""
    if isinstance(target, int):
        return target
    named = (
        port.get("containerPort", 0)
        for container in (pod.get("spec") or {}).get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("name") == target
    )
    return next(named, 0)


def _clean(words: str) -> str:
    return saying(printable(words))


def _unheard(errand: Errand, why: str, world: World) -> Heard:
    """Return that nothing was heard of a round, and why."""
    told = errand.round
    return Heard(
        number=told.number,
        occasion=told.occasion,
        share=told.share,
        at=world.clock.now(),
        users=0,
        treated=0,
        pods=0,
        asked=0,
        silent=_clean(why),
    )
