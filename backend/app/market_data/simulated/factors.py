"""What moves the simulated funds: a market with volatility regimes, and factors around it.

The market's volatility follows a Markov chain of three regimes, smoothed over about a week.
Shocks are Student t. Every other factor has its own volatility, which rises and falls with the
market's by a power, a premium, and a trend that lasts for quarters, so that momentum exists.
"""

from dataclasses import dataclass

import numpy as np

from app.market_data.simulated.streams import BLOCK, Purpose, generator, in_blocks, student_t
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray, IntArray

REGIME_VOLATILITY = np.array([0.095, 0.16, 0.36])
REGIME_PREMIUM = np.array([0.13, 0.06, -0.22])
REGIME_CHANGE = np.array([[0.984, 0.016, 0.0], [0.020, 0.969, 0.011], [0.0, 0.040, 0.960]])
NORMAL, STRESS = 1, 2
SMOOTHING = 0.8
LARGEST_MARKET_MOVE = 0.09
LARGEST_SHOCK = 6.0
CASH_RATE = 0.025
TREND_PERSISTENCE = 0.85


@dataclass(frozen=True, slots=True)
class FactorSpec:
    """Yearly volatility and premium of a factor, the power with which its volatility follows the
    market's, and the yearly size of its trend."""

    volatility: float
    premium: float
    follows: float = 0.6
    trend: float = 0.0


FACTORS = {
    "mid": FactorSpec(0.04, 0.000, trend=0.01),
    "small": FactorSpec(0.08, 0.004, trend=0.02),
    "momentum": FactorSpec(0.06, 0.020, trend=0.02),
    "value": FactorSpec(0.06, 0.012, trend=0.03),
    "quality": FactorSpec(0.04, 0.015, trend=0.01),
    "low_volatility": FactorSpec(0.05, 0.012, trend=0.02),
    "dividend": FactorSpec(0.04, 0.005, trend=0.01),
    "technology": FactorSpec(0.10, 0.020, trend=0.05),
    "health": FactorSpec(0.08, 0.005, trend=0.04),
    "financials": FactorSpec(0.10, 0.000, trend=0.05),
    "industrials": FactorSpec(0.06, 0.005, trend=0.03),
    "discretionary": FactorSpec(0.07, 0.005, trend=0.04),
    "staples": FactorSpec(0.07, 0.005, trend=0.03),
    "energy": FactorSpec(0.19, -0.005, trend=0.09),
    "utilities": FactorSpec(0.10, 0.005, trend=0.04),
    "materials": FactorSpec(0.09, 0.000, trend=0.04),
    "communication": FactorSpec(0.07, 0.000, trend=0.04),
    "real_estate": FactorSpec(0.10, 0.000, trend=0.04),
    "theme": FactorSpec(0.16, 0.000, trend=0.08),
    "developed": FactorSpec(0.08, -0.005, trend=0.04),
    "emerging": FactorSpec(0.12, -0.005, trend=0.06),
    "rates": FactorSpec(0.0095, 0.0012, 0.4, trend=0.002),
    "credit": FactorSpec(0.030, 0.010, 1.2, trend=0.005),
    "municipal": FactorSpec(0.015, 0.004, 0.5, trend=0.002),
    "gold": FactorSpec(0.15, 0.030, 0.3, trend=0.07),
    "commodity": FactorSpec(0.13, 0.000, 0.4, trend=0.06),
    "crude": FactorSpec(0.30, -0.010, 0.5, trend=0.12),
    "crops": FactorSpec(0.16, -0.005, 0.2, trend=0.06),
    "dollar": FactorSpec(0.07, 0.002, 0.3, trend=0.03),
}
COLUMN = {"market": 0} | {name: column for column, name in enumerate(FACTORS, start=1)}


@dataclass(frozen=True, slots=True)
class Drivers:
    """Daily excess returns of the factors (row 0 the market), and the state behind them.

    `returns`: (factors, sessions); `regime`, `volatility` (yearly, of the market) and `strain`,
    the volatility relative to the normal regime's: (sessions,).
    """

    returns: FloatArray
    regime: IntArray
    volatility: FloatArray
    strain: FloatArray


def drivers(seed: int, blocks: int) -> Drivers:
    chances = in_blocks(seed, Purpose.MARKET, blocks, lambda rng: rng.random(BLOCK))
    regime, volatility = _regimes(chances)
    strain = volatility / REGIME_VOLATILITY[NORMAL]

    shocks = in_blocks(
        seed, Purpose.FACTORS, blocks, lambda rng: student_t(rng, (len(COLUMN), BLOCK), 5.0)
    ).clip(-LARGEST_SHOCK, LARGEST_SHOCK)
    specs = FACTORS.values()
    scale = np.array([spec.volatility for spec in specs])[:, None]
    power = np.array([spec.follows for spec in specs])[:, None]
    premium = np.array([spec.premium for spec in specs])[:, None]

    daily = np.sqrt(SESSIONS_PER_YEAR)
    market = REGIME_PREMIUM[regime] / SESSIONS_PER_YEAR + volatility / daily * shocks[0]
    others = (premium + _trends(seed, blocks)) / SESSIONS_PER_YEAR
    others = others + scale / daily * strain**power * shocks[1:]
    returns = np.vstack([market.clip(-LARGEST_MARKET_MOVE, LARGEST_MARKET_MOVE), others])
    return Drivers(returns, regime, volatility, strain)


def _regimes(chances: FloatArray) -> tuple[IntArray, FloatArray]:
    thresholds = np.cumsum(REGIME_CHANGE, axis=1)[:, :-1]
    regime = np.empty(len(chances), dtype=np.int64)
    volatility = np.empty(len(chances))
    state, smooth = NORMAL, float(REGIME_VOLATILITY[NORMAL])
    for day, chance in enumerate(chances):
        state = int(np.searchsorted(thresholds[state], chance, side="right"))
        smooth = SMOOTHING * smooth + (1.0 - SMOOTHING) * REGIME_VOLATILITY[state]
        regime[day], volatility[day] = state, smooth
    return regime, volatility


def _trends(seed: int, blocks: int) -> FloatArray:
    """Yearly drift of each factor, constant within a quarter, persistent from one to the next."""
    size = np.array([spec.trend for spec in FACTORS.values()])
    innovation = np.sqrt(1.0 - TREND_PERSISTENCE**2)
    trend, quarters = np.zeros(len(size)), []
    for block in range(blocks):
        draw = generator(seed, Purpose.TRENDS, block).standard_normal(len(size))
        trend = TREND_PERSISTENCE * trend + innovation * size * draw
        quarters.append(trend)
    return np.repeat(np.array(quarters).T, BLOCK, axis=1)
