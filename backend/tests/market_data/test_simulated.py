"""The simulated market: lawful as data, plausible as a market, the same on every machine."""

import csv
from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from app.core import calendar
from app.market_data.adjustment import Actions, adjustment_factors
from app.market_data.simulated import BENCHMARK, SEED, SimulatedMarket, simulate
from app.market_data.simulated.streams import BLOCK
from app.quant.panel import SESSIONS_PER_YEAR, BoolArray, FloatArray
from tests.shared_data import SHARED, needs_market_data

YEARS = 10
SESSIONS = calendar.sessions(date(2014, 1, 1), date(2026, 6, 30))[-YEARS * SESSIONS_PER_YEAR :]
LAST = date(2026, 6, 30)
YEAR = slice(-SESSIONS_PER_YEAR, None)


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return simulate(SEED, last_session=LAST, sessions=SESSIONS)


def rows_of(
    market: SimulatedMarket, tickers: pl.Series
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    places = {ticker: row for row, ticker in enumerate(market.etfs["ticker"])}
    return tickers.replace_strict(places, return_dtype=pl.Int64).to_numpy()


def matrix(market: SimulatedMarket, column: str) -> FloatArray:
    """One row per fund, one column per session, NaN where there is no bar."""
    cells = np.full((market.etfs.height, len(SESSIONS)), np.nan)
    columns = np.searchsorted(SESSIONS, market.bars["date"].to_numpy())
    cells[rows_of(market, market.bars["ticker"]), columns] = market.bars[column].to_numpy()
    return cells


@pytest.fixture(scope="module")
def adjusted(market: SimulatedMarket) -> FloatArray:
    events = Actions(
        rows=rows_of(market, market.actions["ticker"]),
        ex_dates=market.actions["ex_date"].to_numpy().astype("datetime64[D]"),
        is_split=(market.actions["kind"] == "split").to_numpy(),
        values=market.actions["value"].to_numpy(),
    )
    close = matrix(market, "close")
    return close * adjustment_factors(SESSIONS, close, events)


@pytest.fixture(scope="module")
def returns(adjusted: FloatArray) -> FloatArray:
    return adjusted[:, 1:] / adjusted[:, :-1] - 1.0


def benchmark_row(market: SimulatedMarket) -> int:
    return market.etfs["ticker"].to_list().index(BENCHMARK)


def flags(market: SimulatedMarket, column: str) -> BoolArray:
    return market.etfs[column].to_numpy()


def test_the_same_seed_makes_the_same_market(market: SimulatedMarket) -> None:
    again = simulate(SEED, last_session=LAST, sessions=SESSIONS)
    assert_frame_equal(again.bars, market.bars, check_exact=True)
    assert_frame_equal(again.etfs, market.etfs)
    assert_frame_equal(again.actions, market.actions, check_exact=True)
    assert_frame_equal(again.vix, market.vix, check_exact=True)


def test_another_seed_makes_another_market(market: SimulatedMarket) -> None:
    other = simulate(SEED + 1, last_session=LAST, sessions=SESSIONS)
    assert not other.vix.equals(market.vix)
    assert not other.bars.equals(market.bars)


@pytest.mark.parametrize("count", [1, 2, BLOCK, BLOCK + 1, 1000, len(SESSIONS) - 1])
def test_a_longer_run_continues_the_market_and_changes_nothing_before(
    market: SimulatedMarket, count: int
) -> None:
    last: date = SESSIONS[count - 1].item()
    earlier = simulate(SEED, last_session=last, sessions=SESSIONS)

    past = pl.col("date") <= last
    assert_frame_equal(earlier.bars, market.bars.filter(past), check_exact=True)
    assert_frame_equal(earlier.vix, market.vix.filter(past), check_exact=True)
    assert_frame_equal(
        earlier.actions, market.actions.filter(pl.col("ex_date") <= last), check_exact=True
    )
    known = market.etfs.filter(pl.col("inception_date") <= last).with_columns(
        pl.when(pl.col("closed_on") <= last).then(pl.col("closed_on"))
    )
    assert_frame_equal(earlier.etfs, known)


def test_the_market_goes_on_after_the_ten_years(market: SimulatedMarket) -> None:
    longer = calendar.sessions(SESSIONS[0].item(), date(2027, 3, 31))
    later = simulate(SEED, last_session=date(2027, 3, 31), sessions=longer)
    assert_frame_equal(later.bars.filter(pl.col("date") <= LAST), market.bars, check_exact=True)
    assert later.vix.height == len(longer)
    assert later.etfs.equals(market.etfs)


def test_only_the_dates_depend_on_the_day_it_starts(market: SimulatedMarket) -> None:
    shifted = calendar.sessions(SESSIONS[40].item(), date(2026, 12, 31))[: len(SESSIONS)]
    moved = simulate(SEED, last_session=shifted[-1].item(), sessions=shifted)
    assert_frame_equal(moved.bars.drop("date"), market.bars.drop("date"), check_exact=True)


def test_a_last_session_that_is_none_is_refused() -> None:
    for day in (date(2026, 7, 4), date(2026, 6, 28), date(1999, 1, 4)):
        with pytest.raises(ValueError, match=day.isoformat()):
            simulate(SEED, last_session=day, sessions=SESSIONS)


def test_tables_have_the_promised_columns(market: SimulatedMarket) -> None:
    price = dict.fromkeys(("open", "high", "low", "close"), pl.Float64)
    assert dict(market.bars.schema) == {
        "ticker": pl.String,
        "date": pl.Date,
        **price,
        "volume": pl.Float64,
    }
    assert dict(market.vix.schema) == {"date": pl.Date, **price}
    assert dict(market.actions.schema) == {
        "ticker": pl.String,
        "ex_date": pl.Date,
        "kind": pl.String,
        "value": pl.Float64,
    }
    assert dict(market.etfs.schema) == {
        **dict.fromkeys(
            ("ticker", "name", "issuer", "asset_class", "region", "category"), pl.String
        ),
        **dict.fromkeys(("expense_ratio", "leverage"), pl.Float64),
        **dict.fromkeys(("is_inverse", "is_leveraged"), pl.Boolean),
        **dict.fromkeys(("inception_date", "closed_on"), pl.Date),
    }
    assert all(
        count == 0
        for table in (market.bars, market.vix, market.actions, market.etfs.drop("closed_on"))
        for count in table.null_count().row(0)
    )


def test_bars_are_unique_sorted_and_on_sessions(market: SimulatedMarket) -> None:
    assert market.bars.equals(market.bars.sort("ticker", "date"))
    assert not market.bars.select("ticker", "date").is_duplicated().any()
    assert set(market.bars["date"].unique()) <= set(SESSIONS.tolist())


@pytest.mark.parametrize("table", ["bars", "vix"])
def test_prices_are_cents_within_the_range_of_the_day(market: SimulatedMarket, table: str) -> None:
    quotes: pl.DataFrame = getattr(market, table)
    low, high = pl.col("low"), pl.col("high")
    for price in (pl.col("open"), pl.col("close")):
        assert quotes.select(((low <= price) & (price <= high)).all()).item()
    for name in ("open", "high", "low", "close"):
        assert (quotes[name] >= 1.0).all()
        assert quotes[name].is_finite().all()
        assert (quotes[name] == quotes[name].round(2)).all()


def test_volumes_are_whole_shares_and_no_price_freezes(market: SimulatedMarket) -> None:
    assert (market.bars["volume"] >= 0).all()
    assert (market.bars["volume"] == market.bars["volume"].round(0)).all()

    idle = market.bars["volume"].to_numpy() == 0
    assert 50 < idle.sum() < 0.01 * len(idle)
    assert market.bars.filter(pl.Series(idle))["ticker"].n_unique() <= 6
    five_idle = np.lib.stride_tricks.sliding_window_view(idle, 5).all(axis=1)
    assert not five_idle.any()


def test_daily_returns_stay_within_what_each_kind_of_fund_can_do(
    market: SimulatedMarket, returns: FloatArray
) -> None:
    asset_class = market.etfs["asset_class"].to_numpy()
    bound = np.full(len(asset_class), 0.15)
    bound[asset_class == "Fixed income"] = 0.06
    bound[np.isin(asset_class, ("Sector equity", "Commodity", "Real estate"))] = 0.20
    bound *= np.abs(market.etfs["leverage"].to_numpy())
    assert (np.nanmax(np.abs(returns), axis=1) <= bound).all()


def test_every_fund_says_that_it_is_simulated(market: SimulatedMarket) -> None:
    assert market.etfs["name"].str.starts_with("Simulated ").all()
    assert market.etfs["issuer"].str.contains("Simulated", literal=True).all()
    assert market.etfs["ticker"].str.contains(r"^ZX[A-Z]{3}$").all()
    assert market.etfs["ticker"].is_unique().all()
    assert market.etfs["name"].is_unique().all()
    assert 280 <= market.etfs.height <= 320


@needs_market_data
def test_no_fund_has_the_ticker_of_a_real_one(market: SimulatedMarket) -> None:
    with (SHARED / "data" / "etf_metadata.csv").open(encoding="utf-8") as file:
        real = {row["ticker"] for row in csv.DictReader(file)}
    assert len(real) > 1000
    assert not real & set(market.etfs["ticker"])


def test_funds_are_listed_late_and_closed(market: SimulatedMarket) -> None:
    lives = market.bars.group_by("ticker").agg(
        first=pl.col("date").min(), last=pl.col("date").max()
    )
    funds = market.etfs.join(lives, on="ticker", validate="1:1")
    late = funds.filter(pl.col("first") > SESSIONS[0].item())
    closed = funds.filter(pl.col("closed_on").is_not_null())

    assert 0.10 < late.height / funds.height < 0.20
    assert (late["first"] == late["inception_date"]).all()
    assert 6 <= closed.height <= 8
    assert (closed["last"] == closed["closed_on"]).all()
    assert closed["closed_on"].max() > SESSIONS[-SESSIONS_PER_YEAR].item()
    open_funds = funds.filter(pl.col("closed_on").is_null())
    assert (open_funds["last"] >= SESSIONS[-5].item()).all()


def test_the_price_falls_by_splits_and_dividends_but_the_return_does_not(
    market: SimulatedMarket, returns: FloatArray
) -> None:
    splits = market.actions.filter(pl.col("kind") == "split")
    rows = rows_of(market, splits["ticker"])
    columns = np.searchsorted(SESSIONS, splits["ex_date"].to_numpy())
    close, ratios = matrix(market, "close"), splits["value"].to_numpy()

    assert 8 <= (ratios > 1.0).sum() <= 20
    assert 1 <= (ratios < 1.0).sum() <= 6
    stepped = close[rows, columns] * ratios / close[rows, columns - 1] - 1.0
    np.testing.assert_allclose(stepped, returns[rows, columns - 1], atol=0.002)


def test_distributions_are_monthly_or_quarterly_and_of_the_size_of_their_yield(
    market: SimulatedMarket,
) -> None:
    paid = market.actions.filter(pl.col("kind") == "dividend")
    yearly = paid.group_by("ticker").agg(paid=pl.col("value").sum(), count=pl.len())
    mean_close = market.bars.group_by("ticker").agg(pl.col("close").mean(), bars=pl.len())
    funds = yearly.join(mean_close, on="ticker").filter(pl.col("bars") == len(SESSIONS))
    payout = (funds["paid"] / funds["close"] / YEARS).to_numpy()

    assert set(funds["count"].unique()) <= {38, 39, 118, 119}
    assert (paid["value"] > 0.0).all()
    assert (payout > 0.002).all()
    assert (payout < 0.10).all()


def test_the_broad_market_behaves_like_one(market: SimulatedMarket, returns: FloatArray) -> None:
    broad = returns[benchmark_row(market)]
    volatility = broad.std(ddof=1) * np.sqrt(SESSIONS_PER_YEAR)
    growth = np.prod(1.0 + broad) ** (1.0 / YEARS) - 1.0
    excess_kurtosis = np.mean((broad - broad.mean()) ** 4) / broad.var() ** 2 - 3.0

    assert 0.12 < volatility < 0.22
    assert 0.03 < growth < 0.12
    assert excess_kurtosis > 2.0
    assert np.corrcoef(np.abs(broad[1:]), np.abs(broad[:-1]))[0, 1] > 0.1


def test_at_least_ten_pairs_of_funds_are_twins(returns: FloatArray) -> None:
    last_year = returns[:, YEAR]
    full = last_year[np.isfinite(last_year).all(axis=1)]
    correlation = np.corrcoef(full)
    assert (np.triu(correlation, k=1) > 0.98).sum() >= 10
    assert np.median(correlation) < 0.7


def test_the_volatility_index_follows_the_market(
    market: SimulatedMarket, returns: FloatArray
) -> None:
    index = market.vix["close"].to_numpy()
    broad = returns[benchmark_row(market)]
    month = 21
    windows = np.lib.stride_tricks.sliding_window_view(broad, month)
    realised = 100.0 * windows.std(axis=1) * np.sqrt(SESSIONS_PER_YEAR)

    assert market.vix["date"].to_list() == SESSIONS.tolist()
    assert index.min() > 9.0
    assert index.max() < 85.0
    assert np.corrcoef(index[month:], realised)[0, 1] > 0.6
    assert 1.0 < (index[month:] - realised).mean() < 8.0
    assert np.corrcoef(np.diff(np.log(index)), broad)[0, 1] < -0.5


def test_the_last_year_is_eventful(market: SimulatedMarket, adjusted: FloatArray) -> None:
    index = market.vix["close"].to_numpy()[YEAR]
    assert min((index < 15).sum(), ((index >= 15) & (index <= 25)).sum(), (index > 25).sum()) >= 10

    last_year = adjusted[:, YEAR]
    alive = last_year[np.isfinite(last_year).all(axis=1)]
    fall = 1.0 - alive.min(axis=1) / alive[:, 0]
    assert 0.1 < (fall > 0.12).mean() < 0.9

    growth = alive / alive[:, :1]
    drift = growth / growth.mean(axis=0) - 1.0
    assert ((np.abs(drift) > 0.25).any(axis=1)).mean() > 0.05


def test_every_rule_of_the_universe_has_somebody_to_exclude(
    market: SimulatedMarket, returns: FloatArray
) -> None:
    close, volume = matrix(market, "close"), matrix(market, "volume")
    window = close[:, -SESSIONS_PER_YEAR - 1 :]
    alive = np.isfinite(close[:, -1])
    old = np.isfinite(close[:, :-SESSIONS_PER_YEAR]).any(axis=1)
    missing = np.isnan(window).mean(axis=1)
    traded = alive & old
    dollars = np.nanmedian(np.where(traded[:, None], close * volume, 0.0)[:, -63:], axis=1)
    deviation = np.nanstd(np.where(traded[:, None], returns, 0.0)[:, YEAR], axis=1, ddof=1)
    volatility = deviation * np.sqrt(SESSIONS_PER_YEAR)
    leveraged, inverse = flags(market, "is_leveraged"), flags(market, "is_inverse")

    ordinary = traded & ~leveraged & ~inverse & (missing <= 0.05)
    assert (~alive).sum() >= 5
    assert (alive & ~old).sum() >= 3
    assert (traded & (missing > 0.05)).sum() >= 1
    assert (ordinary & (close[:, -1] < 5.0)).sum() >= 1
    assert (ordinary & (dollars < 1e6)).sum() >= 5
    assert (ordinary & (volatility < 0.03)).sum() >= 3
    assert (ordinary & (volatility > 0.35)).sum() >= 1
    within = (volatility > 0.03) & (volatility < 0.35)
    assert (traded & leveraged & within).any()
    assert (traded & inverse & ~leveraged & within).any()
    assert (ordinary & within & (dollars >= 1e6) & (close[:, -1] >= 5.0)).sum() >= 200


def test_bonds_are_calmer_than_shares_and_multiples_are_multiples(
    market: SimulatedMarket, returns: FloatArray
) -> None:
    full = np.isfinite(returns).all(axis=1)
    volatility = returns.std(axis=1)
    asset_class = market.etfs["asset_class"].to_numpy()
    bonds = np.median(volatility[full & (asset_class == "Fixed income")])
    shares = np.median(volatility[full & (asset_class == "Broad equity")])
    assert bonds < 0.5 * shares

    leverage, broad = market.etfs["leverage"].to_numpy(), returns[benchmark_row(market)]
    multiples = full & market.etfs["name"].str.contains("US Daily", literal=True).to_numpy()
    for row in np.flatnonzero(multiples):
        slope = np.cov(returns[row], broad)[0, 1] / broad.var(ddof=1)
        assert slope == pytest.approx(leverage[row], abs=0.02)
