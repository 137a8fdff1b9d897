from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, Portfolio
from app.quant.periods import Period
from app.schemas.attribution import AttributionAsked, AttributionRead
from app.schemas.performance_asked import PerformanceAsked
from app.services import attribution, performance
from app.services.entry import Entry
from tests.services.past_books import (
    NOW,
    all_in,
    book,
    deposit,
    dividend,
    opened,
    price,
    session_of,
    trade,
)


async def attributed(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    period: Period = Period.ALL,
) -> AttributionRead:
    return await attribution.attribute(
        session, market, portfolio, AttributionAsked(period=period), now=NOW
    )


def parts_of(answer: AttributionRead) -> dict[str, float]:
    return {part.ticker: part.contribution for part in answer.positions or ()}


async def eventful(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> Portfolio:
    """Three ETFs, one that stops trading; costs, a sale, a dividend, money in and out."""
    day = session_of(market, 50)
    portfolio = await opened(session, market, resources.owner_id, on=day, capital=Decimal(50_000))
    await book(
        session,
        portfolio,
        trade(market, "AAA", 300, day, slipped="0.03"),
        trade(market, "GAPS", 80, day, slipped="0.05"),
        deposit("20000", session_of(market, 30)),
        trade(market, "CCC", 200, session_of(market, 30), slipped="0.02"),
        dividend(market, "AAA", "150.25", session_of(market, 22)),
        trade(market, "AAA", -300, session_of(market, 15), slipped="0.04"),
        deposit("-7000", session_of(market, 8)),
    )
    return portfolio


async def test_one_position_makes_the_whole_return(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, back=40)

    answer = await attributed(session, market, portfolio)

    first, last = (price(market, "AAA", session_of(market, back)) for back in (40, 0))
    assert answer.total == pytest.approx(float(last / first) - 1.0, rel=1e-12)
    assert parts_of(answer) == pytest.approx({"AAA": answer.total}, abs=1e-12)
    assert (answer.cash, answer.costs) == pytest.approx((0.0, 0.0), abs=1e-12)


@pytest.mark.parametrize("period", [Period.ALL, Period.MONTH, Period.QUARTER])
async def test_the_parts_add_up_to_the_return_that_performance_reports(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, period: Period
) -> None:
    portfolio = await eventful(session, market, resources)

    answer = await attributed(session, market, portfolio, period)
    reported = await performance.measure(
        session, market, portfolio, PerformanceAsked(period=period, benchmark=None), now=NOW
    )

    assert answer.cash is not None
    assert answer.costs is not None
    assert answer.total == pytest.approx(reported.metrics.total_return, abs=1e-12)
    total = sum(parts_of(answer).values()) + answer.cash + answer.costs
    assert total == pytest.approx(answer.total, abs=1e-10)
    assert set(parts_of(answer)) == {"AAA", "CCC", "GAPS"}
    assert abs(answer.cash) < 1e-6


async def test_on_one_day_of_trading_costs_are_what_was_paid_over_the_capital(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """With no other movement linking changes nothing: the first day has costs, the last a gain."""
    day = session_of(market, 1)
    portfolio = await opened(session, market, resources.owner_id, on=day, capital=Decimal(10_000))
    await book(session, portfolio, trade(market, "AAA", 100, day, slipped="0.50"))

    answer = await attributed(session, market, portfolio)

    gain = 100 * (price(market, "AAA", session_of(market, 0)) - price(market, "AAA", day))
    assert answer.total == pytest.approx(float((gain - 50) / 10_000), rel=1e-12)
    assert answer.costs is not None
    assert answer.costs == pytest.approx(-0.005, rel=2e-2)
    assert parts_of(answer)["AAA"] == pytest.approx(float(gain / 10_000), rel=2e-2)


async def test_a_dividend_belongs_to_its_position(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    plain = await all_in(session, market, resources.owner_id, back=10)
    paying = await all_in(session, market, resources.owner_id, back=10)
    await book(session, paying, dividend(market, "AAA", "40", market.latest_session))

    without = await attributed(session, market, plain)
    received = await attributed(session, market, paying)

    assert parts_of(received)["AAA"] > parts_of(without)["AAA"]
    assert received.cash == pytest.approx(0.0, abs=1e-12)


async def test_a_portfolio_without_two_returns_has_no_parts_and_says_why(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await opened(
        session, market, resources.owner_id, on=market.latest_session, capital=Decimal(1000)
    )

    answer = await attributed(session, market, portfolio)

    assert (answer.total, answer.positions, answer.cash, answer.costs) == (None, None, None, None)
    assert set(answer.reasons) == {
        *("total", "positions", "cash", "costs", "factors", "asset_classes")
    }


async def test_a_payout_and_the_tax_of_a_dividend_are_their_positions_own(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """Bought for all there is, 45 of 50 paid after tax, and paid out at 60 when the ETF closes."""
    portfolio = await all_in(session, market, resources.owner_id, back=40)
    etf_id = market.etfs[market.row("AAA")].id
    paid, closed = session_of(market, 20), session_of(market, 10)
    await book(
        session,
        portfolio,
        dividend(market, "AAA", "50", paid),
        Entry(EntryKind.TAX, paid, Decimal(-5), "test", "test", etf_id=etf_id),
        Entry(
            EntryKind.CLOSURE,
            closed,
            Decimal(6000),
            "test",
            "test",
            etf_id=etf_id,
            quantity=Decimal(100),
            price=Decimal(60),
        ),
    )
    answer = await attributed(session, market, portfolio)
    capital = price(market, "AAA", session_of(market, 40)) * 100
    assert answer.total == pytest.approx(float(Decimal(6045) / capital) - 1.0, rel=1e-12)
    assert parts_of(answer) == pytest.approx({"AAA": answer.total}, abs=1e-12)
