"""What the clients sent and what they read: the only source for what must be in the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.reliability.instructions import Instruction

UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read whole."""

    status: int
    body: bytes
    retry_after: str | None
    sent_at: float
    """By the clock of time.monotonic."""
    seconds: float

    @property
    def acknowledges(self) -> bool:
        return 200 <= self.status < 300

    @property
    def asks_to_repeat(self) -> bool:
        return self.retry_after is not None or self.status == 408

    @property
    def refuses(self) -> bool:
        return 400 <= self.status < 500 and not self.asks_to_repeat


@dataclass(slots=True)
class Record:
    """An instruction and what came of it."""

    instruction: Instruction
    answers: list[Answer] = field(default_factory=list)
    unread: int = 0
    """How often it was sent without an answer being read."""

    @property
    def acknowledged(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.acknowledges)

    @property
    def settled(self) -> bool:
        return any(answer.acknowledges or answer.refuses for answer in self.answers)

    @property
    def certainly_refused(self) -> bool:
        """Every attempt was answered, and every answer says that nothing was done.

        Otherwise an attempt whose answer nobody read may have been carried out after all.
        """
        return not self.unread and all(answer.refuses for answer in self.answers)


@dataclass(slots=True)
class Journal:
    """All records of a run, by key, and the answers that no record has a place for."""

    records: dict[str, Record] = field(default_factory=dict)
    misused: list[Answer] = field(default_factory=list)
    """The answers to another body under a key that had been acknowledged."""
    cut: int = 0
    carried_out: set[str] = field(default_factory=set)
    """The keys of which the client has read that they were carried out."""

    def record(self, instruction: Instruction) -> Record:
        return self.records.setdefault(instruction.key, Record(instruction))

    def note(self, record: Record, answer: Answer) -> None:
        record.answers.append(answer)
        if answer.acknowledges:
            self.carried_out.add(record.instruction.key)

    def answers(self) -> Iterator[Answer]:
        for record in self.records.values():
            yield from record.answers

    @property
    def acknowledged(self) -> int:
        return len(self.carried_out)

    @property
    def refused(self) -> int:
        return sum(record.settled and not record.acknowledged for record in self.records.values())

    @property
    def repeated(self) -> int:
        """How often an instruction was sent beyond its first time."""
        return sum(len(r.answers) + r.unread - 1 for r in self.records.values())

    def unsettled(self) -> list[str]:
        return [key for key, record in self.records.items() if not record.settled]

    def unforeseen(self) -> list[Answer]:
        """Answers that are neither success, nor a refusal, nor 503 with Retry-After."""
        return [
            answer
            for answer in (*self.answers(), *self.misused)
            if answer.status >= 500 and (answer.status, answer.retry_after) != (UNAVAILABLE, "1")
        ]
