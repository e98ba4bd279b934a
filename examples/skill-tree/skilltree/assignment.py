"""Puts users into an arm: by the arm that they already have, else by a hash of who they are."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

EXPERIMENT = "skill_tree_layout"
COOKIE = f"exp_{EXPERIMENT}"
HEADER = "X-Experiment-Skill-Tree-Layout"
BUCKETS = 100


class Arm(StrEnum):
    """What a user sees: the tree as ever (control), or a flat list (treatment)."""

    TREE = "tree"
    LIST = "list"


class Source(StrEnum):
    """Why a user has an arm: drawn now, or kept from before."""

    ASSIGNMENT = "assignment"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The arm of one user, and where it comes from."""

    arm: Arm
    source: Source
    bucket: int


def bucket_of(user: str) -> int:
    """Return the bucket of a user, 0 to 99: the same in every process, at every rollout."""
    digest = hashlib.sha256(f"{EXPERIMENT}:{user}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def arm_at(bucket: int, rollout: int) -> Arm:
    """Return the arm of a bucket; whoever is treated at 10 is treated at 50."""
    return Arm.LIST if bucket < rollout else Arm.TREE


def assign(user: str, rollout: int, cookie: str | None = None) -> Assignment:
    """Return the arm of a user; a cookie that names an arm wins over the rollout."""
    bucket = bucket_of(user)
    if cookie in set(Arm):
        return Assignment(Arm(cookie), Source.COOKIE, bucket)
    return Assignment(arm_at(bucket, rollout), Source.ASSIGNMENT, bucket)
