"""Incident checks that answer what a test wants."""

from dataclasses import dataclass, field

from rampguard.ports import Answer, Unavailable


@dataclass
class FakeChecks:
    """Implements ports.Checks. answers: by name; a text is why there is no answer."""

    answers: dict[str, Answer | str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def ask(self, name: str) -> Answer:
        self.asked.append(name)
        known = ", ".join(sorted(self.answers)) or "none"
        told = self.answers.get(
            name, f"no incident check has the name {name!r}; there are: {known}"
        )
        if isinstance(told, str):
            raise Unavailable(told)
        return told
