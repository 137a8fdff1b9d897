"""A client on a bad line: sends twice, hangs up, and repeats with the same key until it knows."""

import asyncio
import math
import time
from enum import Enum, auto
from random import Random

import httpx2

from tests.reliability.installation import HOST
from tests.reliability.instructions import Instruction, Kind
from tests.reliability.journal import Answer, Journal, Record

SECONDS_FOR_AN_ANSWER = 20.0
LONGEST_PAUSE = 0.1
LONGEST_PAUSE_WITHOUT_SERVER = 1.0
TWINS = 3


class Manner(Enum):
    """How an instruction is sent at first; afterwards it is repeated until it is settled."""

    ONCE = auto()
    TWINS = auto()
    """Several times at once."""
    UNREAD = auto()
    """Whole, and hung up before the answer."""
    HALF = auto()
    """Hung up in the middle of the body."""
    AGAIN = auto()
    """Once more after it was acknowledged, and once with another body."""


SHARE = {
    Manner.ONCE: 60,
    Manner.TWINS: 12,
    Manner.UNREAD: 12,
    Manner.HALF: 6,
    Manner.AGAIN: 10,
}


class Client:
    """One of many; each has connections of its own.

    It repeats what is not settled until `patient_until`, by the clock of time.monotonic.
    """

    def __init__(self, port: int, journal: Journal, random: Random) -> None:
        self.patient_until = math.inf
        self._port = port
        self._journal = journal
        self._random = random
        self._http = httpx2.AsyncClient(
            base_url=f"http://{HOST}:{port}",
            timeout=SECONDS_FOR_AN_ANSWER,
            verify=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def settle(self, instruction: Instruction) -> Record:
        """Send it in some manner, and again until it is acknowledged or refused for good."""
        record = self._journal.record(instruction)
        manner = self._random.choices(tuple(SHARE), tuple(SHARE.values()))[0]
        if manner is Manner.TWINS:
            await asyncio.gather(*(self.send(record) for _ in range(TWINS)))
        if manner is Manner.UNREAD:
            await self.hang_up(record, after=1.0)
        if manner is Manner.HALF:
            await self.hang_up(record, after=self._random.random())
        await self.repeat(record)
        if manner is Manner.AGAIN:
            await self.send(record)
            await self._misuse(record)
        return record

    async def repeat(self, record: Record) -> None:
        while not record.settled and time.monotonic() < self.patient_until:
            answer = await self.send(record)
            pause = LONGEST_PAUSE_WITHOUT_SERVER if answer is None else LONGEST_PAUSE
            if not record.settled:
                await asyncio.sleep(self._random.uniform(0, pause))

    async def send(self, record: Record) -> Answer | None:
        """Send it once and read the answer; None if there was none to read."""
        instruction = record.instruction
        answer = await self._post(instruction, instruction.body)
        if answer is None:
            record.unread += 1
        else:
            self._journal.note(record, answer)
        return answer

    async def hang_up(self, record: Record, *, after: float) -> None:
        """Send this fraction of the body and reset the connection, at once or a little later."""
        record.unread += 1
        self._journal.cut += 1
        instruction = record.instruction
        head = (
            f"POST {instruction.path} HTTP/1.1\r\nHost: {HOST}:{self._port}\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: {instruction.key}\r\n"
            f"Content-Length: {len(instruction.body)}\r\n\r\n"
        )
        try:
            _, writer = await asyncio.open_connection(HOST, self._port)
        except OSError:
            return
        writer.write(head.encode() + instruction.body[: int(len(instruction.body) * after)])
        await asyncio.sleep(self._random.choice((0.0, 0.002, 0.02)))
        writer.transport.abort()

    async def _misuse(self, record: Record) -> None:
        """Send another body under the key, which must be refused if the key is taken."""
        if record.acknowledged and record.instruction.kind is not Kind.FAULTY:
            answer = await self._post(record.instruction, record.instruction.otherwise)
            if answer is not None:
                self._journal.misused.append(answer)

    async def _post(self, instruction: Instruction, body: bytes) -> Answer | None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": instruction.key}
        sent_at = time.monotonic()
        try:
            response = await self._http.post(instruction.path, content=body, headers=headers)
        except httpx2.TransportError:
            return None
        return Answer(
            response.status_code,
            response.content,
            response.headers.get("retry-after"),
            sent_at,
            time.monotonic() - sent_at,
        )
