"""Several factors at once, beside statsmodels, pandas and plain loops."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.research.signals import Signals, kernels
from app.quant.research.together import coefficients, correlations, interactions
from tests.quant.factors.markets import panel_of
from tests.quant.research.markets import after, signals_of, walk, whole


def correlated(sessions: int, etfs: int, seed: int = 0) -> tuple[FloatArray, ...]:
    """Three factors, of which the second is like the first."""
    random = np.random.default_rng(seed)
    one, two, three = random.normal(size=(3, sessions, etfs))
    return one, 0.8 * one + 0.6 * two, three


def made(sessions: int = 60, etfs: int = 40) -> tuple[Signals, tuple[FloatArray, ...]]:
    one, two, three = correlated(sessions, etfs)
    three[:, 5] = np.nan
    return signals_of(one, second=two, third=three), (one, two, three)


def test_coefficients_are_means_of_regressions_of_each_session() -> None:
    """Fama and MacBeth (1973), each session by statsmodels."""
    found, lines = made()
    panel = walk(40, 70)
    returns = after(found, panel, 5)
    measured = coefficients(found, returns, 0, joined=True)
    assert [each.factor for each in measured] == ["made", "second", "third"]
    alone, together = [], []
    for session in range(60):
        y = panel.close[:, session + 6] / panel.close[:, session + 1] - 1
        x = np.column_stack([each[session] for each in lines])
        whole_rows = ~np.isnan(x).any(axis=1)
        y, x = y[whole_rows], x[whole_rows]
        together.append(sm.OLS(y, sm.add_constant(x)).fit().params[1:])
        alone.append([sm.OLS(y, sm.add_constant(z)).fit().params[1] for z in x.T])
    for place, each in enumerate(measured):
        assert each.together.mean == pytest.approx(np.mean(together, axis=0)[place], abs=1e-12)
        assert each.alone.mean == pytest.approx(np.mean(alone, axis=0)[place], abs=1e-12)
        assert each.together.deviation == pytest.approx(
            np.std(together, axis=0, ddof=1)[place], abs=1e-12
        )


def test_the_error_of_a_coefficient_allows_for_the_overlap() -> None:
    found, _ = made(sessions=300)
    returns = after(found, walk(40, 310), 5)
    squares, products, _ = kernels().session_moments(
        found.scores[None], returns.returns[0], found.starts
    )
    slopes = np.array([np.linalg.solve(*pair)[1] for pair in zip(squares, products, strict=True)])
    alone = signals_of(correlated(300, 40)[0])
    measured = coefficients(alone, returns, 0, joined=True)[0].together
    fitted = sm.OLS(slopes, np.ones(300)).fit(
        cov_type="HAC", cov_kwds={"maxlags": measured.lags, "use_correction": True}
    )
    assert measured.lags >= 8
    assert measured.error == pytest.approx(fitted.bse[0], rel=1e-9)


def test_a_planted_return_comes_back() -> None:
    """Returns are 1 % per unit of the first factor and nothing per unit of the second."""
    one, two, _ = correlated(40, 50)
    closes = np.ones((50, 42))
    for session in range(40):
        closes[:, session + 2] = closes[:, session + 1] * (1.0 + 0.01 * one[session])
    found = signals_of(one, second=two)
    first, second = coefficients(found, after(found, panel_of(closes), 1), 0, joined=True)
    assert first.together.mean == pytest.approx(0.01, abs=1e-12)
    assert second.together.mean == pytest.approx(0.0, abs=1e-12)
    assert isinstance(second.alone.mean, float)
    assert second.alone.mean > 0.005


def test_factors_that_say_the_same_have_no_separate_coefficients() -> None:
    one, _, three = correlated(30, 40)
    found = signals_of(one, twin=2.0 * one + 1.0, third=three)
    measured = coefficients(found, after(found, walk(40, 40), 1), 0, joined=True)
    assert [each.together.mean for each in measured] == [Missing("fewer than 2 sessions")] * 3
    assert all(isinstance(each.alone.mean, float) for each in measured)


def test_a_composite_is_not_regressed_on_beside_its_parts() -> None:
    found, _ = made()
    measured = coefficients(found, after(found, walk(40, 70), 1), 0, joined=False)
    assert [each.factor for each in measured] == ["second", "third"]


def test_correlations_are_means_over_sessions() -> None:
    found, lines = made()
    expected = np.mean(
        [
            pd.DataFrame(np.column_stack([each[session] for each in lines])).dropna().corr()
            for session in range(60)
        ],
        axis=0,
    )
    measured = correlations(found)
    assert measured.factors == ("made", "second", "third")
    np.testing.assert_allclose(np.array(measured.matrix), expected, atol=1e-12)


def test_double_sorts_are_those_of_a_plain_loop() -> None:
    one, two, _ = correlated(20, 61)
    panel = walk(61, 30)
    found = signals_of(one, second=two)
    ((measured,),) = interactions(found, whole(found), after(found, panel, 3), fewest=10)
    cells = np.zeros((20, 3, 3))
    for session in range(20):
        frame = pd.DataFrame(
            {
                "score": one[session],
                "other": two[session],
                "then": panel.close[:, session + 4] / panel.close[:, session + 1] - 1,
            }
        )
        # 61 and 20 or 21 ETFs: thirds of pandas, whose edges are values themselves here and there.
        frame["outer"] = _thirds(frame["other"])
        frame["inner"] = frame.groupby("outer")["score"].transform(_thirds)
        cells[session] = frame.groupby(["outer", "inner"])["then"].mean().unstack().to_numpy()
    np.testing.assert_allclose(np.array(measured.cells), cells.mean(axis=0), atol=1e-12)
    spreads = cells[:, :, 2] - cells[:, :, 0]
    assert [each.mean for each in measured.spreads] == pytest.approx(spreads.mean(axis=0).tolist())
    assert measured.difference.mean == pytest.approx((spreads[:, 2] - spreads[:, 0]).mean())


def _thirds(values: "pd.Series[float]") -> "pd.Series[float]":
    """By exact arithmetic: the lowest third whose edge, linearly interpolated, is not below."""
    places = values.rank().astype(int) - 1
    count = len(values) - 1
    return ((places * 3 + count - 1) // count - 1).clip(lower=0)


def test_an_interaction_shows_where_a_factor_works() -> None:
    """The score only pays among ETFs that are high in the other factor."""
    random = np.random.default_rng(11)
    score, other = random.normal(size=(2, 50, 90))
    closes = np.ones((90, 52))
    for session in range(50):
        paid = np.where(other[session] > 0.5, 0.01 * score[session], 0.0)
        closes[:, session + 2] = closes[:, session + 1] * (1.0 + paid)
    found = signals_of(score, other=other)
    ((measured,),) = interactions(found, whole(found), after(found, panel_of(closes), 1), fewest=10)
    low, _, high = (each.mean for each in measured.spreads)
    assert low == pytest.approx(0.0, abs=1e-12)
    assert isinstance(high, float)
    assert high > 0.01
    assert measured.difference.mean == pytest.approx(high, rel=1e-9)
    assert isinstance(measured.difference.t, float)
    assert measured.difference.t > 5.0
