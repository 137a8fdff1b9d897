"""However a portfolio is looked at, it is worth the same to the cent."""

from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, EntryKind, LedgerEntry, Portfolio, PortfolioValue
from app.schemas.performance_asked import PerformanceAsked
from app.services import overview, performance, replay, valuation
from app.services.ledger import read_holdings
from tests.services import lives
from tests.services.lives import NOW


async def with_events(session: AsyncSession, market: MarketSnapshot) -> MarketSnapshot:
    """Every ETF splits and pays a dividend, at different times."""
    for number, etf in enumerate(market.etfs):
        market = await lives.with_action(
            session,
            market,
            etf.ticker,
            ActionKind.DIVIDEND,
            ex_date=lives.day(market, 5 + number),
            value="0.37",
        )
        market = await lives.with_action(
            session,
            market,
            etf.ticker,
            ActionKind.SPLIT,
            ex_date=lives.day(market, 12 + number),
            value=("1.5", "3", "0.333333")[number % 3],
        )
    return market


async def lived(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, *, fractional: bool
) -> Portfolio:
    portfolio, replayed = await replay.open_replayed(
        session,
        market,
        owner_id=resources.owner_id,
        name=f"lived {fractional}",
        initial_capital=Decimal("100000.00"),
        settings=lives.rules(fractional_shares=fractional),
        since=lives.day(market, 60),
        now=NOW,
    )
    assert replayed.rebalances
    return portfolio


async def agrees(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> None:
    shown = await overview.detail(session, market, portfolio, now=NOW)
    measured = await performance.measure(session, market, portfolio, PerformanceAsked(), now=NOW)
    holdings = await read_holdings(session, portfolio.id)
    worth = valuation.value(market, portfolio.cash, holdings.values(), market.latest_session)
    written = await session.scalar(
        select(PortfolioValue.cash + PortfolioValue.positions_value).where(
            PortfolioValue.portfolio_id == portfolio.id,
            PortfolioValue.session == market.latest_session,
        )
    )
    totals = {shown.total_value, measured.end_value, measured.series[-1].value, worth.total}
    assert totals == {written}
    ledger_sum = await session.scalar(
        select(func.sum(LedgerEntry.amount)).where(LedgerEntry.portfolio_id == portfolio.id)
    )
    assert ledger_sum == portfolio.cash == shown.cash
    assert shown.pnl == measured.profit


async def test_all_that_show_a_value_agree_to_the_cent(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    eventful = await with_events(session, market)
    for fractional in (False, True):
        portfolio = await lived(session, eventful, resources, fractional=fractional)
        kinds = {row[1] for row in await lives.entries(session, portfolio)}
        assert {EntryKind.SPLIT, EntryKind.DIVIDEND} <= kinds
        await agrees(session, eventful, portfolio)


async def test_a_correction_of_the_past_is_seen_alike_before_and_after_it_is_booked(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await lived(session, market, resources, fractional=False)
    await agrees(session, market, portfolio)
    eventful = await with_events(session, market)
    shown = await overview.detail(session, eventful, portfolio, now=NOW)
    measured = await performance.measure(session, eventful, portfolio, PerformanceAsked(), now=NOW)
    assert shown.total_value == measured.end_value
    assert shown.pnl == measured.profit
