"""The skills, in the two layouts that the experiment compares."""

from dataclasses import dataclass

from skilltree.assignment import Arm


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill, and what builds on it."""

    name: str
    above: tuple["Skill", ...] = ()


ROOT = Skill(
    "arithmetic",
    (
        Skill("fractions", (Skill("ratios"), Skill("percentages"))),
        Skill("equations", (Skill("functions", (Skill("derivatives"),)), Skill("inequalities"))),
        Skill("geometry", (Skill("trigonometry"),)),
    ),
)


def flat(skill: Skill) -> list[str]:
    """Return a skill and all above it, in the order of learning."""
    return [skill.name] + [name for one in skill.above for name in flat(one)]


def nested(skill: Skill) -> dict[str, object]:
    """Return a skill with those above it inside."""
    return {"name": skill.name, "above": [nested(one) for one in skill.above]}


NAMES = frozenset(flat(ROOT))
LAYOUTS: dict[Arm, object] = {Arm.TREE: nested(ROOT), Arm.LIST: flat(ROOT)}
