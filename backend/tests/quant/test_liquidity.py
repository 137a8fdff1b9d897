"""Liquidity: what an ETF's own history says about trading it."""

import numpy as np
import pytest

from app.quant.liquidity import measure
from app.quant.panel import FloatArray, Panel


def panel(closes: FloatArray, volumes: FloatArray) -> Panel:
    sessions = np.arange(closes.shape[1]).astype("datetime64[D]")
    return Panel(("A",), sessions, closes, closes, volumes)


def test_volatility_and_value_traded_are_those_of_the_last_63_sessions() -> None:
    rng = np.random.default_rng(0)
    closes, volumes = rng.uniform(90, 110, (1, 200)), rng.uniform(1e4, 2e4, (1, 200))
    volatility, value = measure(panel(closes, volumes), np.array([0]))
    returns = closes[0, -63:] / closes[0, -64:-1] - 1.0
    assert volatility[0] == pytest.approx(returns.std(ddof=1))
    assert value[0] == pytest.approx((closes * volumes)[0, -63:].mean())


def test_missing_volumes_are_left_out() -> None:
    volumes = np.array([[100.0, np.nan, 300.0, np.nan]])
    _, value = measure(panel(np.full((1, 4), 2.0), volumes), np.array([0]))
    assert value[0] == 400.0


@pytest.mark.parametrize("volume", [np.nan, 0.0])
def test_without_volume_the_value_traded_is_unknown(volume: float) -> None:
    _, value = measure(panel(np.full((1, 70), 2.0), np.full((1, 70), volume)), np.array([0]))
    assert np.isnan(value[0])


def test_one_return_has_no_volatility() -> None:
    volatility, _ = measure(panel(np.array([[1.0, 2.0]]), np.ones((1, 2))), np.array([0]))
    assert np.isnan(volatility[0])
