"""A simulation and the services that trade give the same life, to the cent."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core import calendar
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, LedgerEntry, Portfolio, PortfolioValue
from app.quant.backtest.engine import simulate
from app.quant.backtest.rules import Fills, Timetable
from app.quant.backtest.simulation import Simulation
from app.quant.backtest.tape import ScoreTable
from app.quant.factors.score_history import score_history
from app.schemas.settings import DriftMode, OptimizerName, PortfolioSettings, StopAction
from app.services import replay, strategy
from app.services.tapes import tape_of
from tests.services import lives

CAPITAL = Decimal("100000.00")


def simulated(market: MarketSnapshot, settings: PortfolioSettings, since: date) -> Simulation:
    panel, first = market.panel, market.column(since)
    history = score_history(
        panel, market.facts, strategy.score_settings(settings), panel.sessions[first:]
    )
    weeks = calendar.first_session_of_each(calendar.Period.WEEK, panel.sessions)
    timetable = Timetable(
        first=first,
        last=len(panel) - 1,
        asks=np.isin(panel.sessions, weeks),
        interest_days=np.zeros(len(panel), np.int64),
    )
    return simulate(
        tape_of(market),
        ScoreTable.of(history, panel),
        strategy.trading_rules(settings, fills=Fills.NEXT_CLOSE),
        timetable,
        CAPITAL,
    )


async def replayed(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    settings: PortfolioSettings,
    since: date,
) -> Portfolio:
    portfolio, _ = await replay.open_replayed(
        session,
        market,
        owner_id=resources.owner_id,
        name=uuid4().hex,
        initial_capital=CAPITAL,
        settings=settings,
        since=since,
        now=lives.NOW,
    )
    return portfolio


async def require_same(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, simulation: Simulation
) -> None:
    """The same fills in the same order, and the same cash and value at every close."""
    query = (
        select(LedgerEntry)
        .where(LedgerEntry.portfolio_id == portfolio.id, LedgerEntry.order_id.is_not(None))
        .order_by(LedgerEntry.sequence)
    )
    booked = [
        (entry.session, entry.etf_id, entry.quantity, entry.price, entry.fee, entry.amount)
        for entry in await session.scalars(query)
    ]
    traded = [
        (
            market.panel.sessions[trade.column].item(),
            market.etfs[trade.row].id,
            trade.quantity,
            trade.price,
            trade.fee,
            trade.net,
        )
        for trade in simulation.all_trades()
        if trade.fee
    ]
    assert traded == booked
    values = select(PortfolioValue).where(PortfolioValue.portfolio_id == portfolio.id)
    marked = [
        (day.session, day.cash, day.positions_value)
        for day in await session.scalars(values.order_by(PortfolioValue.session))
    ]
    lived = [
        (day, Decimal(int(line["cash"])).scaleb(-2), Decimal(int(line["positions"])).scaleb(-2))
        for day, line in zip(simulation.sessions.tolist(), simulation.days, strict=True)
    ]
    assert lived == marked


RULES = {
    "equal weights": {},
    "mean and variance": {"optimizer": OptimizerName.MVO},
    "least variance, absolute bands": {
        "optimizer": OptimizerName.MINVAR,
        "drift_mode": DriftMode.ABSOLUTE,
        "drift_threshold": 0.01,
    },
    "ranks, relative bands, scored within classes": {
        "optimizer": OptimizerName.RANK_BASED,
        "min_weight": 0.0,
        "drift_mode": DriftMode.RELATIVE,
    },
    "fractions of shares": {"fractional_shares": True},
    "little volume": {"max_volume_share": 0.00002},
    "trailing stops": {"trailing_stop": True, "stop_loss_pct": 0.03, "use_vix_adjustment": False},
    "close stops": {"stop_loss_pct": 0.02, "use_vix_adjustment": False, "cooldown_sessions": 5},
    "stops that alert": {
        "stop_loss_pct": 0.02,
        "use_vix_adjustment": False,
        "stop_action": StopAction.ALERT,
    },
    "a drawdown that halves": {"drawdown_limit": 0.02, "drawdown_recovery": 0.005},
    "a drawdown that sells all": {
        "drawdown_limit": 0.02,
        "drawdown_recovery": 0.005,
        "reduced_exposure": 0.0,
    },
}


@pytest.mark.parametrize("changes", RULES.values(), ids=RULES.keys())
async def test_a_simulation_is_what_the_services_would_have_done(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    changes: dict[str, object],
) -> None:
    settings = lives.rules(**changes)
    since = lives.day(market, 45)
    portfolio = await replayed(session, market, resources, settings, since)
    simulation = simulated(market, settings, since)
    assert len(simulation.trades) >= 5
    await require_same(session, market, portfolio, simulation)


async def test_splits_dividends_and_closures_come_out_the_same(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    settings = lives.rules(hold_buffer=2.5)
    since = lives.day(market, 45)
    held = [trade.row for trade in simulated(market, settings, since).all_trades()][:4]
    tickers = [market.panel.tickers[row] for row in held]
    for number, (kind, value) in enumerate(
        [(ActionKind.SPLIT, "3"), (ActionKind.SPLIT, "0.4"), (ActionKind.DIVIDEND, "1.37")]
    ):
        market = await lives.with_action(
            session,
            market,
            tickers[number],
            kind,
            ex_date=lives.day(market, 30 - 4 * number),
            value=value,
        )
    for changes in (
        {},
        {"dividend_withholding": 0.15, "reinvest_dividends": True},
    ):
        rules = settings.model_copy(update=changes)
        portfolio = await replayed(session, market, resources, rules, since)
        simulation = simulated(market, rules, since)
        assert simulation.days["income"].sum() > 0
        await require_same(session, market, portfolio, simulation)
