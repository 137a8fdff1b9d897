"""Crises, proxies and coverage on real prices, beside pandas and what is known of the S&P 500."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest

from app.core.config import Settings
from app.market_data.snapshot import EtfFacts, MarketSnapshot
from app.quant.measured import Missing
from app.quant.panel import Facts, Panel
from app.quant.risk.coverage import Coverage
from app.quant.risk.series import of_series
from app.quant.risk.tails import Method
from app.schemas.settings import default_settings
from app.services import risk_parts, valuation
from app.services.projection import Holding
from app.services.risk_parts import HeldRisk, Replayed, Subject
from tests.shared_data import SHARED, needs_market_data

pytestmark = needs_market_data

CLASSES = {
    "AGG": "Bond", "DIA": "Equity", "EFA": "Equity", "GLD": "Gold", "IVV": "Equity",
    "IWM": "Equity", "MTUM": "Equity", "SPY": "Equity", "TLT": "Bond", "USMV": "Equity",
}  # fmt: skip


@pytest.fixture(scope="module")
def closes() -> pd.DataFrame:
    """One column per ETF, sessions of SPY."""
    table = pd.read_parquet(
        SHARED / "data" / "etf_prices_long.parquet",
        columns=["ticker", "date", "close"],
        filters=[("ticker", "in", list(CLASSES)), ("date", ">=", date(2006, 1, 1))],
    )
    return table.pivot(index="date", columns="ticker", values="close").astype(float)


@pytest.fixture(scope="module")
def market(closes: pd.DataFrame) -> MarketSnapshot:
    prices = np.ascontiguousarray(closes.to_numpy().T)
    tickers = tuple(closes.columns)
    no = np.zeros(len(tickers), bool)
    classes = np.array([CLASSES[ticker] for ticker in tickers], object)
    return MarketSnapshot(
        code="us",
        name="us",
        simulated=False,
        adjusted_only=True,
        currency="USD",
        benchmark="SPY",
        data_version=uuid4(),
        panel=Panel(
            tickers=tickers,
            sessions=pd.to_datetime(closes.index).to_numpy().astype("datetime64[D]"),
            close=prices,
            adjusted=prices,
            volume=np.full_like(prices, 1e6),
        ),
        opens=prices,
        facts=Facts(np.full(len(tickers), np.nan), no, no, classes),
        etfs=tuple(
            EtfFacts(number, ticker, None, None, None, CLASSES[ticker], None, None, None)
            for number, ticker in enumerate(tickers)
        ),
        row_of={ticker: row for row, ticker in enumerate(tickers)},
        row_of_id={row: row for row in range(len(tickers))},
        actions=(),
        vix_sessions=np.array([], "datetime64[D]"),
        vix=np.array([]),
    )


def held(market: MarketSnapshot, *tickers: str, benchmark: str = "SPY") -> HeldRisk:
    """The same sum in each."""
    last = {ticker: market.panel.close[market.row(ticker), -1] for ticker in tickers}
    holdings = [
        Holding(market.row(ticker), Decimal(f"{1e6 / last[ticker]:.6f}"), Decimal(10**6), DAY)
        for ticker in tickers
    ]
    worth = valuation.value(market, Decimal(0), holdings, market.latest_session)
    settings = default_settings(Settings(_env_file=None))
    return risk_parts.measure(Subject(market, worth, np.zeros(0), settings, benchmark))


DAY = date(2025, 6, 2)


def crisis(found: HeldRisk, name: str) -> Replayed:
    return next(each for each in found.replays if each.crisis.name == name)


@pytest.mark.parametrize(
    ("name", "index"),
    [("2008", -0.568), ("2011", -0.183), ("2018 Q4", -0.198), ("2020", -0.339), ("2022", -0.254)],
)
def test_what_the_index_lost_is_what_its_fund_loses_again(
    market: MarketSnapshot, name: str, index: float
) -> None:
    """Falls of the S&P 500 index from high to low as they are known; the fund has dividends."""
    found = crisis(held(market, "SPY"), name)
    assert found.found.total == pytest.approx(index, abs=0.02)
    assert found.benchmark == found.found.total


def test_the_flash_crash_is_one_session(market: MarketSnapshot, closes: pd.DataFrame) -> None:
    found = crisis(held(market, "SPY"), "2010-05-06").found
    day = closes["SPY"].loc[[date(2010, 5, 5), date(2010, 5, 6)]]
    assert found.total == found.worst_day == pytest.approx(day.iloc[1] / day.iloc[0] - 1.0)


@pytest.mark.parametrize("day", [date(2010, 5, 5), date(2010, 5, 6)])
def test_a_fund_whose_price_of_the_day_was_refused_did_not_stand_still(
    market: MarketSnapshot, day: date
) -> None:
    prices = market.panel.adjusted.copy()
    prices[market.row("IVV"), market.column(day)] = np.nan
    panel = replace(market.panel, close=prices, adjusted=prices)
    refused = replace(market, panel=panel, data_version=uuid4())

    found = crisis(held(refused, "IVV"), "2010-05-06")

    total, proxy = found.positions[0]
    assert proxy is not None
    assert refused.panel.tickers[proxy.row] == "SPY"
    spy = crisis(held(market, "SPY"), "2010-05-06").found.total
    assert total == found.found.total == pytest.approx(proxy.slope * spy)
    assert isinstance(
        crisis(held(refused, "IVV", benchmark="IVV"), "2010-05-06").benchmark, Missing
    )


def test_a_young_fund_is_replayed_by_the_best_correlated_older_one_of_its_class(
    market: MarketSnapshot, closes: pd.DataFrame
) -> None:
    found = crisis(held(market, "AGG", "MTUM"), "2008")

    returns = closes.pct_change(fill_method=None)
    equities = ["DIA", "EFA", "IVV", "IWM", "SPY"]
    together = returns[[*equities, "MTUM"]].dropna()
    best = together[equities].corrwith(together["MTUM"]).idxmax()
    slope = np.polyfit(together[best], together["MTUM"], 1)[0]
    days = slice(date(2007, 10, 10), date(2009, 3, 9))
    mtum = (1.0 + slope * returns[best].loc[days]).prod() - 1.0
    agg = (1.0 + returns["AGG"].loc[days]).prod() - 1.0

    (_, none), (_, proxy) = found.positions
    assert none is None
    assert proxy is not None
    assert market.panel.tickers[proxy.row] == best
    assert proxy.overlap == len(together)
    assert proxy.correlation == pytest.approx(together[best].corr(together["MTUM"]), abs=1e-9)
    assert found.found.total == pytest.approx(0.5 * mtum + 0.5 * agg, abs=1e-6)


def test_a_fund_that_lived_through_a_crisis_needs_no_proxy(
    market: MarketSnapshot, closes: pd.DataFrame
) -> None:
    found = crisis(held(market, "MTUM"), "2020")
    own = closes["MTUM"].loc[[date(2020, 2, 19), date(2020, 3, 23)]]
    assert found.positions[0][1] is None
    assert found.found.total == pytest.approx(own.iloc[1] / own.iloc[0] - 1.0)


def test_two_funds_of_one_index_are_one_bet(market: MarketSnapshot) -> None:
    found = held(market, "GLD", "IVV", "SPY", "TLT")
    assert not isinstance(found.correlations, Missing)
    assert found.correlations.twins == (("IVV", "SPY"),)
    bets = found.risk.concentration.effective_bets
    assert isinstance(bets, float)
    assert bets < 3.0


def test_a_loss_of_stocks_is_softened_by_what_does_not_follow_them(
    market: MarketSnapshot,
) -> None:
    found = held(market, "SPY", "TLT")
    assert not isinstance(found.class_shocks, Missing)
    [stocks] = [each for each in found.class_shocks if each.asset_class == "Equity"]
    assert stocks.alone == pytest.approx(0.5 * stocks.move, rel=1e-6)
    assert isinstance(stocks.together, float)
    assert stocks.move < stocks.together < 0.0


def test_calm_and_wild_times_break_what_does_not_follow_volatility(closes: pd.DataFrame) -> None:
    """That historical and normal values at risk cluster their exceptions, and filtered ones do
    not, is what the method was made for: S&P 500, 2006 to mid-2025."""
    found = of_series(closes["SPY"].pct_change(fill_method=None).to_numpy())
    assert not isinstance(found.tails, Missing)
    p_values = {}
    for each in found.tails:
        assert isinstance(each.coverage, Coverage)
        assert isinstance(each.coverage.conditional.p_value, float)
        p_values[each.method, round(each.level, 2)] = each.coverage.conditional.p_value
    assert p_values[Method.HISTORICAL, 0.95] < 0.001
    assert p_values[Method.NORMAL, 0.99] < 0.001
    assert p_values[Method.FILTERED, 0.95] > 0.05
