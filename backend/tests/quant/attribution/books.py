"""Invented books: weights, returns, costs and interest drawn at random."""

import numpy as np

from app.quant.book_over_time import BookOverTime
from app.quant.panel import FloatArray, IntArray


def book_of(
    weights: FloatArray,
    contributions: FloatArray,
    *,
    rows: IntArray | None = None,
    costs: FloatArray | None = None,
    interest: FloatArray | None = None,
) -> BookOverTime:
    """T consecutive days from 2024-01-01 on; nothing else than what is given happens."""
    count, names = weights.shape
    nothing = np.zeros(count)
    paid = nothing if costs is None else costs
    earned = nothing if interest is None else interest
    return BookOverTime(
        dates=np.datetime64("2024-01-01") + np.arange(count + 1),
        tickers=tuple(f"E{k:03d}" for k in range(names)),
        rows=np.arange(names) if rows is None else rows,
        weights=weights,
        contributions=contributions,
        costs=paid,
        returns=contributions.sum(axis=1) + earned - paid,
        present=np.ones(weights.shape, np.bool_),
    )


def random_book(seed: int, days: int, names: int, scale: float = 0.02) -> BookOverTime:
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.ones(names), days) * 0.95
    moves = np.clip(generator.normal(0.0, scale, (days, names)), -0.5, 0.5)
    return book_of(
        weights,
        weights * moves,
        costs=generator.exponential(scale / 20, days),
        interest=generator.uniform(0.0, scale / 50, days),
    )
