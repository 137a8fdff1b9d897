"""How what is held moves together, and which of it is one bet held more than once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.covariance import unit_deviations
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray
from app.quant.risk.holding import FEWEST, too_few
from app.quant.twins import groups


@dataclass(frozen=True, slots=True)
class Correlations:
    """Correlations of daily returns over `sessions` common ones, in the order of `tickers`.

    The order puts the `twins` beside each other: groups in which each correlates above the limit
    with at least one other. `matrix` holds nothing for an ETF that never moved. `average` is
    that of the pairs.
    """

    tickers: tuple[str, ...]
    matrix: tuple[tuple[float | None, ...], ...]
    twins: tuple[tuple[str, ...], ...]
    average: Measured
    limit: float
    sessions: int


def correlations(
    tickers: Sequence[str], returns: FloatArray, *, limit: float
) -> Correlations | Missing:
    """From N x T returns, NaN where unknown; only sessions on which all have one count."""
    if not tickers:
        return Missing("nothing is held")
    common = returns[:, np.isfinite(returns).all(axis=0)]
    count = common.shape[1]
    if count < FEWEST:
        return too_few(tickers, returns, count)
    deviations = unit_deviations(common)
    found = np.clip(deviations @ deviations.T, -1.0, 1.0)
    still = ~deviations.any(axis=1)
    found[np.diag_indices(len(found))] = 1.0
    together = groups(found, limit)
    order = sorted(range(len(tickers)), key=lambda row: (together[row], row))
    found[still] = found[:, still] = np.nan
    pairs = found[np.triu_indices(len(found), 1)]
    pairs = pairs[np.isfinite(pairs)]
    members = [
        [row for row in order if together[row] == first] for first in dict.fromkeys(together)
    ]
    return Correlations(
        tickers=tuple(tickers[row] for row in order),
        matrix=tuple(
            tuple(None if np.isnan(each) else float(each) for each in row)
            for row in found[np.ix_(order, order)]
        ),
        twins=tuple(tuple(tickers[row] for row in group) for group in members if len(group) > 1),
        average=float(pairs.mean()) if len(pairs) else Missing("fewer than two positions moved"),
        limit=limit,
        sessions=count,
    )
