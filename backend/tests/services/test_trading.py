"""Batches of orders: sales first, purchases within the cash there is, every line accounted for."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.errors import PortfolioClosed
from app.market_data.snapshot import MarketSnapshot
from app.models import OrderOrigin, Portfolio, PortfolioStatus
from app.quant.book import ProposedOrder
from app.quant.costs import Side
from app.schemas.settings import default_settings
from app.services import ledger, portfolios, pricing, trading
from app.services.desk import Batch, LineStatus
from app.services.order_life import id_of
from tests.services import lives
from tests.small_market import CLOSED, SILENT

NOW = datetime(2025, 7, 1, 9, tzinfo=UTC)


@pytest.fixture
async def portfolio(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> Portfolio:
    return await portfolios.create(
        session,
        market,
        owner_id=resources.owner_id,
        name=uuid4().hex,
        initial_capital=Decimal(10000),
        settings=default_settings(resources.settings),
        now=NOW,
    )


def proposed(market: MarketSnapshot, ticker: str, side: Side, quantity: str) -> ProposedOrder:
    amount = Decimal(0)
    return ProposedOrder(
        ticker, side, Decimal(quantity), Decimal(1), amount, amount, amount, "because"
    )


async def run(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *orders: ProposedOrder
) -> tuple[trading.LineOutcome, ...]:
    return await trading.execute(
        session,
        market,
        portfolio,
        orders,
        as_of=market.latest_session,
        now=NOW,
        batch=Batch(OrderOrigin.USER, f"test:{uuid4()}"),
    )


async def test_sales_come_first_so_that_they_pay_for_purchases(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await run(session, market, portfolio, proposed(market, "AAA", Side.BUY, "245"))
    assert portfolio.cash < 200
    bought, sold = (
        proposed(market, "BBB", Side.BUY, "20"),
        proposed(market, "AAA", Side.SELL, "100"),
    )
    outcomes = await run(session, market, portfolio, bought, sold)
    assert [outcome.order for outcome in outcomes] == [sold, bought]
    assert {outcome.status for outcome in outcomes} == {LineStatus.FILLED}
    assert [o.trade.booked.sequence for o in outcomes if o.trade] == [3, 4]


async def test_a_purchase_beyond_the_cash_is_reduced_to_what_it_pays_for(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    (outcome,) = await run(session, market, portfolio, proposed(market, "AAA", Side.BUY, "9999"))
    assert outcome.status is LineStatus.REDUCED
    assert "10000.00 USD pays for" in (outcome.reason or "")
    assert outcome.trade is not None
    one_more = pricing.priced(market, "AAA", market.latest_session).quote.reference
    assert 0 <= portfolio.cash < one_more * 2
    assert portfolio.cash == 10000 + outcome.trade.booked.entry.amount


async def test_a_sale_of_more_than_is_held_is_reduced_and_of_nothing_skipped(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    await run(session, market, portfolio, proposed(market, "AAA", Side.BUY, "5"))
    reduced, skipped = await run(
        session,
        market,
        portfolio,
        proposed(market, "AAA", Side.SELL, "6"),
        proposed(market, "BBB", Side.SELL, "1"),
    )
    assert (reduced.status, skipped.status) == (LineStatus.REDUCED, LineStatus.SKIPPED)
    assert skipped.trade is None
    assert await ledger.read_holdings(session, portfolio.id) == {}


async def test_a_line_that_cannot_be_traded_does_not_stop_the_others(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    outcomes = await run(
        session,
        market,
        portfolio,
        *(proposed(market, ticker, Side.BUY, "1") for ticker in ("NOPE", CLOSED, SILENT, "AAA")),
    )
    assert [outcome.status for outcome in outcomes] == [LineStatus.SKIPPED] * 3 + ["filled"]
    assert all(outcome.reason for outcome in outcomes[:3])
    assert "closed on" in (outcomes[1].reason or "")


async def test_a_closed_portfolio_trades_nothing(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    portfolio.status = PortfolioStatus.CLOSED
    with pytest.raises(PortfolioClosed):
        await run(session, market, portfolio, proposed(market, "AAA", Side.BUY, "1"))


async def test_the_orders_of_a_batch_have_their_ids_from_its_source(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    batch = Batch(OrderOrigin.USER, f"test:{uuid4()}")
    orders = [proposed(market, ticker, Side.BUY, "1") for ticker in ("AAA", "BBB")]
    outcomes = await trading.execute(
        session, market, portfolio, orders, as_of=market.latest_session, now=NOW, batch=batch
    )
    assert [line.life and line.life.id for line in outcomes] == [
        id_of(batch.source, Side.BUY, lives.etf_id(market, ticker)) for ticker in ("AAA", "BBB")
    ]


async def test_what_is_filled_is_what_is_booked(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
) -> None:
    (line,) = await run(session, market, portfolio, proposed(market, "AAA", Side.BUY, "3"))
    assert line.trade is not None
    entry = line.trade.booked.entry
    assert (entry.quantity, entry.fee) == (Decimal(3), Decimal("1.00"))
    assert entry.price is not None
    assert entry.amount == -(round(3 * entry.price, 2) + 1)
    book = await ledger.current_book(session, portfolio)
    assert book.cash == 10_000 + entry.amount
    (held,) = book.holdings.values()
    assert (held.quantity, held.cost_basis) == (Decimal(3), -entry.amount - 1)
