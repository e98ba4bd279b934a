"""Records of whole ramps, walked on the fakes."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from crash.harness import Process, begin, walk
from crash.story import NAME, STORIES
from rampguard.api.members import Member
from rampguard.api.record import Head, Tape
from rampguard.core.ask import Ref
from rampguard.core.decide import decide
from rampguard.core.model import Observation, State
from rampguard.core.replay import Record, replayed
from scenes import T, before, plan

UID = "6d0f1c1e-0000-4000-8000-000000000001"


@dataclass
class Kept:
    """Implements ports.Recorder; keeps what it is given."""

    records: list[tuple[Ref, str, Record]] = field(default_factory=list)

    def append(self, ref: Ref, uid: str, record: Record) -> None:
        self.records.append((ref, uid, record))


async def walked(story: str) -> list[Record]:
    """Return what the recorder is given while a ramp goes through a story to its end."""
    process, kept = Process(begin(STORIES[story])), Kept()
    process.world = replace(process.world, recorder=kept)
    async for _ in walk(process):
        pass
    return [record for _, _, record in kept.records]


def one(after: timedelta = timedelta(0), *, state: State | None = None, **seen: object) -> Record:
    """Return the record of one pass of a ramp that may start, some time after T."""
    our, state = plan(), state or State()
    saw: Observation = replace(before(), now=T + after, **seen)
    made = decide(our, state, saw)
    return replayed(Record(ask=our.ask, tempo=our.tempo, before=state, seen=saw, decision=made))


def written(records: list[Record], ref: Ref = NAME, uid: str = UID) -> bytes:
    """Return the file of some records."""
    head = Head(operator="1.2.3", ramp=ref, uid=uid, at=records[0].seen.now)
    tape, member = Tape(head), Member()
    told = [tape.head, *map(tape.line, records)]
    return b"".join(map(member.add, told)) + member.end()
