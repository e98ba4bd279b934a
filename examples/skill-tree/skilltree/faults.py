"""Harm on request, for the lab alone: honoured only where LAB_FAULTS=1."""

import random
from collections.abc import Mapping
from dataclasses import replace

from skilltree.assignment import Arm, Assignment, Source, bucket_of

FAIL = "X-Lab-Fail"  # the share of requests to answer with 500
FAIL_TREATMENT = "X-Lab-Fail-Treatment"  # the same, of treated users only
DIVERT = "X-Lab-Divert"  # the share of newly treated users to put into control


class Faults:
    """Reads what the headers of a request ask for; when off, nothing is asked."""

    def __init__(self, chance: random.Random, *, on: bool) -> None:
        self._chance = chance
        self._on = on

    def diverted(self, user: str, given: Assignment, headers: Mapping[str, str]) -> Assignment:
        """Return the arm that a user gets; a new user in treatment may lose it, for good."""
        if given.source is Source.COOKIE or given.arm is Arm.TREE:
            return given
        # By a hash of its own: the same user is diverted at every try, on every pod.
        unlucky = bucket_of(f"divert:{user}") < 100 * self._share(headers, DIVERT)
        return replace(given, arm=Arm.TREE) if unlucky else given

    def fails(self, arm: Arm, headers: Mapping[str, str]) -> bool:
        """Say whether this request is to be answered with 500."""
        treated = self._share(headers, FAIL_TREATMENT) if arm is Arm.LIST else 0.0
        return self._chance.random() < max(treated, self._share(headers, FAIL))

    def _share(self, headers: Mapping[str, str], name: str) -> float:
        if not self._on:
            return 0.0
        try:
            return float(headers.get(name, "0"))
        except ValueError:
            return 0.0
