"""What a probe asks of which pod, and what the answers mean."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import accumulate

from rampguard.core.ask import Arms, Ask
from rampguard.core.probe import Fault, Heard, Occasion, Probe, Question, Reply, Round
from rampguard.core.reasons import Reason

AGAIN = 100  # users whose arm is asked for again, at most
ENOUGH = 0.9  # of the new users have to be answered
TAIL = 0.0005  # of each end of the binomial: an interval of 99.9 %
EXAMPLES = 3
CONTROL, TREATMENT = "control", "treatment"

FIRST = 5  # requests that show whether a probe is right, before all others
PERCENT = 100

Answered = tuple[Question, Reply | str]  # a text says why there is none


def questions(probe: Probe, told: Round, pods: Sequence[str]) -> tuple[Question, ...]:
    """Return the requests of a round, spread evenly over the pods, each of which is asked.

    Where users have an identity, each is asked at two pods, but for the first few requests.
    """
    if not pods:
        return ()
    starts = told.occasion is Occasion.START
    users = range(told.users if starts else max(told.users, len(pods)))
    twice = probe.identity and len(pods) > 1 and not (starts and told.users <= FIRST)
    found = [Question(pods[n % len(pods)], told.number, n) for n in users]
    if twice:
        found += [Question(pods[(n + 1) % len(pods)], told.number, n) for n in users]
    found += [
        Question(pods[n % len(pods)], told.again_of, user) for n, user in enumerate(told.again)
    ]
    return tuple(found)


def judge(ask: Ask, told: Round, answered: Sequence[Answered], at: datetime) -> Heard:
    """Return what came of a round; ask has a probe and arms."""
    tally = _Tally(ask, told)
    for question, reply in answered:
        tally.take(question, reply)
    return tally.heard(at)


class _Tally:
    """Answers as they add up."""

    def __init__(self, ask: Ask, told: Round) -> None:
        self._ask, self._round = ask, told
        self._probe, self._arms = _asked(ask)
        self._new: dict[int, list[tuple[str, str]]] = defaultdict(list)  # user -> pod, arm
        self._old: dict[int, str] = {}
        self._pods: dict[str, bool] = {}  # whether it answered
        self._users: set[int] = set()
        self._silent = Counter[str]()
        self._split: list[str] = []
        self._values: dict[str, list[str]] = defaultdict(list)

    def take(self, question: Question, reply: Reply | str) -> None:
        """Take one answer in."""
        self._pods.setdefault(question.pod, False)
        if question.of == self._round.number:
            self._users.add(question.user)
        arm = reply if isinstance(reply, str) else self._arm(question, reply)
        if arm not in {CONTROL, TREATMENT}:
            if arm:
                self._silent[arm] += 1
            return
        self._pods[question.pod] = True
        if question.of == self._round.number:
            self._new[question.user].append((question.pod, arm))
        else:
            self._old[question.user] = arm

    def _arm(self, question: Question, reply: Reply) -> str:
        """Return which arm a reply says; another text says why it is none, empty: it is wrong."""
        if self._probe.value is not None:
            if reply.value is None:
                return f"nothing at {self._probe.value}, the app's own word on its value"
            if not _is_value(reply.value, self._round.share):
                self._values[self._shown(reply.value)].append(question.pod)
        said = {word for word in reply.arms if word is not None}
        names = {self._arms.control: CONTROL, self._arms.treatment: TREATMENT}
        missing = [
            spot for spot, word in zip(self._probe.arm, reply.arms, strict=True) if word is None
        ]
        if missing:
            return f"no arm at {missing[0]}"
        if len(said) > 1:
            shown = (word if word in names else self._shown(word) for word in sorted(said))
            self._split.append(f"{question.pod} says {' and '.join(shown)}")
            return ""
        (word,) = said
        both = f"{self._arms.control} nor {self._arms.treatment}"
        return names.get(word, f"arm {self._shown(word)} is neither {both}")

    def _shown(self, word: str) -> str:
        """Return a word of the app as it may be shown: not what only our headers can read."""
        if self._probe.headers_from is None or _number(word) is not None:
            return word
        return f"(a word of {len(word)} characters)"

    def heard(self, at: datetime) -> Heard:
        """Return what it all comes to."""
        first = {user: told[0][1] for user, told in self._new.items()}
        twice = [told for told in self._new.values() if len(told) > 1]
        treated = sum(arm == TREATMENT for arm in first.values())
        kept_arm = TREATMENT if self._ask.to > self._ask.origin else CONTROL
        left = sorted(user for user, arm in self._old.items() if arm != kept_arm)
        silent = self._silence(len(first))
        told = self._round
        starts = told.occasion is Occasion.START
        return Heard(
            number=told.number,
            occasion=told.occasion,
            share=told.share,
            at=at,
            users=len(first),
            treated=treated,
            pods=len(self._pods),
            agreed=sum(len({arm for _, arm in both}) == 1 for both in twice),
            stayed=len(self._old) - len(left),
            asked=len(self._users),
            faults=(
                *self._faults(twice),
                *(() if silent else self._mismatch(treated, len(first))),
                *self._lost(left, kept_arm),
            ),
            silent=silent,
            keep=tuple(sorted(u for u, arm in first.items() if arm == kept_arm))[:AGAIN]
            if starts and self._probe.identity
            else (),
        )

    def _faults(self, twice: Sequence[Sequence[tuple[str, str]]]) -> Iterator[Fault]:
        """Yield what single answers show, or two of one user."""
        share = self._round.share
        if self._split:
            text = f"{len(self._split)} answers say two arms at once: {_examples(self._split)}"
            yield Fault(Reason.CARRIERS_DISAGREE, text)
        if self._values:
            shown = (
                f"{_examples(pods)} said {value}{_hint(value, share)}"
                for value, pods in self._values.items()
            )
            said = _examples(shown, "; ")
            text = f"pods said that they run another value than {share}: {said}"
            yield Fault(Reason.WRONG_VALUE, text)
        apart = [both for both in twice if len({arm for _, arm in both}) > 1]
        if apart:
            shown = (" and ".join(f"{arm} on {pod}" for pod, arm in both) for both in apart)
            text = f"{len(apart)} of {len(twice)} users had two arms: {_examples(shown, '; ')}"
            yield Fault(Reason.NOT_STICKY, text)

    def _mismatch(self, treated: int, users: int) -> Iterator[Fault]:
        """Yield a share that chance does not explain; enough users were answered.

        Of fewer nothing follows: who got no answer may all have been in one arm.
        """
        told = self._round
        if told.occasion is not Occasion.START and not is_share(treated, users, told.share):
            text = (
                f"{_percent(treated, users)} of {users} new users in treatment,"
                f" want {_want(told.share, users)}"
            )
            yield Fault(Reason.ASSIGNMENT_MISMATCH, text)

    def _lost(self, left: Sequence[int], kept_arm: str) -> Iterator[Fault]:
        """Yield that users have lost an arm which the ramp does not take away."""
        if left:
            text = (
                f"{len(left)} of {len(self._old)} users who had {kept_arm} at"
                f" {self._ask.origin}% have lost it at {self._round.share}%"
            )
            yield Fault(Reason.NOT_MONOTONE, text)

    def _silence(self, users: int) -> str:
        """Say why too little was answered; empty: enough was."""
        mute = [pod for pod, spoke in self._pods.items() if not spoke]
        wrong = self._split or self._values
        if self._pods and not mute and users >= ENOUGH * len(self._users):
            return ""
        if wrong and not self._silent:
            return ""
        why = "; ".join(f"{text} ({count}x)" for text, count in self._silent.most_common(EXAMPLES))
        if not self._pods:
            return "there was no pod to ask"
        where = f"{len(mute)} of {len(self._pods)} pods gave no answer: " if mute else ""
        return f"{where}{why}" or f"{users} of {len(self._users)} users were answered"


def is_share(treated: int, users: int, share: int) -> bool:
    """Say whether a share in percent explains so many of so many users.

    They lie within the middle 99.9 % of the exact binomial distribution.
    """
    if users == 0:
        return True
    low, high = _middle(users, share)
    return low <= treated <= high


def _middle(users: int, share: int) -> tuple[int, int]:
    """Return the least and the greatest count within the middle of the binomial distribution."""
    p = share / 100
    if p in {0, 1}:
        return (0, 0) if p == 0 else (users, users)
    log = [
        math.lgamma(users + 1)
        - math.lgamma(k + 1)
        - math.lgamma(users - k + 1)
        + k * math.log(p)
        + (users - k) * math.log1p(-p)
        for k in range(users + 1)
    ]
    return _quantile(log), users - _quantile(log[::-1])


def _quantile(log: Sequence[float]) -> int:
    """Return the first count up to which more than a tail lies."""
    below = accumulate(map(math.exp, log))
    return next(count for count, mass in enumerate(below) if mass > TAIL)


def heard_text(heard: Heard) -> str:
    """Say what was heard, for people."""
    if heard.faults:
        return "; ".join(one.text for one in heard.faults)
    if heard.silent:
        return heard.silent
    if heard.occasion is Occasion.START:
        return f"{heard.users} of {heard.asked} users were answered at {heard.share}%"
    parts = [
        f"{_percent(heard.treated, heard.users)} of {heard.users} new users in treatment",
        f"want {_want(heard.share, heard.users)}",
        f"{heard.pods} pods asked",
    ]
    if heard.agreed:
        parts.append(f"{heard.agreed} users had the same arm on two pods")
    if heard.stayed:
        parts.append(f"{heard.stayed} kept the arm that they had before")
    return "; ".join(parts)


def heard_briefly(heard: Heard) -> str:
    """Say what was heard in a few words, for a finding."""
    if heard.faults:
        return f"probe {heard.faults[0].reason}"
    if heard.silent:
        return "probe unanswered"
    return f"probe {_percent(heard.treated, heard.users)} of {heard.users}"


def _want(share: int, users: int) -> str:
    low, high = _middle(users, share)
    return f"{share}% ({_percent(low, users)} .. {_percent(high, users)})"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _is_value(word: str, share: int) -> bool:
    """Say whether an app's word on its value is a percentage."""
    return _number(word) == share


def _hint(word: str, share: int) -> str:
    """Return what an app may have meant."""
    number = _number(word)
    meant = number is not None and number * PERCENT == share
    return " (a fraction: it has to be in percent)" if meant else ""


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _examples(lines: Collection[str] | Iterator[str], between: str = ", ") -> str:
    told = tuple(dict.fromkeys(lines))
    more = f" and {len(told) - EXAMPLES} more" if len(told) > EXAMPLES else ""
    return f"{between.join(told[:EXAMPLES])}{more}"


def _asked(ask: Ask) -> tuple[Probe, Arms]:
    if ask.probe is None or ask.arms is None:
        raise ValueError("a probe needs arms; the schema says so")
    return ask.probe, ask.arms
