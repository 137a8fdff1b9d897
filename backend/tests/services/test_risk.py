from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant.stop_loss import StopPolicy, VixRegime
from app.schemas.risk import RiskRead
from app.services import risk, risk_market
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


async def assessed(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> RiskRead:
    return await risk.assess(session, market, portfolio, now=NOW)


def with_vix(market: MarketSnapshot, close: float, *, sessions_old: int = 0) -> MarketSnapshot:
    """The market with one close of the index, that many sessions before the latest."""
    day = np.datetime64(session_of(market, sessions_old), "D")
    return replace(market, vix_sessions=np.array([day]), vix=np.array([close]))


async def test_a_position_stands_where_its_price_and_the_threshold_put_it(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, back=40)

    answer = await assessed(session, with_vix(market, 30.0), portfolio)

    [position] = answer.positions
    entry, last = (price(market, "AAA", session_of(market, back)) for back in (40, 0))
    fall = 1 - last / entry
    assert answer.vix.threshold == 0.10
    assert position.stop_price == entry * Decimal("0.90")
    assert position.drawdown == pytest.approx(float(fall), abs=1e-12)
    assert position.distance_to_stop == pytest.approx(0.10 - float(fall), abs=1e-12)
    assert answer.at_risk == (["AAA"] if fall >= Decimal("0.08") else [])


async def test_a_position_close_to_its_stop_is_named(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    paid_too_much = Decimal("1.15") * price(market, "AAA", market.latest_session)
    portfolio = await opened(
        session, market, resources.owner_id, on=market.latest_session, capital=Decimal(100_000)
    )
    slipped = str(paid_too_much - price(market, "AAA", market.latest_session))
    await book(
        session,
        portfolio,
        trade(market, "AAA", 10, market.latest_session, slipped=slipped),
        trade(market, "BBB", 10, market.latest_session),
    )

    answer = await assessed(session, with_vix(market, 12.0), portfolio)

    assert answer.vix.regime == VixRegime.LOW
    assert answer.at_risk == ["AAA"]


async def test_the_risk_of_one_etf_is_its_own(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, back=3)

    answer = await assessed(session, market, portfolio)

    closes = market.panel.close[market.row("AAA"), -253:]
    returns = closes[1:] / closes[:-1] - 1.0
    assert answer.volatility == pytest.approx(returns.std(ddof=1) * np.sqrt(252), rel=1e-12)
    assert answer.var_95 == pytest.approx(np.quantile(returns, 0.05), rel=1e-12)
    assert answer.concentration.effective_number == pytest.approx(1.0)
    assert answer.cash_weight == 0.0


async def test_contributions_add_up_to_the_volatility(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    day = session_of(market, 4)
    portfolio = await opened(session, market, resources.owner_id, on=day, capital=Decimal(100_000))
    names = ("AAA", "DDD", "GAPS", "HHH")
    await book(session, portfolio, *(trade(market, ticker, 100, day) for ticker in names))

    answer = await assessed(session, market, portfolio)

    assert answer.contributions is not None
    assert sum(each.component for each in answer.contributions) == pytest.approx(answer.volatility)
    assert sum(each.share for each in answer.contributions) == pytest.approx(1.0)
    assert [each.stale_price for each in answer.positions] == [False, False, True, False]


async def test_the_drawdown_is_of_the_growth_and_not_of_the_value(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await opened(
        session, market, resources.owner_id, on=session_of(market, 9), capital=Decimal(1000)
    )
    await book(session, portfolio, deposit("-600", session_of(market, 5)))
    assert (await assessed(session, market, portfolio)).portfolio_drawdown == 0.0

    held = await all_in(session, market, resources.owner_id, back=40)
    path = market.panel.close[market.row("AAA"), -41:]
    fallen = (await assessed(session, market, held)).portfolio_drawdown
    assert fallen == pytest.approx(1.0 - path[-1] / path.max(), abs=1e-12)


@pytest.mark.parametrize("emptied", [False, True])
async def test_a_portfolio_that_holds_nothing_gets_reasons_instead_of_numbers(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, *, emptied: bool
) -> None:
    portfolio = await opened(
        session, market, resources.owner_id, on=session_of(market, 2), capital=Decimal(1000)
    )
    if emptied:
        await book(session, portfolio, deposit("-1000", session_of(market, 1)))

    answer = await assessed(session, market, portfolio)

    assert answer.positions == []
    assert answer.contributions is None
    assert (answer.volatility, answer.beta, answer.var_99) == (None, None, None)
    assert answer.reasons["volatility"] == "nothing is held"
    assert answer.reasons["concentration.hhi"] == "nothing is held"
    assert answer.cash_weight == (None if emptied else 1.0)


@pytest.mark.parametrize(("sessions_old", "stale"), [(0, False), (3, False), (4, True)])
def test_an_index_older_than_three_sessions_decides_nothing_and_warns(
    market: MarketSnapshot, *, sessions_old: int, stale: bool
) -> None:
    answer = risk.vix_as_of(with_vix(market, 30.0, sessions_old=sessions_old), StopPolicy())

    assert answer.stale is stale
    assert answer.sessions_old == sessions_old
    assert answer.threshold == (0.12 if stale else 0.10)
    assert answer.regime == (VixRegime.UNKNOWN if stale else VixRegime.HIGH)
    assert (answer.warning is not None) is stale


def test_a_market_without_an_index_warns(market: MarketSnapshot) -> None:
    empty = replace(market, vix_sessions=market.vix_sessions[:0], vix=market.vix[:0])

    answer = risk.vix_as_of(empty, StopPolicy(use_vix_adjustment=False))

    assert (answer.value, answer.date, answer.stale) == (None, None, True)
    assert "the VIX is unknown" in str(answer.warning)


async def test_the_history_of_the_index_ends_with_the_prices(market: MarketSnapshot) -> None:
    shorter = replace(market, panel=market.panel.until(session_of(market, 10)))

    answer = await risk.vix_history(shorter, rules(), days=5, now=NOW)

    assert [each.date for each in answer.history] == [
        session_of(market, back) for back in range(10, 15)
    ]
    assert answer.current.date == answer.history[0].date
    assert answer.sessions_behind == 10


def test_what_depends_on_the_market_alone_is_made_once_per_data_version(
    market: MarketSnapshot,
) -> None:
    known = risk_market.of(market)
    assert risk_market.of(market) is known

    newer = risk_market.of(replace(market, data_version=uuid4()))
    assert newer is not known
    assert risk_market.of(market) is not known, "what is outdated is not kept"


@pytest.mark.parametrize(
    ("simulated", "reason"),
    [
        (False, "the market's prices begin on 2024-04-22"),
        (True, "the market is simulated: it did not live through this"),
    ],
)
async def test_a_crisis_that_a_market_has_no_prices_of_is_not_replayed(
    session: AsyncSession,
    market: MarketSnapshot,
    resources: Resources,
    *,
    simulated: bool,
    reason: str,
) -> None:
    portfolio = await all_in(session, market, resources.owner_id, back=3)
    other = replace(market, simulated=simulated, data_version=uuid4())

    answer = await assessed(session, other, portfolio)

    assert answer.replays is not None
    assert [each.name for each in answer.replays] == [
        "2008", "2010-05-06", "2011", "2015", "2018 Q4", "2020", "2022",
    ]  # fmt: skip
    assert {each.reasons["total"] for each in answer.replays} == {reason}
    assert all(each.total is None for each in answer.replays)


async def test_components_of_the_shortfall_add_up_and_the_sale_takes_its_days(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    day = session_of(market, 4)
    portfolio = await opened(session, market, resources.owner_id, on=day, capital=Decimal(10**8))
    names = ("AAA", "DDD", "HHH")
    await book(session, portfolio, *(trade(market, ticker, 200_000, day) for ticker in names))

    answer = await assessed(session, market, portfolio)

    assert answer.contributions is not None
    parts = sum(each.component_cvar_95 for each in answer.contributions)
    assert parts == pytest.approx(answer.cvar_95)
    assert answer.liquidity is not None
    # 200,000 shares against a tenth of 500,000 a day, at prices that moved a little since.
    assert answer.liquidity.days == pytest.approx(4.0, rel=0.1)
    assert [each.share for each in answer.liquidity.within][1:] == [1.0, 1.0]


async def test_a_portfolio_of_twins_names_them(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    closes = market.panel.adjusted.copy()
    closes[market.row("HHH")] = 2.0 * closes[market.row("AAA")]
    copied = replace(
        market,
        panel=replace(market.panel, close=closes, adjusted=closes),
        data_version=uuid4(),
    )
    day = session_of(market, 4)
    portfolio = await opened(session, copied, resources.owner_id, on=day, capital=Decimal(10**6))
    names = ("AAA", "DDD", "HHH")
    await book(session, portfolio, *(trade(copied, ticker, 100, day) for ticker in names))

    answer = await assessed(session, copied, portfolio)

    assert answer.correlations is not None
    assert answer.correlations.twins == [["AAA", "HHH"]]
    assert answer.correlations.tickers == ["AAA", "HHH", "DDD"]
    assert answer.concentration.effective_bets is not None
    assert answer.concentration.effective_bets < 2.0
