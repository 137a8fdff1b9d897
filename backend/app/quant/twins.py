"""Which ETFs are the same bet: their daily returns move together, as the selection judges it."""

from collections.abc import Sequence

import numpy as np

from app.quant.covariance import recent_returns, unit_deviations
from app.quant.panel import Panel
from app.quant.selection import TWIN_SESSIONS


def twins(panel: Panel, row: int, others: Sequence[int], max_correlation: float) -> frozenset[int]:
    """Those of the rows `others` whose returns of the last 252 sessions correlate above the limit.

    An ETF with a return missing in the window, and every ETF of a shorter panel, is nobody's twin.
    """
    if len(panel) <= TWIN_SESSIONS or not others:
        return frozenset()
    returns = recent_returns(panel, np.array([row, *others]), TWIN_SESSIONS)
    deviations = unit_deviations(returns)
    correlations = deviations[1:] @ deviations[0]
    return frozenset(
        other
        for other, correlation in zip(others, correlations.tolist(), strict=True)
        if correlation > max_correlation
    )
