"""How long a score stays what it is: what its use costs in turnover."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray
from app.quant.research.signals import Arranged, Signals, fewest, kernels

LAGS = (1, 5, 10, 21, 42, 63, 126, 189, 252)
"""At which the rank autocorrelation is measured, beside the horizons."""
HALF = 0.5


@dataclass(frozen=True, slots=True)
class AtLag:
    """Against the session `lag` before: mean rank autocorrelation, and the mean share of the lowest
    and of the highest quantile that was not in it then."""

    lag: int
    sessions: int
    autocorrelation: Measured
    turnover_bottom: Measured
    turnover_top: Measured


@dataclass(frozen=True, slots=True)
class Persistence:
    """`half_life` is the lag, in sessions, at which the rank autocorrelation has fallen to 0.5."""

    lags: tuple[AtLag, ...]
    half_life: Measured


def persistence(
    found: Signals, arranged: Arranged, horizons: Sequence[int], *, quantiles: int
) -> Persistence:
    """`arranged`: the whole market as one group."""
    etfs = int(found.rows.max()) + 1
    ranks = np.full((len(found), etfs), np.nan, np.float32)
    codes = np.full((len(found), etfs), -1, np.int8)
    ranks[found.session_of, found.rows] = arranged.ranks
    codes[found.session_of, found.rows] = arranged.codes
    lags = []
    for lag in sorted({*LAGS, *horizons}):
        correlations, turnover = kernels().moved(
            arranged.ranks,
            arranged.codes,
            (found.starts, found.rows),
            (ranks, codes),
            (lag, quantiles, fewest(quantiles)),
        )
        lags.append(
            AtLag(
                lag,
                int(np.isfinite(correlations).sum()),
                _mean(correlations),
                _mean(turnover[:, 0]),
                _mean(turnover[:, -1]),
            )
        )
    return Persistence(tuple(lags), half_life(lags))


def half_life(lags: Sequence[AtLag]) -> Measured:
    """Between two lags the autocorrelation is taken to fall in a straight line; 1 at lag 0."""
    before, above = 0, 1.0
    for each in lags:
        now = each.autocorrelation
        if isinstance(now, Missing):
            break
        if now <= HALF:
            return before + (above - HALF) / (above - now) * (each.lag - before)
        before, above = each.lag, now
    if not before:
        return Missing("no two sessions have enough ETFs in common")
    return Missing(f"the rank autocorrelation is still {above:.2f} after {before} sessions")


def _mean(values: FloatArray) -> Measured:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else Missing("no session so long after another")
