"""The state machine, in shards that workers take one each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from app.services import checking
from tests import servers
from tests.statemachine import world
from tests.statemachine.machine import Books
from tests.statemachine.world import World

SHARDS = 4
EXAMPLES, STEPS = 500, 50
LONG_EXAMPLES, LONG_STEPS = 20_000, 100

REACHED = """
    SELECT DISTINCT kind FROM ledger_entries
    UNION SELECT DISTINCT state FROM orders
    UNION SELECT DISTINCT order_type FROM orders
    UNION SELECT DISTINCT origin FROM orders
    """
MUST_BE_REACHED = frozenset(
    {"deposit", "withdrawal", "buy", "sell", "fee", "interest", "tax", "dividend", "split"}
    | {"filled", "cancelled", "rejected", "expired", "accepted"}
    | {"market", "limit", "stop", "stop_limit"}
    | {"user", "rebalance", "stop"}
)


@pytest.fixture
def opened(fresh_database_url: str, redis_url: str, tmp_path: Path) -> Iterator[World]:
    with world.opened(fresh_database_url, redis_url, tmp_path) as found:
        yield found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_book_is_what_exact_arithmetic_says(opened: World, shard: int, *, long: bool) -> None:
    examples, steps = (LONG_EXAMPLES, LONG_STEPS) if long else (EXAMPLES, STEPS)
    examples //= SHARDS

    class Shard(Books):
        world = opened

    if servers.ENVIRONMENT.get("CI"):
        seed(shard)(Shard)
    run_state_machine_as_test(
        Shard,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
            deadline=None,
        ),
    )
    opened.run(all_books_are_clean(opened))
    assert opened.steps >= examples * steps * 0.9  # Some draws ask for nothing.
    assert {each for (each,) in opened.rows(REACHED)} >= MUST_BE_REACHED


async def all_books_are_clean(opened: World) -> None:
    """P5: replayed from their ledgers, all books are what is kept."""
    async with opened.sessions() as session:
        report = await checking.check(session)
    assert report.findings == ()
    assert report.portfolios >= opened.examples > 0
