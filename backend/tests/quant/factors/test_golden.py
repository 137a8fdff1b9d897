"""Agreement with scores that were computed elsewhere by another implementation, on real prices.

Prices enter in the precision of their file: the longer one holds single precision, in which its
scores were computed. The same prices widened to double move a z-score by up to 2e-5.
"""

from datetime import date
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from app.quant.factors.score_history import score_history
from app.quant.factors.scoring import FACTORS, Scores, score
from app.quant.panel import Facts, Panel
from tests.shared_data import SHARED, needs_golden_scores

pytestmark = needs_golden_scores

GOLDEN = [
    ("etf_prices", "scores", date(2022, 6, 30)),
    ("etf_prices", "scores", date(2023, 3, 15)),
    ("etf_prices", "scores", date(2024, 12, 31)),
    ("etf_prices", "scores", date(2025, 6, 30)),
    ("etf_prices_long", "scores_long", date(2008, 10, 31)),
    ("etf_prices_long", "scores_long", date(2020, 3, 31)),
]
TOLERANCE = 1e-9


@cache
def market(file: str) -> tuple[Panel, Facts]:
    prices = pl.read_parquet(SHARED / "data" / f"{file}.parquet")
    tickers = prices["ticker"].unique().sort()
    sessions = prices["date"].unique().sort().to_numpy()
    row = prices["ticker"].cast(pl.Enum(tickers)).to_physical().to_numpy()
    column = np.searchsorted(sessions, prices["date"].to_numpy())

    def matrix(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        aligned = np.full((len(tickers), len(sessions)), np.nan, values.dtype)
        aligned[row, column] = values
        return aligned

    raw = prices["close"].to_numpy()
    close = matrix(np.where(raw > 0, raw, np.nan).astype(raw.dtype))
    volume = matrix(prices["volume"].cast(pl.Float64).to_numpy())
    sessions = sessions.astype("datetime64[D]")
    return Panel(tuple(tickers), sessions, close, close, volume), facts(tickers)


def facts(tickers: pl.Series) -> Facts:
    known = pl.read_csv(SHARED / "data" / "etf_metadata.csv", infer_schema_length=None)
    aligned = tickers.to_frame("ticker").join(known, on="ticker", how="left", maintain_order="left")
    return Facts(
        expense_ratio=aligned["expense_ratio"].to_numpy(),
        leveraged=aligned["is_leveraged"].fill_null(value=False).to_numpy(),
        inverse=aligned["is_inverse"].fill_null(value=False).to_numpy(),
        asset_class=aligned["asset_class"].fill_null("").to_numpy(),
    )


def scores_on(file: str, session: date) -> Scores:
    panel, known = market(file)
    return score(panel.until(session), known)


@pytest.mark.parametrize(("file", "prefix", "session"), GOLDEN)
def test_scores_agree_with_the_independent_ones(file: str, prefix: str, session: date) -> None:
    scores = scores_on(file, session)
    expected = pl.read_csv(SHARED / "golden" / f"{prefix}_{session}.csv")
    best = scores.best()

    assert [scores.tickers[row] for row in best] == expected[expected.columns[0]].to_list()
    assert scores.rank[best].tolist() == expected["rank"].to_list()
    for name in (*FACTORS, "composite"):
        np.testing.assert_allclose(
            getattr(scores, name)[best],
            expected[name].cast(pl.Float64).to_numpy(),
            rtol=0,
            atol=TOLERANCE,
            err_msg=name,
        )


@pytest.mark.parametrize(
    ("file", "first", "apart"), [("etf_prices", 200, 149), ("etf_prices_long", 3000, 1033)]
)
def test_a_sweep_over_real_prices_equals_scoring_dates_alone(
    file: str, first: int, apart: int
) -> None:
    panel, known = market(file)
    swept = score_history(panel, known, None, panel.sessions[first:])
    for t in range(0, len(swept.sessions), apart):
        alone = score(panel.until(swept.sessions[t].item()), known)
        np.testing.assert_array_equal(swept.composite[t], alone.composite)
        np.testing.assert_array_equal(swept.rank[t], alone.rank)
        np.testing.assert_array_equal(swept.exclusion[t], alone.exclusion)


def test_double_precision_moves_the_scores_of_single_precision_prices_a_little() -> None:
    panel, known = market("etf_prices_long")
    panel = panel.until(date(2020, 3, 31))
    single = score(panel, known)
    wide = panel.close.astype(np.float64)
    double = score(Panel(panel.tickers, panel.sessions, wide, wide, panel.volume), known)

    np.testing.assert_array_equal(single.rank, double.rank)
    apart = np.nanmax(np.abs(single.quality - double.quality))
    assert TOLERANCE < apart < 2e-5
