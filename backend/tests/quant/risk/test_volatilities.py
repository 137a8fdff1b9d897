"""Volatilities beside pandas and scikit-learn, and how honest their errors are."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import LedoitWolf

from app.quant.measured import Missing
from app.quant.risk.volatilities import exponentially_weighted, of_series, shrunk


def test_exponential_weights_are_those_of_pandas() -> None:
    returns = np.random.default_rng(1).normal(0.0, 0.01, 300)
    expected = np.sqrt(pd.Series(returns**2).ewm(alpha=0.06, adjust=True).mean())
    found = exponentially_weighted(returns)
    np.testing.assert_allclose(found[1:], expected, rtol=1e-10)
    assert math.isnan(found[0])


def test_shrunk_volatility_is_that_of_scikit_learns_covariance() -> None:
    random = np.random.default_rng(2)
    returns = random.normal(0.0, 0.01, (8, 252)) + random.normal(0.0, 0.01, 252)
    weights = np.full(8, 0.1)
    peer = LedoitWolf().fit(returns.T)
    estimate, shrinkage = shrunk(weights, returns)
    assert shrinkage == pytest.approx(peer.shrinkage_)
    expected = math.sqrt(weights @ peer.covariance_ @ weights * 252)
    assert estimate.value == pytest.approx(expected)
    assert isinstance(estimate.error, float)
    assert 0.0 < estimate.error < expected / 10.0


def test_the_error_of_a_normal_sample_is_the_textbooks() -> None:
    """sigma / sqrt(2 (n - 1)), up to the sample's own kurtosis."""
    returns = np.random.default_rng(3).normal(0.0, 0.01, 5000)
    found = of_series(returns).sample
    assert isinstance(found.value, float)
    assert found.error == pytest.approx(found.value / math.sqrt(2 * 4999), rel=0.05)


def test_errors_are_as_large_as_estimates_differ() -> None:
    """Over many samples with fat tails the stated error is the spread of the estimates."""
    samples = np.random.default_rng(4).standard_t(9, (2000, 252)) * 0.01
    found = [of_series(each) for each in samples]
    for name in ("sample", "weighted"):
        estimates = [getattr(each, name) for each in found]
        spread = np.std([each.value for each in estimates])
        assert np.mean([each.error for each in estimates]) == pytest.approx(spread, rel=0.15)


def test_a_series_that_never_moves_has_no_error() -> None:
    found = of_series(np.zeros(100)).sample
    assert (found.value, found.error) == (0.0, Missing("the returns do not vary"))
