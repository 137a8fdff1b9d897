"""Invented markets for simulations: a few ETFs whose prices and scores are chosen by hand."""

from typing import Any

import numpy as np

from app.quant.backtest.rules import Timetable
from app.quant.backtest.tape import NEVER, ScoreTable, Tape
from app.quant.panel import FloatArray, Panel

HISTORY = 253
"""Sessions before the first one that is lived through."""


def sessions_of(count: int) -> Any:
    """So many weekdays from 2020-01-01 on."""
    days = np.arange(np.datetime64("2020-01-01"), np.datetime64("2060-01-01"))
    return days[np.is_busday(days)][:count]


def tape_of(closes: FloatArray, **changes: Any) -> Tape:
    """Opens at the close of the session before; plenty of volume; a VIX of 20."""
    etfs, count = closes.shape
    panel = Panel(
        tickers=tuple(f"E{row:03d}" for row in range(etfs)),
        sessions=sessions_of(count),
        close=closes,
        adjusted=closes,
        volume=np.full(closes.shape, 1e9),
    )
    known: dict[str, Any] = {
        "panel": panel,
        "opens": np.concatenate([closes[:, :1], closes[:, :-1]], axis=1),
        "vix": np.full(count, 20.0),
        "vix_age": np.zeros(count, np.int64),
        "classes": np.arange(etfs) % 2,
        "class_names": ("bonds", "shares"),
        "closed": np.full(etfs, NEVER),
    }
    return Tape(**(known | changes))


def noisy(etfs: int, lived: int, *, drift: float = 0.0, seed: int = 0) -> FloatArray:
    """A year of small independent moves, then so many sessions of a steady drift."""
    random = np.random.default_rng(seed)
    before = random.normal(0.0, 0.01, (etfs, HISTORY))
    after = np.full((etfs, lived), np.log1p(drift))
    closes: FloatArray = 100.0 * np.exp(np.cumsum(np.hstack([before, after]), axis=1))
    return closes


def scores_of(tape: Tape, order: list[int]) -> ScoreTable:
    """The same ranking on every session."""
    count = len(tape.panel)
    composite = np.full(tape.panel.close.shape[0], np.nan)
    composite[order] = np.linspace(1.0, 0.5, len(order))
    return ScoreTable(
        composite=np.tile(composite, (count, 1)),
        order=np.tile(np.array(order, np.int32), (count, 1)),
        line_of=np.arange(count),
    )


def weekly(tape: Tape, first: int = HISTORY, **changes: Any) -> Timetable:
    days = tape.panel.sessions
    asks = np.zeros(len(days), np.bool_)
    asks[1:] = np.diff((days.astype(np.int64) + 3) // 7) > 0
    gaps = np.diff(days, prepend=days[0]).astype(np.int64)
    return Timetable(first, len(days) - 1, asks, gaps, **changes)
