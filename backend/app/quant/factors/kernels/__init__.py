"""Compiled passes over price histories and cross-sections.

Importing this package imports numba, so only `history.kernels` does it, when first called.

Passes over histories take one ETF's row after the other and answer with one row per session asked
about (`ends`: the column after the newest that may be read, ascending) and one column per ETF, NaN
where `inside` is false. Sums run in double precision; every result is rounded to the precision of
the prices, as numpy and pandas do. Mean and variance are worked out anew for each window, without
running sums, and running maxima and minima are exact, so a session scored alone and the same
session in a sweep are equal to the last bit. A close that is not above zero (NaN, zero, negative)
is missing.

Passes over cross-sections take one session's row after the other.
"""

from app.quant.factors.kernels.beta import correlations, log_moves, log_sums, market_returns
from app.quant.factors.kernels.closes import carried_closes, closes_at
from app.quant.factors.kernels.composites import integrated, mixed, placed
from app.quant.factors.kernels.cross_sections import log_ranks, standardised
from app.quant.factors.kernels.distributions import trailing_distributions
from app.quant.factors.kernels.drawdowns import drawdowns
from app.quant.factors.kernels.moments import moments
from app.quant.factors.kernels.traded import traded

__all__ = [
    "carried_closes",
    "closes_at",
    "correlations",
    "drawdowns",
    "integrated",
    "log_moves",
    "log_ranks",
    "log_sums",
    "market_returns",
    "mixed",
    "moments",
    "placed",
    "standardised",
    "traded",
    "trailing_distributions",
]
