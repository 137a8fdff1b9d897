"""Real prices: alphalens finds the same rank ICs, spreads and autocorrelations."""

import alphalens
import numpy as np
import polars as pl
import pytest

from app.quant.factors.score_history import score_history
from app.quant.panel import Facts, FloatArray, Panel
from app.quant.research.persistence import persistence
from app.quant.research.signals import Question, Signals, kernels, signals
from tests.quant.research.markets import after, by_return, quietly, whole
from tests.shared_data import SHARED, needs_market_data

pytestmark = needs_market_data

SCORED, HORIZON = 80, 5


@pytest.fixture(scope="module")
def market() -> tuple[Panel, Signals]:
    """The first 500 tickers over the last two years of the file, and their momentum."""
    prices = pl.read_parquet(SHARED / "data" / "etf_prices.parquet")
    tickers = prices["ticker"].unique().sort()[:500]
    sessions = prices["date"].unique().sort()[-253 - SCORED - HORIZON :]
    part = prices.filter(pl.col("ticker").is_in(tickers.to_list()), pl.col("date") >= sessions[0])
    row, column = tickers.search_sorted(part["ticker"]), sessions.search_sorted(part["date"])

    def matrix(name: str) -> FloatArray:
        found = np.full((len(tickers), len(sessions)), np.nan)
        found[row.to_numpy(), column.to_numpy()] = part[name].to_numpy()
        return found

    close = matrix("close")
    close[~(close > 0)] = np.nan
    days = sessions.to_numpy().astype("datetime64[D]")
    panel = Panel(tuple(tickers), days, close, close, matrix("volume"))
    no = np.zeros(len(tickers), np.bool_)
    facts = Facts(np.full(len(tickers), 0.001), no, no, np.full(len(tickers), "any"))
    history = score_history(panel, facts, sessions=panel.sessions[252 : 252 + SCORED]).factors
    columns = np.arange(252, 252 + SCORED)
    return panel, signals(history, columns, facts.asset_class, Question("momentum", (), 0))


def test_alphalens_finds_the_same(market: tuple[Panel, Signals]) -> None:
    import pandas as pd

    panel, found = market
    arranged = whole(found)
    returns = after(found, panel, HORIZON)
    assert not returns.unfilled  # alphalens would enter at an old price
    sorting = (found.starts, arranged.groups, arranged.ordered, arranged.codes)
    ordered = by_return(found, returns.returns[0])
    ics, _, means = kernels().compared(
        found.scores, returns.returns[0], ordered, sorting, (1, 5, 10)
    )
    days = pd.DatetimeIndex(panel.sessions)
    index = pd.MultiIndex.from_arrays(
        [days[found.columns[found.session_of] + 1], np.array(panel.tickers)[found.rows]],
        names=["date", "asset"],
    )
    prices = pd.DataFrame(panel.adjusted.T, index=days, columns=panel.tickers)
    with quietly():
        theirs = alphalens.utils.get_clean_factor_and_forward_returns(
            pd.Series(found.scores, index), prices, periods=(HORIZON,), filter_zscore=None
        )
        their_ics = alphalens.performance.factor_information_coefficient(theirs).iloc[:, 0]
        autocorrelation = alphalens.performance.factor_rank_autocorrelation(theirs, 1)
        by_date, _ = alphalens.performance.mean_return_by_quantile(
            theirs, by_date=True, demeaned=False
        )
    assert len(their_ics) == SCORED
    np.testing.assert_allclose(ics[0], their_ics.to_numpy(), atol=1e-10)
    table = by_date.iloc[:, 0].unstack("factor_quantile").to_numpy()
    np.testing.assert_allclose(means[0], table, atol=1e-10)
    ours = persistence(found, arranged, (1,), quantiles=5).lags[0].autocorrelation
    assert ours == pytest.approx(float(autocorrelation.mean()), abs=1e-10)
