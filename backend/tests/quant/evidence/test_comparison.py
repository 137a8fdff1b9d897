"""The paired difference of two runs, beside statsmodels' HAC errors and simulated ones."""

import math
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]
from scipy.signal import lfilter
from statsmodels.stats.sandwich_covariance import (  # type: ignore[import-untyped]
    S_hac_simple,
)

from app.quant.evidence.bootstrap import Interval
from app.quant.evidence.comparison import (
    Comparison,
    Difference,
    automatic_lag,
    compare,
    long_run_variance,
)
from app.quant.evidence.records import TrackRecord
from app.quant.measured import Missing
from app.quant.panel import FloatArray

DAY = np.datetime64("2015-01-01")


def record(returns: FloatArray, *, after: int = 0) -> TrackRecord:
    return TrackRecord(DAY + after + np.arange(len(returns) + 1), returns)


def pair(seed: int = 1, sessions: int = 1500) -> tuple[FloatArray, FloatArray]:
    generator = np.random.default_rng(seed)
    market = 0.01 * generator.standard_t(5, sessions)
    noise = lfilter([1.0], [1.0, -0.2], 0.004 * generator.normal(size=(2, sessions)))
    return 0.9 * market + noise[0] + 0.0008, market + noise[1] + 0.0003


def measured(first: TrackRecord, second: TrackRecord, **how: Any) -> Comparison:
    found = compare(first, second, **{"rf": 0.02, "seed": 1, "resamples": 200, **how})
    assert isinstance(found, Comparison)
    return found


def test_the_mean_difference_has_the_error_of_statsmodels() -> None:
    mine, other = pair()
    found = measured(record(mine), record(other)).mean
    fit = sm.OLS(252 * (mine - other), np.ones(len(mine))).fit(
        cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": True}
    )
    assert found.value == pytest.approx(fit.params[0])
    assert found.error == pytest.approx(fit.bse[0])
    assert found.p_value == pytest.approx(fit.pvalues[0])


def test_the_sharpe_difference_has_the_error_of_ledoit_and_wolf() -> None:
    """Their delta method on both means and mean squares, with statsmodels' HAC matrix."""
    mine, other = pair()
    found = measured(record(mine), record(other)).sharpe
    moments = np.column_stack((mine - 0.02 / 252, other - 0.02 / 252))
    moments = np.column_stack((moments, moments**2))
    a, b, c, d = moments.mean(axis=0)
    first, second = (c - a * a) ** 1.5, (d - b * b) ** 1.5
    gradient = np.array([c / first, -d / second, -a / first / 2, b / second / 2])
    count = len(mine)
    psi = S_hac_simple(moments - moments.mean(axis=0), nlags=found.lags) / count
    error = math.sqrt(gradient @ psi @ gradient * 252 / (count - 4))
    assert found.error == pytest.approx(error)


def test_errors_are_those_that_repeated_samples_show() -> None:
    found = [measured(*map(record, pair(seed, 750)), resamples=2) for seed in range(150)]
    for name in ("mean", "sharpe"):
        parts: list[Difference] = [getattr(comparison, name) for comparison in found]
        values = np.array([part.value for part in parts], dtype=float)
        errors = np.array([part.error for part in parts], dtype=float)
        assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.15)


def test_the_lag_grows_with_memory_as_newey_and_west_have_it() -> None:
    """For an AR(1), s(1) / s(0) = 2 memory / (1 - memory^2), and the lag 1.1447 of its square."""
    noise = np.random.default_rng(2).normal(size=100_000)
    series = lfilter([1.0], [1.0, -0.5], noise)
    expected = 1.1447 * ((1.0 / 0.75) ** 2 * len(series)) ** (1 / 3)
    assert automatic_lag(series) == pytest.approx(expected, rel=0.12)
    assert long_run_variance(series, automatic_lag(series)) == pytest.approx(4.0, rel=0.06)
    assert long_run_variance(series, 0) == pytest.approx(series.var())


def test_only_sessions_of_both_count_and_the_others_are_told() -> None:
    mine, other = pair(sessions=400)
    mine[250] = np.nan
    found = measured(record(mine), record(other[100:], after=100))
    assert (found.sessions, found.only_first, found.only_second) == (299, 100, 1)
    common = np.r_[100:250, 251:400]
    expected = 252 * (mine[common] - other[common]).mean()
    assert found.mean.value == pytest.approx(expected)
    assert found.correlation == pytest.approx(np.corrcoef(mine[common], other[common])[0, 1])


def test_the_other_way_round_is_the_same_with_the_other_sign() -> None:
    first, second = map(record, pair(sessions=300))
    there, back = measured(first, second), measured(second, first)
    assert there.block == back.block
    for one, other in ((there.mean, back.mean), (there.sharpe, back.sharpe)):
        assert isinstance(one.interval, Interval)
        assert isinstance(other.interval, Interval)
        assert one.value == pytest.approx(-other.value)  # type: ignore[operator]
        assert (one.error, one.p_value) == pytest.approx((other.error, other.p_value))
        assert one.interval.low == pytest.approx(-other.interval.high)


def test_the_bootstrap_interval_is_about_as_wide_as_the_error_says() -> None:
    found = measured(*map(record, pair(3)), resamples=1000)
    for part in (found.mean, found.sharpe):
        assert isinstance(part.interval, Interval)
        half = (part.interval.high - part.interval.low) / 2.0
        assert half == pytest.approx(1.96 * part.error, rel=0.2)  # type: ignore[operator]


def test_a_run_does_not_differ_from_itself() -> None:
    mine = record(pair(sessions=300)[0])
    found = measured(mine, mine)
    assert found.mean.value == found.sharpe.value == 0.0
    assert found.mean.p_value == found.sharpe.error == Missing("the difference does not vary")
    assert found.mean.interval == Interval(0.0, 0.0, 0.95)


def test_a_run_at_rest_has_a_mean_but_no_sharpe_ratio_to_compare() -> None:
    found = measured(record(pair(sessions=300)[0]), record(np.zeros(300)))
    assert isinstance(found.mean.p_value, float)
    assert found.sharpe.value == found.correlation == Missing("the returns do not vary")


def test_runs_of_different_times_are_not_compared() -> None:
    mine, other = pair(sessions=200)
    found = compare(record(mine), record(other, after=150), rf=0.0, seed=1)
    assert found == Missing("the runs have 50 common sessions; 63 are needed")
