"""How far the Deployment controller is with what a Deployment wants."""

from datetime import timedelta

from rampguard.api.raw import Json, number, part

LEEWAY = timedelta(minutes=1)  # until a pod that was killed is gone from the API
ENDLESS = 2**31 - 1  # progressDeadlineSeconds of a Deployment without a deadline


def rolling_out(deployment: Json) -> bool:
    """Say whether a rollout is under way, by the rule of `kubectl rollout status`."""
    status = part(deployment, "status")
    updated = number(status.get("updatedReplicas"))
    return (
        not caught_up(deployment)
        or updated < desired(deployment)
        or number(status.get("replicas")) > updated
        or number(status.get("availableReplicas")) < updated
    )


def caught_up(deployment: Json) -> bool:
    """Say whether the controller has seen the Deployment as it stands."""
    generation = number(part(deployment, "metadata").get("generation"))
    return number(part(deployment, "status").get("observedGeneration"), -1) >= generation


def desired(deployment: Json) -> int:
    """Return how many pods are wanted."""
    return max(number(part(deployment, "spec").get("replicas"), 1), 0)


def progress_deadline(deployment: Json) -> timedelta:
    """Return how long a rollout may stand still without anything being wrong.

    progressDeadlineSeconds, where there is one; and never less than old pods may take to end.
    """
    deadline = seconds(part(deployment, "spec").get("progressDeadlineSeconds"), 600)
    pod = part(deployment, "spec", "template", "spec")
    leaving = seconds(pod.get("terminationGracePeriodSeconds"), 30) + LEEWAY
    return leaving if deadline >= timedelta(seconds=ENDLESS) else max(deadline, leaving)


def seconds(value: object, default: int = 0) -> timedelta:
    """Read a number of seconds; below zero is zero."""
    return timedelta(seconds=min(max(number(value, default), 0), ENDLESS))
