"""What is kept, and told once, of what people vouch for and of what they override."""

from dataclasses import replace

from rampguard.core.decide import decide
from rampguard.core.model import (
    State,
    Verdict,
)
from rampguard.core.reasons import Reason
from rampguard.core.require import (
    Answer,
    Override,
    Required,
)
from require_scenes import (
    ALL,
    FIRES,
    GONE,
    LINKS,
    OVERRIDDEN,
    OVERRIDE,
    SEV1,
    STRICT,
    WIKI,
    asked,
    found,
    smoke,
    soak,
)
from scenes import (
    HOUR,
    MINUTE,
    before,
    plan,
    soaking,
    state,
    told,
)

KEPT = "AlertsFiring overridden by @mia: alert X is known, INC-12"


def test_links_and_overrides_are_kept_at_the_start() -> None:
    require = replace(LINKS, no_firing_alerts=SEV1, override=OVERRIDE)
    decision = decide(asked(require), State(), before(required=Required(alerts=("Down",))))
    links = (f"smoke test: {WIKI}test", f"no open incident: {WIKI}none")
    assert decision.state.vouched == (*links, KEPT)
    (one,) = told(decision, Reason.OVERRIDDEN)
    assert one.warning
    assert one.message == f"{KEPT} (alerts with {SEV1} fire: Down)"


def test_each_thing_that_is_overridden_has_its_line_once() -> None:
    twice = asked(replace(STRICT, override=OVERRIDE))
    saw = smoke(breached=True, conclusive=False)
    decision = decide(twice, State(), saw)
    assert decision.state.vouched == (
        "SmokeTestMissing overridden by @mia: alert X is known, INC-12",
        "SmokeTestInconclusive overridden by @mia: alert X is known, INC-12",
    )
    assert len(told(decision, Reason.OVERRIDDEN)) == 2


def test_what_breaks_beside_an_override_is_overridden_too() -> None:
    first = soak(OVERRIDDEN, after=HOUR, required=FIRES)
    both = replace(FIRES, incidents=Answer(500))
    again = soak(OVERRIDDEN, after=HOUR + MINUTE, required=both, was=first.state)
    assert again.state.vouched == (KEPT, KEPT.replace("AlertsFiring", "IncidentOpen"))
    (one,) = told(again, Reason.OVERRIDDEN)
    assert one.message.startswith("IncidentOpen")


def test_another_reason_is_another_override() -> None:
    first = soak(OVERRIDDEN, after=HOUR, required=FIRES)
    other = replace(ALL, override=Override("@ada", "still known"))
    again = soak(other, after=HOUR + MINUTE, required=FIRES, was=first.state)
    assert again.state.vouched == (KEPT, "AlertsFiring overridden by @ada: still known")


def test_of_very_many_overrides_the_first_are_kept_and_each_is_told() -> None:
    was, said = state(soaking()), 0
    for number in range(20):
        of = replace(ALL, override=Override("@mia", f"INC-{number}"))
        for _ in range(2):
            decision = soak(of, after=HOUR + number * MINUTE, required=FIRES, was=was)
            was, said = decision.state, said + len(told(decision, Reason.OVERRIDDEN))
    assert said == 20
    assert len(was.vouched) == 10
    assert was.vouched[-1] == "AlertsFiring overridden by @mia: INC-9"


def test_an_override_that_was_not_needed_is_not_kept() -> None:
    decision = decide(asked(OVERRIDDEN), State(), found())
    assert decision.state.vouched == ()
    assert told(decision, Reason.OVERRIDDEN) == ()


def test_without_requirements_nothing_is_kept() -> None:
    assert decide(plan(), State(), before()).state.vouched == ()


def test_an_override_in_a_soak_is_kept_and_told_once() -> None:
    held = soak(after=HOUR, required=FIRES)
    first = soak(OVERRIDDEN, after=HOUR + MINUTE, required=FIRES, was=held.state)
    again = soak(OVERRIDDEN, after=HOUR + 2 * MINUTE, required=FIRES, was=first.state)
    assert (len(told(first, Reason.OVERRIDDEN)), told(again, Reason.OVERRIDDEN)) == (1, ())
    assert again.state.vouched == (KEPT,)


def test_what_a_soak_looks_at_no_more_needs_no_override() -> None:
    decision = soak(OVERRIDDEN, after=HOUR, required=GONE)
    assert (told(decision, Reason.OVERRIDDEN), decision.state.vouched) == ((), ())


def test_a_finding_keeps_what_was_vouched_for_until_then() -> None:
    was = state(soaking(), vouched=("smoke test: x",))
    decision = soak(OVERRIDDEN, after=HOUR, required=FIRES, was=was)
    assert [f.vouched for f in decision.state.findings] == [1]
    later = soak(OVERRIDDEN, after=6 * HOUR, required=FIRES, was=decision.state)
    assert later.state.findings[-1].vouched == 2
    assert later.state.vouched == ("smoke test: x", KEPT)


def test_a_breach_keeps_it_too() -> None:
    was = state(soaking(), vouched=("smoke test: x",))
    decision = soak(after=10 * MINUTE, share=Verdict.BREACHED, was=was)
    assert [f.vouched for f in decision.state.findings] == [1]
