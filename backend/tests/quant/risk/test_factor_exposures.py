"""Exposures of positions out of a market's scores: those of the close before, and no later."""

import numpy as np
import pytest

from app.quant.factors.factor_history import FactorHistory
from app.quant.measured import Missing
from app.quant.panel import DateArray, FloatArray
from app.quant.risk.factor_exposures import model_of_positions
from app.quant.risk.factor_risk import FactorModel

DAYS: DateArray = np.arange("2025-01-06", "2025-01-10", dtype="datetime64[D]")


def scored() -> FactorHistory:
    """Four sessions, three ETFs; B has no score on the first two, and never a value score."""
    return FactorHistory(
        tickers=("A", "B", "C"),
        sessions=DAYS,
        names=("momentum", "value"),
        exclusion=np.zeros((4, 3), np.int8),
        starts=np.array([0, 2, 4, 7, 10]),
        rows=np.array([0, 2, 0, 2, 0, 1, 2, 0, 1, 2], np.int32),
        z=np.array(
            [
                [0.1, 0.2, 1.1, 1.2, 2.1, 2.5, 2.2, 3.1, 3.5, 3.2],
                [-0.1, -0.2, -1.1, -1.2, -2.1, np.nan, -2.2, -3.1, np.nan, -3.2],
            ]
        ),
        groups=np.zeros(3, np.int64),
    )


def earned() -> FloatArray:
    return np.array([[0.01, 0.001, 0.002], [0.02, 0.003, 0.004], [0.03, 0.005, 0.006]])


def model(days: DateArray) -> FactorModel | Missing:
    names = ("market", "momentum", "value")
    return model_of_positions(scored(), (names, DAYS[1:], earned()), np.array([1, 0]), days)


def test_the_exposures_of_a_day_are_the_scores_of_the_close_before() -> None:
    found = model(DAYS[1:])
    assert isinstance(found, FactorModel)
    assert found.names == ("market", "momentum", "value")
    np.testing.assert_array_equal(found.returns, earned())
    np.testing.assert_array_equal(
        found.exposures[:, 1], [[1, 0.1, -0.1], [1, 1.1, -1.1], [1, 2.1, -2.1]]
    )
    np.testing.assert_array_equal(found.latest, [[1, 3.5, 0], [1, 3.1, -3.1]])


def test_an_etf_without_a_score_has_no_exposure_and_an_unknown_score_counts_as_the_mean() -> None:
    found = model(DAYS[1:])
    assert isinstance(found, FactorModel)
    assert np.isnan(found.exposures[:2, 0]).all()
    np.testing.assert_array_equal(found.exposures[2, 0], [1, 2.5, 0])


def test_in_the_past_nothing_later_is_read() -> None:
    found = model(DAYS[1:3])
    assert isinstance(found, FactorModel)
    assert len(found.returns) == 2
    np.testing.assert_array_equal(found.latest, [[1, 2.5, 0], [1, 2.1, -2.1]])


def test_a_day_without_scores_says_so() -> None:
    assert model(DAYS[1:] + 30) == Missing("there are no scores of 2025-02-08")


@pytest.mark.parametrize("absent", [1, 2])
def test_a_factor_that_earned_nothing_known_is_left_out(absent: int) -> None:
    values = earned()
    values[:, absent] = np.nan
    names = ("market", "momentum", "value")
    found = model_of_positions(scored(), (names, DAYS[1:], values), np.array([0]), DAYS[1:])
    assert isinstance(found, FactorModel)
    assert found.names == tuple(name for place, name in enumerate(names) if place != absent)
    assert found.exposures.shape == (3, 1, 2)
