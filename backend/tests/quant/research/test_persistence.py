"""Rank autocorrelation, turnover and half-life, beside alphalens and closed forms."""

import alphalens
import numpy as np
import pytest

from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.research.persistence import AtLag, half_life, persistence
from tests.quant.research.markets import for_alphalens, quietly, signals_of, walk, whole


def autoregressive(sessions: int, etfs: int, keep: float, seed: int = 0) -> FloatArray:
    random = np.random.default_rng(seed)
    scores = random.normal(size=(sessions, etfs))
    for session in range(1, sessions):
        scores[session] = keep * scores[session - 1] + np.sqrt(1 - keep**2) * scores[session]
    return scores


def at(lag: int, autocorrelation: float) -> AtLag:
    return AtLag(lag, 100, autocorrelation, 0.1, 0.1)


@pytest.mark.parametrize("lag", [1, 5, 21])
def test_alphalens_finds_the_same(lag: int) -> None:
    scores = autoregressive(80, 43, 0.9)
    scores[np.random.default_rng(1).random(scores.shape) < 0.05] = np.nan
    counts = np.count_nonzero(~np.isnan(scores), axis=1)
    scores[:, 0] = np.where((counts - 1) % 5 == 0, np.nan, scores[:, 0])
    found = signals_of(scores)
    measured = persistence(found, whole(found), (lag,), quantiles=5)
    ours = next(each for each in measured.lags if each.lag == lag)
    theirs = for_alphalens(scores, walk(43, 83), 1)
    with quietly():
        correlation = alphalens.performance.factor_rank_autocorrelation(theirs, lag)
        codes = theirs["factor_quantile"]
        turnover = [alphalens.performance.quantile_turnover(codes, q, lag) for q in (1, 5)]
    assert ours.sessions == 80 - lag
    assert ours.autocorrelation == pytest.approx(float(correlation.mean()), abs=1e-10)
    assert ours.turnover_bottom == pytest.approx(float(turnover[0].iloc[lag:].mean()), abs=1e-10)
    assert ours.turnover_top == pytest.approx(float(turnover[1].iloc[lag:].mean()), abs=1e-10)


def test_a_score_that_never_changes_is_its_own_past() -> None:
    found = signals_of(np.tile(np.random.default_rng(2).normal(size=30), (70, 1)))
    measured = persistence(found, whole(found), (1, 5), quantiles=5)
    known = [each for each in measured.lags if each.lag < 70]
    assert [each.lag for each in known] == [1, 5, 10, 21, 42, 63]
    assert all(each.autocorrelation == pytest.approx(1.0) for each in known)
    assert all(each.turnover_top == each.turnover_bottom == 0.0 for each in known)
    assert measured.half_life == Missing("the rank autocorrelation is still 1.00 after 63 sessions")
    assert measured.lags[-1].autocorrelation == Missing("no session so long after another")


def test_the_half_life_of_a_decay_is_where_half_is_left() -> None:
    """Of an autoregressive score: log 0.5 / log 0.95 = 13.5 sessions (Spearman's a little less)."""
    found = signals_of(autoregressive(400, 200, 0.95))
    measured = persistence(found, whole(found), (12, 13, 14, 15), quantiles=5).half_life
    assert measured == pytest.approx(np.log(0.5) / np.log(0.95), abs=1.0)


def test_between_two_lags_the_fall_is_a_straight_line() -> None:
    assert half_life([at(1, 0.9), at(5, 0.7), at(10, 0.3)]) == pytest.approx(7.5)
    assert half_life([at(2, 0.0)]) == pytest.approx(1.0)
    assert half_life([at(1, 0.5)]) == pytest.approx(1.0)
    assert half_life([at(1, 0.8), at(5, 0.6)]) == Missing(
        "the rank autocorrelation is still 0.60 after 5 sessions"
    )
