import pytest
from hypothesis import given
from hypothesis import strategies as st
from skilltree.assignment import Arm, Source, arm_at, assign, bucket_of

ROLLOUTS = st.integers(0, 100)
USERS = st.text(min_size=1, max_size=50)


@given(USERS, ROLLOUTS, ROLLOUTS)
def test_whoever_is_treated_at_a_rollout_is_treated_at_every_higher_one(user, one, other) -> None:
    low, high = sorted((one, other))
    if assign(user, low).arm is Arm.LIST:
        assert assign(user, high).arm is Arm.LIST


@given(USERS, ROLLOUTS)
def test_a_user_gets_the_same_arm_at_every_try(user, rollout) -> None:
    assert assign(user, rollout) == assign(user, rollout)


@given(USERS, ROLLOUTS, st.sampled_from(Arm))
def test_a_cookie_wins_over_the_rollout(user, rollout, arm) -> None:
    kept = assign(user, rollout, arm.value)
    assert (kept.arm, kept.source) == (arm, Source.COOKIE)


@pytest.mark.parametrize("cookie", [None, "", "grid", "LIST", "list "])
def test_a_cookie_that_names_no_arm_is_none(cookie) -> None:
    assert assign("mia", 50, cookie) == assign("mia", 50)
    assert assign("mia", 50, cookie).source is Source.ASSIGNMENT


@given(USERS)
def test_nobody_is_treated_at_0_and_everybody_at_100(user) -> None:
    assert assign(user, 0).arm is Arm.TREE
    assert assign(user, 100).arm is Arm.LIST


@pytest.mark.parametrize("rollout", [1, 10, 25, 50, 90, 99])
def test_the_share_in_treatment_is_the_rollout(rollout) -> None:
    treated = sum(assign(f"u-{n}", rollout).arm is Arm.LIST for n in range(20_000))
    assert treated / 20_000 == pytest.approx(rollout / 100, abs=0.012)


def test_every_bucket_is_used_alike() -> None:
    sizes = [0] * 100
    for n in range(50_000):
        sizes[bucket_of(f"u-{n}")] += 1
    assert min(sizes) > 400
    assert max(sizes) < 600


def test_a_bucket_is_for_good() -> None:
    """A release that moved users to other buckets would mix the arms of running experiments."""
    assert [bucket_of(user) for user in ("a", "mia", "u-1")] == [66, 84, 47]


def test_the_bucket_at_the_rollout_is_in_control() -> None:
    assert [arm_at(bucket, 10) for bucket in (9, 10)] == [Arm.LIST, Arm.TREE]
