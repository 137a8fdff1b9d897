"""A replayed portfolio and the simulation of the same life have the same book over time."""

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, Portfolio
from app.quant.backtest.holdings import book_over_time
from app.quant.backtest.simulation import Simulation
from app.quant.book_over_time import BookOverTime
from app.services import books_over_time, history
from tests.services import lives
from tests.services.test_simulated_lives import replayed, simulated

CENT = 2e-7
"""Of 100,000 USD: values of single positions are rounded where the simulation rounds them once."""


async def books(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    simulation: Simulation,
) -> tuple[BookOverTime, BookOverTime]:
    """From the ledger, without the day on which the money came, and from the simulation."""
    lived = await history.read(session, market, portfolio)
    return books_over_time.of_history(market, lived).since(1), book_over_time(simulation)


def require_equal(live: BookOverTime, made: BookOverTime) -> None:
    assert live.tickers == made.tickers
    np.testing.assert_array_equal(live.dates, made.dates)
    np.testing.assert_array_equal(live.rows, made.rows)
    np.testing.assert_allclose(live.returns, made.returns, atol=1e-12)
    np.testing.assert_allclose(live.costs, made.costs, atol=1e-12)
    np.testing.assert_allclose(live.weights, made.weights, atol=CENT)
    np.testing.assert_allclose(live.contributions, made.contributions, atol=CENT)
    np.testing.assert_array_equal(live.present, made.present)
    assert np.abs(made.cash).max() < 10 * CENT


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fractional_shares": True},
        {"stop_loss_pct": 0.02, "use_vix_adjustment": False, "cooldown_sessions": 5},
        {"drawdown_limit": 0.02, "drawdown_recovery": 0.005, "reduced_exposure": 0.0},
    ],
    ids=["plain", "fractions", "stops", "all sold"],
)
async def test_a_life_is_the_same_from_its_ledger_and_from_its_simulation(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    changes: dict[str, object],
) -> None:
    settings, since = lives.rules(**changes), lives.day(market, 45)
    portfolio = await replayed(session, market, resources, settings, since)
    simulation = simulated(market, settings, since)

    require_equal(*await books(session, market, portfolio, simulation))


async def test_splits_and_dividends_do_not_part_them(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    settings, since = lives.rules(hold_buffer=2.5), lives.day(market, 45)
    held = [trade.row for trade in simulated(market, settings, since).all_trades()][:3]
    actions = [(ActionKind.SPLIT, "3"), (ActionKind.SPLIT, "0.4"), (ActionKind.DIVIDEND, "1.37")]
    for number, (kind, value) in enumerate(actions):
        ticker = market.panel.tickers[held[number]]
        day = lives.day(market, 30 - 4 * number)
        market = await lives.with_action(session, market, ticker, kind, ex_date=day, value=value)
    changes = {"dividend_withholding": 0.15, "reinvest_dividends": True}
    settings = settings.model_copy(update=changes)
    portfolio = await replayed(session, market, resources, settings, since)
    simulation = simulated(market, settings, since)

    assert simulation.days["income"].sum() > 0
    require_equal(*await books(session, market, portfolio, simulation))
