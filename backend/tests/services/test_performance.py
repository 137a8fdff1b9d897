import json
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.errors import UnknownTicker
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant.panel import FloatArray
from app.quant.periods import Period
from app.schemas.performance import PerformanceRead
from app.schemas.performance_asked import PerformanceAsked
from app.services import marking, performance
from tests.services.past_books import (
    NOW,
    all_in,
    book,
    deposit,
    opened,
    price,
    rules,
    session_of,
    trade,
)
from tests.small_market import GAPPY, SILENT


async def measured(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    period: Period = Period.ALL,
    benchmark: str | None = None,
) -> PerformanceRead:
    asked = PerformanceAsked(period=period, benchmark=benchmark)
    return await performance.measure(session, market, portfolio, asked, now=NOW)


def closes(market: MarketSnapshot, ticker: str, back: int) -> FloatArray:
    return market.panel.close[market.row(ticker), -1 - back :]


def daily_returns(answer: PerformanceRead) -> list[float]:
    return [point.daily_return for point in answer.series if point.daily_return is not None]


async def test_a_portfolio_of_one_etf_does_what_the_etf_does(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, back=40)

    answer = await measured(session, market, portfolio, benchmark="AAA")

    path = closes(market, "AAA", 40)
    fall = (path / np.maximum.accumulate(path) - 1.0).min()
    assert answer.metrics.total_return == pytest.approx(path[-1] / path[0] - 1.0, rel=1e-12)
    assert answer.metrics.max_drawdown == pytest.approx(fall, rel=1e-9)
    assert daily_returns(answer) == pytest.approx([0.0, *(path[1:] / path[:-1] - 1.0)], abs=1e-12)
    assert answer.end_value == Decimal(100) * price(market, "AAA", market.latest_session)
    assert answer.profit == answer.end_value - portfolio.initial_capital
    assert answer.metrics.beta == pytest.approx(1.0, rel=1e-9)
    assert answer.series[-1].benchmark_growth == pytest.approx(answer.series[-1].growth, rel=1e-9)


async def test_what_is_made_from_the_ledger_is_what_marking_stores(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, ticker="GAPS", back=30)
    bought = trade(market, "BBB", 3, session_of(market, 10), slipped="0.02")
    await book(session, portfolio, deposit("500", session_of(market, 12)), bought)
    before = await measured(session, market, portfolio)

    await marking.mark_portfolios(session, market, [portfolio], now=NOW)

    assert await measured(session, market, portfolio) == before
    assert [point.carried for point in before.series[-3:]] == [False, True, True]
    assert before.costs == Decimal("0.06")


async def test_todays_trades_count_although_today_was_marked_before(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, back=5)
    await marking.mark_portfolios(session, market, [portfolio], now=NOW)

    await book(session, portfolio, deposit("77", market.latest_session))

    answer = await measured(session, market, portfolio)
    assert answer.series[-1].cash == Decimal("77.00")
    assert answer.series[-1].external_flow == answer.net_flow - portfolio.initial_capital


