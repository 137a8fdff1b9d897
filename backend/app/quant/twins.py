"""Which ETFs are the same bet: their daily returns move together, as the selection judges it."""

from collections.abc import Sequence

import numpy as np

from app.quant.covariance import recent_returns, unit_deviations
from app.quant.panel import FloatArray, Panel
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


def groups(correlations: FloatArray, max_correlation: float) -> list[int]:
    """For each row of a correlation matrix, the first row of its group of twins.

    Twins of twins are of one group, even if the two do not correlate above the limit themselves.
    """
    first = list(range(len(correlations)))
    for row, other in np.argwhere(np.triu(correlations > max_correlation, 1)).tolist():
        here, there = first[row], first[other]
        if here != there:
            first = [min(here, there) if each in {here, there} else each for each in first]
    return first
