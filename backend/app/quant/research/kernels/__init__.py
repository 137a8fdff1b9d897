"""Compiled passes over the scored ETFs of one session after the other.

Importing this package imports numba, so only `signals.kernels` does it, when first called.

Entries are pairs of a session and an ETF with a score: those of session t are starts[t] ..
starts[t + 1] - 1, `rows` their ETFs. A return that is NaN is none. Ranks count from 1, equal values
share their average rank; quantiles count from 0, -1 is none.
"""

from app.quant.research.kernels.moving import moved, rebalanced
from app.quant.research.kernels.resampling import resampled_means
from app.quant.research.kernels.returns import forward_returns
from app.quant.research.kernels.sorting import by_return, compared, ranked
from app.quant.research.kernels.together import doubly_sorted, session_moments

__all__ = [
    "by_return",
    "compared",
    "doubly_sorted",
    "forward_returns",
    "moved",
    "ranked",
    "rebalanced",
    "resampled_means",
    "session_moments",
]
