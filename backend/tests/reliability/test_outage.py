"""PostgreSQL stopped and started under load."""

import asyncio
import signal
import time

import pytest

from tests.reliability import audit
from tests.reliability.installation import Installation, wait_until
from tests.reliability.instructions import Kind
from tests.reliability.journal import Answer
from tests.reliability.load import Load, under_load

SEED = 20251123
SECONDS_AWAY = 5.0
PROMISED_SECONDS = 2.0
PROMISED_SHARE = 0.95
SECONDS_TO_RECOVER = 10.0
TWIN = (409, "1")
"""The status and Retry-After of a request whose first sending with the same key still runs."""


def while_away(load: Load, since: float, until: float) -> list[Answer]:
    """What was answered to correct requests that were sent and answered while it was away."""
    return [
        answer
        for record in load.journal.records.values()
        for answer in record.answers
        if record.instruction.kind is not Kind.FAULTY
        if answer.sent_at > since and answer.sent_at + answer.seconds < until
    ]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
async def test_without_its_database_it_says_503_in_time_and_recovers_by_itself(
    installation: Installation, how: signal.Signals
) -> None:
    api, database = installation.api, installation.database
    server = api.pid
    async with under_load(installation, f"away {how.name}", SEED + how) as load:
        await load.acknowledges(100)
        await asyncio.to_thread(database.stop, how)
        since = time.monotonic()
        seen = set()
        while time.monotonic() < since + SECONDS_AWAY:
            statuses = [await asyncio.to_thread(api.status, p) for p in ("/health", "/ready")]
            seen.add(tuple(statuses))
            await asyncio.sleep(0.2)
        until = time.monotonic()
        await asyncio.to_thread(database.start)
        await asyncio.to_thread(
            wait_until, lambda: api.status("/ready") == 200, "readiness", SECONDS_TO_RECOVER
        )
        await asyncio.wait_for(load.acknowledges(100), SECONDS_TO_RECOVER)
    answers = while_away(load, since, until)
    assert seen == {(200, 503)}
    assert len(answers) > 100
    assert {(answer.status, answer.retry_after) for answer in answers} <= {(503, "1"), TWIN}
    in_time = sum(answer.seconds <= PROMISED_SECONDS for answer in answers)
    assert in_time >= PROMISED_SHARE * len(answers)
    assert api.pid == server
    assert audit.findings(installation, load.journal) == []
    assert installation.unforeseen_errors() == 0
