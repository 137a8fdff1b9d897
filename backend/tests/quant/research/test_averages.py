"""Errors of overlapping figures, beside statsmodels and by simulation."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.research.averages import average, critical_value


def overlapping(generator: np.random.Generator, sessions: int, horizon: int) -> FloatArray:
    """Sums of `horizon` draws around zero that begin a session apart."""
    total = np.append(0.0, np.cumsum(generator.normal(size=sessions + horizon)))
    return total[horizon:] - total[:-horizon]


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_the_error_is_that_of_statsmodels(horizon: int) -> None:
    series = overlapping(np.random.default_rng(4), 500, horizon) + 0.1
    found = average(series, horizon)
    fitted = sm.OLS(series, np.ones(len(series))).fit(
        cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": True}
    )
    assert found.lags >= 2 * (horizon - 1)
    assert found.mean == pytest.approx(fitted.params[0], rel=1e-12)
    assert found.error == pytest.approx(fitted.bse[0], rel=1e-10)
    assert found.t == pytest.approx(fitted.tvalues[0], rel=1e-10)


def test_the_error_of_some_sessions_is_that_of_a_regression_on_which_they_are() -> None:
    series = overlapping(np.random.default_rng(5), 600, 5)
    where = (np.arange(len(series)) // 40) % 3 == 0
    found = average(series, 5, where)
    dummies = np.column_stack([where, ~where]).astype(np.float64)
    fitted = sm.OLS(series, dummies).fit(
        cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": False}
    )
    count = int(where.sum())
    assert found.sessions == count
    assert found.mean == pytest.approx(fitted.params[0], rel=1e-10)
    assert found.error == pytest.approx(fitted.bse[0] * math.sqrt(count / (count - 1)), rel=1e-10)


def test_missing_sessions_keep_their_place_in_time() -> None:
    series = overlapping(np.random.default_rng(6), 300, 5)
    where = np.random.default_rng(7).random(len(series)) < 0.7
    gappy = np.where(where, series, np.nan)
    gappy[0], where[0] = series[0], True
    gappy[-1], where[-1] = series[-1], True
    assert average(gappy, 5) == average(series, 5, where)
    padded = np.concatenate([gappy, [np.nan] * 50])
    assert average(padded, 5) == average(gappy, 5)


@pytest.mark.parametrize(("horizon", "most"), [(1, 0.08), (21, 0.11), (63, 0.11)])
def test_the_interval_misses_the_truth_about_as_rarely_as_it_says(
    horizon: int, most: float
) -> None:
    """800 sessions; with h - 1 lags and 1.96 errors a fifth or so of the intervals at 63 miss."""
    generator = np.random.default_rng(8)
    misses = 0
    for _ in range(400):
        found = average(overlapping(generator, 800, horizon), horizon)
        assert isinstance(found.low, float)
        assert isinstance(found.high, float)
        misses += not found.low <= 0.0 <= found.high
    assert misses / 400 <= most


def test_critical_values_are_those_of_the_limiting_distribution() -> None:
    """Kiefer and Vogelsang (2005), simulated: t = W(1) / sqrt(Q), Bartlett, window of a share b."""
    generator = np.random.default_rng(9)
    steps, share = 400, 0.5
    wide = int(share * steps)
    found = []
    for _ in range(4_000):
        draws = generator.normal(size=steps)
        bridge = np.cumsum(draws - draws.mean())
        apart = bridge[wide:] - bridge[:-wide] if wide < steps else np.zeros(0)
        # Bartlett's long-run variance, summed by parts: 2 / (M n) (sum S^2 - sum S_t S_{t+M}).
        variance = 2.0 / (wide * steps) * (bridge @ bridge - bridge[wide:] @ bridge[:-wide])
        assert len(apart) == steps - wide
        found.append(abs(draws.sum() / math.sqrt(steps)) / math.sqrt(variance))
    assert critical_value(share) == pytest.approx(float(np.quantile(found, 0.95)), rel=0.05)
    assert critical_value(0.0) == pytest.approx(1.96, abs=1e-3)


def test_what_cannot_be_said_is_missing_with_its_reason() -> None:
    one = average(np.array([0.1]), 1)
    assert one.mean == Missing("fewer than 2 sessions")
    flat = average(np.full(50, 0.1), 1)
    assert flat.mean == pytest.approx(0.1)
    assert flat.error == flat.t == flat.ratio == Missing("it does not vary")
    short = average(overlapping(np.random.default_rng(10), 30, 21)[:30], 21)
    assert isinstance(short.mean, float)
    assert short.error == Missing("30 sessions hold fewer than 2 whole horizons")
    assert short.low == short.error
