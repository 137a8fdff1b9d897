"""Selection and weights of a real day, checked with pandas."""

import numpy as np
import pandas as pd
import pytest

from app.quant.construction import ConstructionSettings, Invested, Target, construct
from app.quant.optimizers import OPTIMIZERS
from app.quant.panel import Panel
from tests.shared_data import SHARED, needs_golden_scores

pytestmark = needs_golden_scores


@pytest.fixture(scope="module")
def closes() -> pd.DataFrame:
    """Positive closes up to mid-2025, one row per ETF."""
    path = SHARED / "data" / "etf_prices.parquet"
    table = pd.read_parquet(path, columns=["ticker", "date", "close"])
    wide = table.pivot(index="ticker", columns="date", values="close")
    return wide.where(wide > 0.0)


@pytest.fixture(scope="module")
def composites(closes: pd.DataFrame) -> pd.Series:
    scores = pd.read_csv(SHARED / "golden" / "scores_2025-06-30.csv", index_col=0)["composite"]
    return scores.reindex(closes.index)


@pytest.fixture(scope="module", params=sorted(OPTIMIZERS))
def target(request: pytest.FixtureRequest, closes: pd.DataFrame, composites: pd.Series) -> Target:
    values = np.ascontiguousarray(closes.to_numpy(dtype=float))
    sessions = closes.columns.to_numpy().astype("datetime64[D]")
    panel = Panel(tuple(closes.index), sessions, values, values, np.full_like(values, np.nan))
    settings = ConstructionSettings(optimizer=OPTIMIZERS[request.param])
    return construct(panel, composites.to_numpy(), settings, Invested(1e6))


def test_the_twenty_picks_hold_no_bet_twice(target: Target, closes: pd.DataFrame) -> None:
    picked = closes.loc[list(target.weights)].ffill(axis=1, limit=5)
    returns = picked.iloc[:, -253:].T.pct_change(fill_method=None).dropna()
    correlations = returns.corr().to_numpy()
    assert len(picked) == 20
    assert correlations[np.triu_indices(20, 1)].max() <= 0.98


def test_every_better_name_is_a_twin_of_a_pick(
    target: Target, closes: pd.DataFrame, composites: pd.Series
) -> None:
    last = composites[list(target.weights)].min()
    better = set(composites[composites > last].index) - set(target.weights)
    assert {passed.ticker for passed in target.selection.passed} == better
    for passed in target.selection.passed:
        twin = passed.reason.split()[2]
        pair = closes.loc[[passed.ticker, twin]].ffill(axis=1, limit=5).iloc[:, -253:].T
        correlation = pair.pct_change(fill_method=None).dropna().corr().to_numpy()[0, 1]
        assert passed.reason == f"twin of {twin} ({correlation:.3f})"


def test_the_weights_of_a_real_day_meet_the_limits(target: Target) -> None:
    weights = np.array(list(target.weights.values()))
    assert weights.sum() == pytest.approx(0.98, abs=1e-9)
    assert weights.min() >= 0.02
    assert weights.max() <= 0.15
