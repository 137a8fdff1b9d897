"""The benchmark that somebody is held against: its ETFs, and their returns over given dates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.market_data.snapshot import MarketSnapshot
from app.quant.benchmarks import Rebalanced, blend
from app.quant.covariance import carried
from app.quant.measured import Missing
from app.quant.panel import CARRY_SESSIONS, BoolArray, DateArray, FloatArray
from app.schemas.blend import parts_of


@dataclass(frozen=True, slots=True)
class Part:
    """One ETF of a benchmark, with its weight."""

    ticker: str
    name: str | None
    weight: float


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Its T returns between T + 1 dates; the first is NaN where it begins from nothing.

    `rebalanced` is None where there is only one ETF. `carried` counts the dates at which a close
    was missing and an older one was taken: a return of nothing, and then one of several sessions.
    """

    label: str
    parts: tuple[Part, ...]
    rebalanced: Rebalanced | None
    returns: FloatArray
    carried: int


def require(market: MarketSnapshot, label: str) -> None:
    """Raises UnknownTicker where an ETF of it is none of the market's."""
    for part in parts_of(label):
        market.row(part.ticker)


def over(
    market: MarketSnapshot,
    label: str,
    dates: DateArray,
    *,
    rebalanced: Rebalanced,
    from_nothing: bool = False,
) -> Benchmark | Missing:
    """One ETF or a blend, by closes adjusted for splits and distributions and carried at most 5
    sessions; missing where one of them has no price on some date.

    What begins from nothing buys at the close of its first session, so that the comparison begins
    there.
    """
    weights = {part.ticker: part.weight for part in parts_of(label)}
    absent = [ticker for ticker in weights if ticker not in market.row_of]
    if absent:
        return Missing(f"the market has no prices of the benchmark {', '.join(absent)}")
    rows = [market.row_of[ticker] for ticker in weights]
    closes, is_carried = _closes(market, rows, dates)
    if from_nothing:
        closes[:, 0] = np.nan
    returns = (closes[:, 1:] / closes[:, :-1] - 1.0).T
    if missing := _missing(market, rows, closes[:, from_nothing:], dates[from_nothing:]):
        return missing
    shares = list(weights.values())
    is_blend = len(rows) > 1
    return Benchmark(
        label=label if is_blend else next(iter(weights)),
        parts=tuple(
            Part(market.etfs[row].ticker, market.etfs[row].name, share)
            for row, share in zip(rows, shares, strict=True)
        ),
        rebalanced=rebalanced if is_blend else None,
        returns=blend(returns, shares, dates, rebalanced) if is_blend else returns[:, 0],
        carried=int(is_carried.any(axis=0).sum()),
    )


def _missing(
    market: MarketSnapshot, rows: Sequence[int], closes: FloatArray, dates: DateArray
) -> Missing | None:
    """Why there is no benchmark where an ETF of it is without a price on some day: figures of other
    days would stand beside those of all."""
    unknown = np.isnan(closes)
    if not unknown.any():
        return None
    place = int(unknown.any(axis=1).argmax())
    count, first = int(unknown[place].sum()), dates[int(unknown[place].argmax())]
    return Missing(
        f"the benchmark's {market.etfs[rows[place]].ticker} has no price on {count} of the "
        f"{len(dates)} days, first on {first}"
    )


def _closes(
    market: MarketSnapshot, rows: Sequence[int], dates: DateArray
) -> tuple[FloatArray, BoolArray]:
    """At each date the close of the last session at or before it, NaN beyond the market's data; and
    where that session had none, so that an older one was taken."""
    sessions = market.panel.sessions
    columns = np.searchsorted(sessions, dates, side="right") - 1
    first = max(int(columns.min()) - CARRY_SESSIONS, 0)
    own = market.panel.adjusted[rows, first : int(columns.max()) + 1]
    if not own.size:  # all before the market's data
        return np.full((len(rows), len(dates)), np.nan), np.zeros((len(rows), len(dates)), np.bool_)
    known = carried(own)
    inside = (columns >= 0) & (dates <= sessions[-1])
    places = np.maximum(columns - first, 0)
    closes: FloatArray = np.where(inside, known[:, places], np.nan)
    return closes, np.isfinite(closes) & np.isnan(own[:, places])
