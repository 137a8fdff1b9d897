"""Published worked examples of the tests of a value at risk, closed forms, and their behaviour.

MathWorks: Risk Management Toolbox, documentation of `varbacktest` (functions pof, cci and cc, data
VaRBacktestData, 1,043 days). Jorion: Value at Risk, third edition (2006), chapter 6: the example of
J.P. Morgan in 1998, and question 10 at the chapter's end.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.quant.measured import Missing
from app.quant.risk.coverage import (
    Coverage,
    conditional,
    coverage,
    independence,
    proportion_of_failures,
    transitions,
)


@pytest.mark.parametrize(
    ("forecasts", "exceptions", "tail", "ratio", "p_value"),
    [
        pytest.param(1043, 57, 0.05, 0.46147, 0.49694, id="MathWorks, Normal95"),
        pytest.param(1043, 17, 0.01, 3.5118, 0.060933, id="MathWorks, Normal99"),
        pytest.param(252, 20, 0.05, 3.91, None, id="Jorion, J.P. Morgan 1998"),
        pytest.param(252, 6, 0.01, 3.498, None, id="Jorion, question 10"),
    ],
)
def test_the_proportion_of_failures_equals_published_examples(
    *, forecasts: int, exceptions: int, tail: float, ratio: float, p_value: float | None
) -> None:
    found = proportion_of_failures(forecasts, exceptions, tail)
    assert found.ratio == pytest.approx(ratio, rel=1e-3)
    if p_value is not None:
        assert found.p_value == pytest.approx(p_value, rel=1e-4)


@pytest.mark.parametrize(
    ("counts", "ratio"),
    [
        pytest.param((932, 53, 53, 4), 0.25866, id="MathWorks, Normal95"),
        pytest.param((218, 14, 14, 6), 9.53, id="Jorion, J.P. Morgan 1998"),
        pytest.param((244, 2, 2, 4), 25.837, id="Jorion, question 10"),
    ],
)
def test_independence_equals_published_examples(
    counts: tuple[int, int, int, int], ratio: float
) -> None:
    assert independence(*counts).ratio == pytest.approx(ratio, rel=1e-4)


def test_conditional_coverage_equals_published_examples() -> None:
    kupiec = proportion_of_failures(1043, 57, 0.05)
    both = conditional(kupiec, independence(932, 53, 53, 4))
    assert both.ratio == pytest.approx(0.72013, abs=1e-5)
    assert both.p_value == pytest.approx(0.69763, abs=1e-5)
    jorion = conditional(proportion_of_failures(252, 20, 0.05), independence(218, 14, 14, 6))
    assert jorion.ratio == pytest.approx(13.44, abs=0.01)


@given(count=st.integers(100, 2000), share=st.floats(0.0, 0.3))
def test_p_values_are_those_of_chi_squared(count: int, share: float) -> None:
    found = proportion_of_failures(count, int(count * share), 0.05)
    assert isinstance(found.ratio, float)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.ratio, 1), rel=1e-9)


def test_without_an_exception_the_likelihood_has_a_closed_form() -> None:
    assert proportion_of_failures(250, 0, 0.01).ratio == pytest.approx(-500 * math.log(0.99))


def test_exactly_as_many_as_promised_is_no_evidence() -> None:
    found = proportion_of_failures(1000, 50, 0.05)
    assert (found.ratio, found.p_value) == (0.0, 1.0)


def test_days_are_counted_by_what_came_before_them() -> None:
    assert transitions(np.array([0, 1, 1, 0, 0, 1, 0], bool)) == (1, 2, 2, 1)


def test_losses_in_a_row_are_not_independent_though_they_are_as_many_as_promised() -> None:
    returns = np.zeros(400)
    returns[100:120] = -0.05
    found = coverage(returns, np.full(400, -0.02), 0.05)
    assert isinstance(found, Coverage)
    assert (found.exceptions, found.expected, found.after_exception) == (20, 20.0, 19)
    assert found.kupiec.p_value == pytest.approx(1.0)
    assert isinstance(found.independence.p_value, float)
    assert found.independence.p_value < 1e-9


def test_independence_says_nothing_where_nothing_was_lost() -> None:
    found = coverage(np.zeros(300), np.full(300, -0.02), 0.05)
    assert isinstance(found, Coverage)
    assert found.independence.ratio == Missing("no day followed an exception")
    assert found.conditional.p_value == Missing("no day followed an exception")


@pytest.mark.parametrize(("days", "tail", "needed"), [(62, 0.05, 63), (99, 0.01, 100)])
def test_too_few_forecasts_are_not_judged(*, days: int, tail: float, needed: int) -> None:
    found = coverage(np.zeros(days), np.zeros(days), tail)
    assert isinstance(found, Missing)
    assert found.reason.endswith(f"{needed} are needed")
    assert isinstance(coverage(np.zeros(needed), np.zeros(needed), tail), Coverage)
