"""A book over time as fractions: what it began each session with, and what each ETF made of it.

The same value describes a portfolio, made from its ledger, and a backtest, made from its
simulation, so that attribution, risk and reports are written once for both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.quant.panel import BoolArray, DateArray, FloatArray, IntArray

ROUNDING = 1e-9
"""In USD: below it a sum of money is nothing."""


@dataclass(frozen=True, slots=True)
class BookOverTime:
    """T sessions of a book and the N ETFs it ever held.

    `dates` has T + 1 entries, the close before the first session first. `rows` are the ETFs' rows
    in the panel of their market. Everything else is a fraction of the capital at work in a session:
    what was there at the close before, and what was paid in since.

    `weights` [T, N] is what each ETF was worth at the close before; the rest was cash.
    `contributions` [T, N] is what it earned in the session, dividends included, trading costs not.
    `costs` [T] is what trading cost, not negative. `returns` [T] is NaN, and all else 0, in a
    session without capital at work. `present` [T, N] says whether an ETF was in the book at all: at
    the close before, at this one, or in a trade or a payment in between.
    """

    dates: DateArray
    tickers: tuple[str, ...]
    rows: IntArray
    weights: FloatArray
    contributions: FloatArray
    costs: FloatArray
    returns: FloatArray
    present: BoolArray

    def __len__(self) -> int:
        return len(self.returns)

    @property
    def sessions(self) -> DateArray:
        """The T sessions that have the returns."""
        return self.dates[1:]

    @property
    def cash_weights(self) -> FloatArray:
        return 1.0 - self.weights.sum(axis=1)

    @property
    def cash(self) -> FloatArray:
        """What neither ETFs nor costs explain: interest and rounding."""
        return self.returns - self.contributions.sum(axis=1) + self.costs

    def since(self, first: int) -> "BookOverTime":
        """Without the first sessions, and without what was only in the book in those."""
        return self.between(first, len(self))

    def between(self, first: int, end: int) -> "BookOverTime":
        """Sessions `first` to before `end`, with what was in the book in one of them."""
        part = self._sessions(slice(first, end), self.dates[first : end + 1])
        return part.only(np.flatnonzero(part.present.any(axis=0)))

    def observed(self) -> "BookOverTime":
        """The sessions with capital at work only."""
        known = np.isfinite(self.returns)
        if known.all():
            return self
        return self._sessions(known, np.append(self.dates[:1], self.dates[1:][known]))

    def only(self, places: IntArray) -> "BookOverTime":
        """Some of the ETFs, in the given order; what the others did counts as cash."""
        return replace(
            self,
            tickers=tuple(self.tickers[place] for place in places),
            rows=self.rows[places],
            weights=self.weights[:, places],
            contributions=self.contributions[:, places],
            present=self.present[:, places],
        )

    def _sessions(self, kept: slice | BoolArray, dates: DateArray) -> "BookOverTime":
        return replace(
            self,
            dates=dates,
            weights=self.weights[kept],
            contributions=self.contributions[kept],
            costs=self.costs[kept],
            returns=self.returns[kept],
            present=self.present[kept],
        )


@dataclass(frozen=True, slots=True)
class Money:
    """A book in USD: T sessions, N ETFs.

    `values` [T, N] are worth at each close, `bought` [T, N] what was bought less what was sold,
    both at reference prices, `income` [T, N] what an ETF paid, after tax. What a fill was worse
    than its reference price, and fees, are `costs` [T]. `capital` [T] was at work in the session.
    """

    values: FloatArray
    bought: FloatArray
    income: FloatArray
    capital: FloatArray
    costs: FloatArray


def of_money(
    dates: DateArray,
    etfs: tuple[Sequence[str], IntArray],
    money: Money,
    returns: FloatArray,
) -> BookOverTime:
    """The book as fractions; `etfs` are tickers and rows. Before the first session it was empty."""
    before = np.vstack((np.zeros(money.values.shape[1]), money.values[:-1]))
    earned = money.values - before - money.bought + money.income
    known = np.isfinite(returns) & (money.capital > 0.0)
    share = np.where(known, 1.0 / np.where(known, money.capital, 1.0), 0.0)
    moved = np.maximum(np.abs(money.bought), np.abs(money.income)) > ROUNDING
    return BookOverTime(
        dates=dates,
        tickers=tuple(etfs[0]),
        rows=etfs[1],
        weights=before * share[:, np.newaxis],
        contributions=earned * share[:, np.newaxis],
        costs=money.costs * share,
        returns=np.where(known, returns, np.nan),
        present=(before > ROUNDING) | (money.values > ROUNDING) | moved,
    )
