"""The server killed and PostgreSQL restarted in the middle of everything."""

from random import Random

import pytest

from tests.reliability import audit
from tests.reliability.installation import Installation
from tests.reliability.load import faults, harm, under_load

SEED = 20251122


@pytest.mark.timeout(900)
async def test_twenty_kills_and_five_restarts_lose_double_and_invent_nothing(
    installation: Installation, *, long: bool
) -> None:
    kills, restarts = (200, 50) if long else (20, 5)
    random = Random(SEED)
    async with under_load(installation, "killed", SEED) as load:
        chosen = faults(kills=kills, restarts=restarts, random=random)
        await harm(installation, load, chosen, random)
    assert load.journal.acknowledged > len(chosen)
    assert audit.findings(installation, load.journal) == []
    assert installation.unforeseen_errors() == 0
    checked = installation.command("db", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
