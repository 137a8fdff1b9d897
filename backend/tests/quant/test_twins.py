"""Twins move together over a year of sessions; what is not known is nobody's twin."""

from datetime import date

import numpy as np

from app.core import calendar
from app.quant.panel import FloatArray, Panel
from app.quant.twins import twins

RANDOM = np.random.default_rng(7)
STEPS = RANDOM.normal(0.0, 0.01, (3, 300))


def panel(closes: FloatArray) -> Panel:
    days = np.array(
        calendar.sessions(date(2023, 1, 3), date(2025, 6, 30))[: closes.shape[1]], "datetime64[D]"
    )
    names = tuple("ABCDEF"[: len(closes)])
    return Panel(names, days, closes, closes, np.ones_like(closes))


def prices(steps: FloatArray) -> FloatArray:
    return 100.0 * np.exp(np.cumsum(steps, axis=1))


def test_an_etf_that_moves_with_another_is_its_twin_whatever_its_price() -> None:
    close = STEPS[0] + 0.01 * STEPS[1]
    found = panel(prices(np.array([STEPS[0], 2.0 * close, STEPS[2]])))
    assert twins(found, 0, [1, 2], 0.98) == {1}
    assert twins(found, 2, [0, 1], 0.98) == frozenset()


def test_only_the_last_252_returns_count() -> None:
    changed = STEPS[0].copy()
    changed[-252:] = STEPS[1, -252:]
    found = panel(prices(np.array([STEPS[0], changed, STEPS[1]])))
    assert twins(found, 0, [1, 2], 0.98) == frozenset()
    assert twins(found, 2, [0, 1], 0.98) == {1}


def test_nothing_is_known_of_a_short_history_or_a_gap() -> None:
    same = prices(np.array([STEPS[0], STEPS[0]]))
    assert twins(panel(same[:, :252]), 0, [1], 0.5) == frozenset()
    same[1, 100:120] = np.nan
    assert twins(panel(same), 0, [1], 0.5) == frozenset()
    assert twins(panel(same), 0, [], 0.5) == frozenset()