async def test_money_paid_in_is_not_a_return(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    start, middle = session_of(market, 20), session_of(market, 10)
    portfolio = await opened(session, market, resources.owner_id, on=start, capital=Decimal(1000))
    await book(session, portfolio, deposit("9000", middle), deposit("-4000", session_of(market, 3)))

    answer = await measured(session, market, portfolio)

    assert answer.metrics.total_return == 0.0
    assert answer.profit == 0
    assert answer.net_flow == Decimal(6000)
    assert answer.metrics.money_weighted_return == pytest.approx(0.0, abs=1e-9)


async def test_a_deposit_changes_the_return_of_its_own_day_alone(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """Money that waits for the close dilutes its day; invested then, it earns like the rest."""
    plain = await all_in(session, market, resources.owner_id, back=20)
    paid_in = await all_in(session, market, resources.owner_id, back=20)
    day = session_of(market, 9)
    await book(
        session,
        paid_in,
        deposit(str(price(market, "AAA", day) * 50), day),
        trade(market, "AAA", 50, day),
    )

    without = daily_returns(await measured(session, market, plain))
    paid = daily_returns(await measured(session, market, paid_in))

    before, after = closes(market, "AAA", 10)[:2]
    assert paid[11] == pytest.approx((150 * after) / (100 * before + 50 * after) - 1.0, rel=1e-9)
    assert paid[:11] == pytest.approx(without[:11], abs=1e-12)
    assert paid[12:] == pytest.approx(without[12:], abs=1e-12)


async def test_a_period_begins_with_the_value_at_its_first_close(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, back=60)

    answer = await measured(session, market, portfolio, Period.MONTH)

    assert (answer.start.isoformat(), answer.end.isoformat()) == ("2025-05-30", "2025-06-30")
    assert answer.complete
    assert answer.start_value == 100 * price(market, "AAA", answer.start)
    assert answer.metrics.total_return == pytest.approx(
        float(answer.end_value / answer.start_value) - 1.0, rel=1e-12
    )
    year = await measured(session, market, portfolio, Period.YEAR)
    assert not year.complete
    assert year.series == (await measured(session, market, portfolio)).series


async def test_a_portfolio_opened_today_has_a_value_and_says_why_it_has_no_statistics(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await opened(
        session, market, resources.owner_id, on=market.latest_session, capital=Decimal(1000)
    )

    answer = await measured(session, market, portfolio)

    assert [point.value for point in answer.series] == [Decimal("1000.00")]
    missing = {name for name, value in answer.metrics if value is None}
    assert missing == set(answer.metrics.reasons)
    assert answer.metrics.reasons["sharpe"] == "fewer than 2 observations"


async def test_a_benchmark_without_prices_is_a_reason_and_an_unknown_one_asked_for_is_refused(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    day = session_of(market, 20)
    portfolio = await opened(
        session,
        market,
        resources.owner_id,
        on=day,
        capital=Decimal(1000),
        settings=rules(benchmark=None),
    )

    answer = await measured(session, market, portfolio)

    assert market.benchmark == "SPY"
    why = "the market has no prices of the benchmark SPY"
    assert answer.benchmark is None
    assert answer.reasons["benchmark"] == why
    assert answer.metrics.reasons["beta"] == why
    with pytest.raises(UnknownTicker):
        await measured(session, market, portfolio, benchmark="NOPE")


async def test_a_benchmark_must_have_prices_throughout_and_says_where_older_ones_count(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    """One fund is silent for its last 20 sessions, of which 5 are carried; another for 2."""
    portfolio = await opened(
        session, market, resources.owner_id, on=session_of(market, 40), capital=Decimal(1000)
    )

    silent = await measured(session, market, portfolio, benchmark=SILENT)
    gappy = await measured(session, market, portfolio, benchmark=GAPPY)

    assert silent.benchmark is None
    assert silent.reasons["benchmark"].startswith("the benchmark's MUTE has no price on 15 of the")
    assert silent.metrics.reasons["beta"] == silent.reasons["benchmark"]
    assert gappy.benchmark is not None
    assert (gappy.benchmark.carried, gappy.metrics.beta is None) == (2, False)


async def test_a_replayed_history_says_which_part_was_replayed(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, back=60)
    assert (await measured(session, market, portfolio)).replay_note is None

    portfolio.replayed_until = session_of(market, 30)

    assert "2025-05-15" in str((await measured(session, market, portfolio)).replay_note)
    assert (await measured(session, market, portfolio, Period.MONTH)).replay_note is None


@pytest.mark.parametrize(
    "asked",
    [
        PerformanceAsked(),
        PerformanceAsked(benchmark="GAPS", window=10),
        PerformanceAsked(period=Period.MONTH, benchmark="AAA:0.5,CCC:0.5"),
        PerformanceAsked(benchmark="MUTE"),
    ],
)
async def test_what_is_written_at_once_is_the_answer_as_json(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    asked: PerformanceAsked,
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, ticker="GAPS", back=30)
    await book(session, portfolio, deposit("500.25", session_of(market, 12)))

    answer = await performance.measure(session, market, portfolio, asked, now=NOW)
    written = await performance.measured_json(session, market, portfolio, asked, now=NOW)
    again = await performance.measured_json(session, market, portfolio, asked, now=NOW)

    assert json.loads(written) == json.loads(answer.model_dump_json())
    assert again is written


async def test_without_a_benchmark_it_is_written_the_same(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await opened(
        session,
        market,
        resources.owner_id,
        on=market.latest_session,
        capital=Decimal(1000),
        settings=rules(benchmark=None),
    )
    asked = PerformanceAsked()
    answer = await performance.measure(session, market, portfolio, asked, now=NOW)
    written = await performance.measured_json(session, market, portfolio, asked, now=NOW)
    assert json.loads(written) == json.loads(answer.model_dump_json())
