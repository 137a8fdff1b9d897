"""A volatility index that belongs to the simulated market: what its volatility implies, in points.

The logarithm reverts to the market's volatility plus a premium, jumps when the market falls and
has noise of its own.
"""

import numpy as np
import polars as pl

from app.market_data.simulated.factors import STRESS, Drivers
from app.market_data.simulated.streams import BLOCK, Purpose, in_blocks
from app.quant.panel import DateArray, FloatArray

LOWEST, HIGHEST = 9.8, 80.0
REVERSION = 0.14
REACTION_TO_MARKET = 3.0
REACTION_TO_STRESS = 0.06
NOISE = 0.035
PREMIUM_POINTS = 2.0


def volatility_index(
    seed: int, blocks: int, drivers: Drivers, *, sessions: DateArray
) -> pl.DataFrame:
    """date, open, high, low, close in points, one row per session."""
    noise = in_blocks(seed, Purpose.VIX, blocks, lambda rng: rng.standard_normal((4, BLOCK)))
    close = _path(drivers, noise[0])
    previous = np.concatenate([close[:1], close[:-1]])
    opening = (previous * np.exp(0.4 * np.log(close / previous) + 0.015 * noise[1])).clip(
        LOWEST, HIGHEST
    )
    high = np.maximum(opening, close) * np.exp(0.03 * np.abs(noise[2]))
    low = np.minimum(opening, close) * np.exp(-0.025 * np.abs(noise[3]))
    count = len(sessions)
    columns = {"open": opening, "high": high, "low": low, "close": close}
    return pl.DataFrame(
        {"date": pl.Series(sessions)}
        | {name: np.round(values[:count], 2) for name, values in columns.items()}
    )


def _path(drivers: Drivers, noise: FloatArray) -> FloatArray:
    target = np.log(100.0 * drivers.volatility + PREMIUM_POINTS)
    stressed = drivers.regime == STRESS
    jumps = NOISE * noise - REACTION_TO_MARKET * drivers.returns[0]
    jumps = jumps + np.where(stressed, REACTION_TO_STRESS * np.abs(noise), 0.0)
    level, path = float(target[0]), np.empty(len(target))
    bottom, top = np.log(LOWEST), np.log(HIGHEST)
    for day in range(len(target)):
        level += REVERSION * (target[day] - level) + jumps[day]
        level = min(max(level, bottom), top)
        path[day] = level
    return np.exp(path)
