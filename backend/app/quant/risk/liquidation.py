"""How long it would take to sell, without being more than a part of the market.

Of each position so much is sold per session as `PARTICIPATION` of its average daily value traded
(63 sessions); all positions are sold side by side, so the whole takes as long as the slowest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray

PARTICIPATION = 0.1
HORIZONS = (1, 5, 21)


@dataclass(frozen=True, slots=True)
class PositionLiquidity:
    ticker: str
    daily_value: Measured
    days: Measured


@dataclass(frozen=True, slots=True)
class Sold:
    """The part of what is held that can be sold within so many sessions."""

    sessions: int
    share: Measured


@dataclass(frozen=True, slots=True)
class Liquidation:
    """`days` are sessions, a fraction where less than one is needed; of the whole, the longest."""

    participation: float
    days: Measured
    slowest: str | None
    within: tuple[Sold, ...]
    positions: tuple[PositionLiquidity, ...]


def liquidation(
    tickers: Sequence[str],
    values: FloatArray,
    daily_values: FloatArray,
    *,
    participation: float = PARTICIPATION,
) -> Liquidation:
    """Of positions worth `values` in money; `daily_values` are NaN where unknown."""
    days = values / (participation * daily_values)
    positions = tuple(
        PositionLiquidity(ticker, _known(value), _known(taken))
        for ticker, value, taken in zip(tickers, daily_values, days, strict=True)
    )
    unknown = [
        ticker for ticker, taken in zip(tickers, days, strict=True) if not np.isfinite(taken)
    ]
    if not len(tickers):
        why: Missing | None = Missing("nothing is held")
    elif unknown:
        why = Missing(f"no traded value is known of {', '.join(unknown)}")
    else:
        why = None
    return Liquidation(
        participation=participation,
        days=why or float(days.max()),
        slowest=None if why else tickers[int(days.argmax())],
        within=tuple(
            Sold(
                sessions,
                why
                or float(
                    np.minimum(values, sessions * participation * daily_values).sum() / values.sum()
                ),
            )
            for sessions in HORIZONS
        ),
        positions=positions,
    )


def _known(value: float) -> Measured:
    return float(value) if np.isfinite(value) else Missing("no traded value is known")
