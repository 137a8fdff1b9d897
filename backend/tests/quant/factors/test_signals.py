"""Raw factor values against closed forms, on histories that can be worked out by hand."""

import subprocess
import sys
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.quant.factors.history import Benchmarks, History, Known, Window
from app.quant.factors.signals import LowVolatility, Momentum, Quality, Value
from app.quant.panel import FloatArray
from tests.quant.factors.markets import facts_of, panel_of


def window_of(
    closes: FloatArray, *, end: int | None = None, benchmarks: Benchmarks | None = None
) -> Window:
    """All ETFs on the last session, read as far back as there are closes."""
    panel = panel_of(closes)
    rows = np.arange(len(closes))
    history = History.of(panel, rows, begin=0, end=len(panel))
    return Window(
        known=Known(panel, facts_of(len(closes)), benchmarks),
        history=history,
        ends=np.array([end or len(panel)]),
        inside=np.ones((1, len(closes)), np.bool_),
        reads=10_000,
    )


def test_momentum_is_growth_up_to_a_month_ago() -> None:
    growth = np.array([[1.001], [0.999]]) ** np.arange(253.0)
    growth[:, -21:] = 1e6
    np.testing.assert_allclose(
        Momentum().raw(window_of(growth))[0], np.array([1.001, 0.999]) ** 231 - 1, rtol=1e-13
    )


def test_momentum_needs_its_whole_window() -> None:
    assert np.isnan(Momentum().raw(window_of(np.ones((2, 252))))).all()


def test_alternating_returns_have_a_known_mean_and_deviation() -> None:
    returns = 0.01 * (-1.0) ** np.arange(252)
    closes = np.cumprod(np.append(1.0, 1.0 + returns))[None, :]
    mean, deviation = window_of(closes).moments(252)
    assert mean[0, 0] == pytest.approx(0.0, abs=1e-15)
    assert deviation[0, 0] == pytest.approx(0.01 * sqrt(252 / 251), rel=1e-12)


def test_a_large_price_level_costs_no_precision() -> None:
    closes = 1e12 * np.cumprod(1 + np.where(np.arange(253) % 2, 1e-6, -1e-6))[None, :]
    exact = 1e-6 * sqrt(252 / 251)
    assert window_of(closes).moments(252)[1][0, 0] == pytest.approx(exact, rel=1e-6)


def test_drawdown_is_the_deepest_fall_from_a_running_peak() -> None:
    closes = np.array([[100.0, 120.0, 60.0, 150.0, 90.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    np.testing.assert_allclose(window_of(closes).drawdowns(5)[0], [-0.5, 0.0])
    np.testing.assert_allclose(window_of(closes).drawdowns(2)[0], [-0.4, 0.0])


def test_a_gap_of_five_sessions_is_carried_and_a_sixth_is_unknown() -> None:
    closes = np.array([[10.0, *[np.nan] * 6, 12.0, 15.0]])
    history = window_of(closes).history
    np.testing.assert_array_equal(history.closes[0], [10.0] * 6 + [np.nan, 12.0, 15.0])
    expected = [np.nan, 0.0, 0.0, 0.0, 0.0, 0.0, np.nan, np.nan, 0.25]
    np.testing.assert_array_equal(history.returns[0], expected)


def test_a_carried_close_before_the_window_fills_its_beginning() -> None:
    closes = np.array([[10.0, *[np.nan] * 4, 11.0]])
    history = History.of(panel_of(closes), np.array([0]), begin=4, end=6)
    np.testing.assert_array_equal(history.closes[0], [10.0, 11.0])


def test_a_drawdown_steps_over_an_unknown_close() -> None:
    closes = np.array([[np.nan, 10.0, *[np.nan] * 7, 5.0, 20.0]])
    assert window_of(closes).drawdowns(11)[0, 0] == -0.5


def test_too_few_known_returns_have_no_deviation() -> None:
    closes = np.full((1, 61), np.nan)
    closes[0, ::7] = 10.0
    closes[0, -30:] = np.nan
    assert np.isnan(window_of(closes).moments(60)[1][0, 0])


def test_no_method_reads_the_end_column_or_later() -> None:
    closes = np.cumprod(np.full((1, 300), 1.001), axis=1)
    known = window_of(closes[:, :260])
    later = np.concatenate([closes[:, :260], np.full((1, 40), 1e9)], axis=1)
    seen = window_of(later, end=260)
    assert seen.closes_ago(0) == known.closes_ago(0)
    assert seen.moments(252) == known.moments(252)
    assert seen.drawdowns(253) == known.drawdowns(253)


def test_tracking_error_of_a_constant_lead_is_zero_and_of_noise_its_deviation() -> None:
    benchmark = np.where(np.arange(252) % 2, 0.01, -0.01)
    noise = np.where(np.arange(252) % 4 < 2, 0.002, -0.002)
    returns = np.vstack([benchmark + 0.001, benchmark + noise, benchmark])
    closes = np.cumprod(np.hstack([np.ones((3, 1)), 1 + returns]), axis=1)
    followed = Benchmarks(np.append(np.nan, benchmark)[None, :], np.array([0, 0, -1]))
    errors = window_of(closes, benchmarks=followed).tracking_errors(252)
    np.testing.assert_allclose(
        errors[0], [0.0, 0.002 * sqrt(252 / 251), np.nan], rtol=1e-9, atol=1e-14
    )


@settings(max_examples=60, deadline=None)
@given(
    closes=arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(3, 40)),
        elements=st.one_of(st.floats(0.5, 2.0), st.sampled_from([1.0, 1.0 + 2**-52, np.nan])),
    ),
    count=st.integers(1, 12),
    step=st.integers(1, 15),
)
def test_drawdowns_of_a_sweep_are_to_the_bit_those_of_a_plain_pass(
    closes: FloatArray, count: int, step: int
) -> None:
    window = window_of(closes)
    ends = np.arange(1, closes.shape[1] + 1, step)
    inside = np.ones((len(ends), len(closes)), np.bool_)
    found = replace(window, ends=ends, inside=inside).drawdowns(count)
    for t, end in enumerate(ends):
        for row, path in enumerate(window.history.closes):
            past = path[end - count : end] if end >= count else path[:0]
            past = past[~np.isnan(past)]
            plain = (past / np.maximum.accumulate(past)).min() - 1 if len(past) else np.nan
            np.testing.assert_array_equal(found[t, row], plain)


def test_a_window_hands_out_no_more_than_was_declared() -> None:
    window = window_of(np.ones((1, 300))).reading(22)
    window.closes_ago(21)
    for ask in (window.closes_ago, window.moments, window.tracking_errors):
        with pytest.raises(ValueError, match="declared"):
            ask(22)


def test_factors_declare_what_they_read() -> None:
    assert Momentum().window == Quality().window == 253
    assert LowVolatility().window == 61
    assert Value().window == 1
    assert Value(tracking=True).window == 253


def test_importing_the_factors_does_not_import_numba() -> None:
    program = "import sys, app.quant.factors.scoring;" " sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
