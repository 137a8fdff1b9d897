"""A portfolio that is emptied on its fifth day, filled again on its tenth and emptied for good.

5,000 of 10,000 USD are in AAA from day 0 to day 3; 10,050 USD are paid out on day 4. 5,000 USD come
in on day 9, 40 AAA are held to day 11, and 5,040 USD are paid out on day 12. CCC is the benchmark.
"""

from collections.abc import AsyncIterator, Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.schemas.performance_asked import PerformanceAsked
from app.services import attribution, backtest_running, performance
from tests.services import scenes
from tests.services.past_books import NOW, book, deposit, trade
from tests.services.scenes import Scene
from tests.services.test_performance_by_hand import BEFORE, CCC, DAYS, bars

AAA = [100, 102, 104, 101, 103, 105, 106, 54, 55, 53, 52, 54, 56]
VALUES = [10_000, 10_100, 10_200, 10_050, 0, 0, 0, 0, 0, 5_000, 4_960, 5_040, 0]
WITH_MONEY = [0, 1, 2, 3, 9, 10, 11]

close: Callable[..., Any] = pytest.approx


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    backtest_running.load_engine()


@pytest.fixture
async def session(resources: Resources) -> AsyncIterator[AsyncSession]:
    async with scenes.undone(resources) as session:
        yield session


@pytest.fixture
async def scene(session: AsyncSession, market: MarketSnapshot, resources: Resources) -> Scene:
    scene = await scenes.scene(
        session,
        market,
        resources.owner_id,
        {"AAA": bars(AAA), "BBB": bars(AAA), "CCC": bars(CCC)},
        capital="10000.00",
        benchmark="CCC",
    )
    first = trade(scene.market, "AAA", 50, scene.day(0))
    await book(session, scene.portfolio, first, trade(scene.market, "AAA", -50, scene.day(3)))
    await book(session, scene.portfolio, deposit("-10050", scene.day(4)))
    again = trade(scene.market, "AAA", 40, scene.day(9))
    await book(session, scene.portfolio, deposit("5000", scene.day(9)), again)
    await book(session, scene.portfolio, trade(scene.market, "AAA", -40, scene.day(11)))
    await book(session, scene.portfolio, deposit("-5040", scene.day(12)))
    await scene.settle(12)
    return scene


async def test_time_without_money_counts_for_nobody(session: AsyncSession, scene: Scene) -> None:
    answer = await performance.measure(
        session, scene.market, scene.portfolio, PerformanceAsked(window=5), now=NOW
    )
    assert [point.value for point in answer.series] == [Decimal(each) for each in VALUES]
    told = [day for day, point in enumerate(answer.series) if point.daily_return is not None]
    assert told == WITH_MONEY
    mine, theirs = 1.005 * 5_040 / 5_000, 1.01 * 105 / 103
    # 10 to 16 June, and 24 to 27 June
    assert answer.metrics.total_return == close(mine - 1, rel=1e-12)
    assert answer.metrics.cagr == close(mine ** (365.25 / 9) - 1, rel=1e-9)
    shown = answer.benchmark
    assert shown is not None
    assert shown.total_return == close(theirs - 1, rel=1e-12)
    # It begins at the close of the first day.
    assert shown.cagr == close(theirs ** (365.25 / 8) - 1, rel=1e-9)
    assert (answer.start, answer.end) == (BEFORE, DAYS[-1])


async def test_attribution_is_against_the_same_sessions(
    session: AsyncSession, scene: Scene
) -> None:
    asked = PerformanceAsked(window=5)
    answer = await performance.measure(session, scene.market, scene.portfolio, asked, now=NOW)
    parts = await attribution.attribute(session, scene.market, scene.portfolio, now=NOW)
    assert parts.total == close(answer.metrics.total_return, rel=1e-10)
    assert parts.asset_classes is not None
    assert answer.benchmark is not None
    theirs = answer.benchmark.total_return
    assert parts.asset_classes.benchmark_return == close(theirs, rel=1e-10)


async def test_money_has_earned_what_its_rate_makes_of_the_days_it_was_there(
    session: AsyncSession, scene: Scene
) -> None:
    """11 to 17 June, and 25 to 30 June: flows are dated by their sessions."""
    answer = await performance.measure(
        session, scene.market, scene.portfolio, PerformanceAsked(window=5), now=NOW
    )
    paid = {DAYS[0]: -10_000, DAYS[4]: 10_050, DAYS[9]: -5_000, DAYS[12]: 5_040}
    rate = answer.money_weighted.rate
    assert rate is not None
    assert worth(paid, rate) == close(0, abs=1e-6)
    assert answer.money_weighted.over_period == close((1 + rate) ** (11 / 365) - 1, rel=1e-12)


def worth(paid: dict[date, int], rate: float) -> float:
    return sum(amount / (1 + rate) ** ((day - DAYS[0]).days / 365) for day, amount in paid.items())
