"""Small invented markets, and the scores of a market by a slow independent route."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from app.quant.panel import BoolArray, Facts, FloatArray, Panel

FIRST_SESSION = np.datetime64("2020-01-01")
ASSET_CLASSES = np.array(["equity", "bond", "commodity"])


def panel_of(closes: npt.NDArray[Any], volume: npt.NDArray[Any] | float = 1e6) -> Panel:
    """A panel over consecutive dates whose traded and adjusted closes are the given ones."""
    rows, columns = closes.shape
    return Panel(
        tickers=tuple(f"E{row:03d}" for row in range(rows)),
        sessions=FIRST_SESSION + np.arange(columns),
        close=closes,
        adjusted=closes,
        volume=np.broadcast_to(np.asarray(volume, np.float64), closes.shape).copy(),
    )


def facts_of(rows: int, **changes: Any) -> Facts:
    """Unleveraged ETFs of one asset class that all cost differently, apart from `changes`."""
    known: dict[str, Any] = {
        "expense_ratio": np.linspace(0.0005, 0.0095, rows),
        "leveraged": np.zeros(rows, np.bool_),
        "inverse": np.zeros(rows, np.bool_),
        "asset_class": np.full(rows, "equity"),
    }
    return Facts(**(known | changes))


def random_closes(rows: int, columns: int, seed: int = 0) -> FloatArray:
    """Random walks with daily deviations from 0.4 % to 1.8 %, most of them inside the universe."""
    generator = np.random.default_rng(seed)
    daily = np.linspace(0.004, 0.018, rows)[:, None]
    returns = generator.normal(0.0003, daily, (rows, columns))
    closes: FloatArray = 50.0 * np.exp(np.cumsum(returns, axis=1))
    return closes


def ragged_market(rows: int = 60, columns: int = 330, seed: int = 0) -> tuple[Panel, Facts]:
    """Gaps, a late listing, thin trading, a penny price, unknown costs, leveraged funds, twins."""
    generator = np.random.default_rng(seed)
    closes = random_closes(rows, columns, seed)
    closes[generator.random(closes.shape) < 0.01] = np.nan
    closes[3, 200:203] = np.nan
    closes[4, 100:140] = np.nan
    closes[5, :150] = np.nan
    closes[6, -1] = np.nan
    closes[7] *= 0.05
    closes[9] = closes[8]
    volume = generator.lognormal(12.0, 1.0, closes.shape)
    volume[10] = 100.0
    volume[11, ::2] = np.nan
    costs = generator.choice([0.0003, 0.0009, 0.0035, 0.0075, np.nan], rows)
    facts = facts_of(
        rows,
        expense_ratio=costs,
        leveraged=generator.random(rows) < 0.1,
        inverse=generator.random(rows) < 0.1,
        asset_class=generator.choice(ASSET_CLASSES, rows),
    )
    return panel_of(closes, volume), facts


def inside_by_pandas(panel: Panel, facts: Facts) -> BoolArray:
    """The universe at the last session, by the words of its definition."""
    closes, volume = pd.DataFrame(panel.close.T), pd.DataFrame(panel.volume.T)
    returns = pd.DataFrame(panel.adjusted.T).ffill(limit=5).pct_change(fill_method=None)
    volatility = np.sqrt(252) * returns.iloc[-252:].std()
    inside = (
        closes.iloc[-1].notna()
        & closes.iloc[:-252].notna().any()
        & (closes.iloc[-253:].isna().mean() <= 0.05)
        & (closes.iloc[-1] >= 5)
        & ((closes * volume).iloc[-63:].median() >= 1e6)
        & volatility.between(0.03, 0.35)
    )
    return inside.to_numpy() & ~facts.leveraged & ~facts.inverse


def scores_by_pandas(panel: Panel, facts: Facts) -> pd.DataFrame:
    """Scores of the universe at the last session, one row per ETF, by number of its row."""
    inside = np.flatnonzero(inside_by_pandas(panel, facts))
    closes = pd.DataFrame(panel.adjusted.T)[inside].ffill(limit=5)
    returns = closes.pct_change(fill_method=None).iloc[-252:]
    year = closes.iloc[-253:]
    volatility = np.sqrt(252) * returns.std()
    parts = pd.DataFrame(
        {
            "sharpe": (252 * returns.mean() - 0.04) / volatility,
            "drawdown": (year / year.cummax() - 1).min(),
            "calm": -volatility,
        }
    ).apply(_z)
    blended = parts @ pd.Series({"sharpe": 0.4, "drawdown": 0.3, "calm": 0.3})
    scores = pd.DataFrame(
        {
            "momentum": _z(closes.iloc[-22] / closes.iloc[-253] - 1),
            "quality": (blended - blended.mean()) / blended.std(),
            "volatility": _z(-np.sqrt(252) * returns.iloc[-60:].std()),
            "value": _z(pd.Series(-facts.expense_ratio[inside], inside)),
        }
    )
    powers = pd.Series({"momentum": 0.35, "quality": 0.3, "volatility": 0.2, "value": 0.15})
    scores["composite"] = scores.rank(pct=True).fillna(0.5).pow(powers).prod(axis=1)
    return scores


def _z(values: "pd.Series[float]") -> "pd.Series[float]":
    low, high = np.nanpercentile(values, [1, 99])
    clipped = values.clip(low, high)
    return (clipped - clipped.mean()) / clipped.std()
