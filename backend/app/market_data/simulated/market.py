"""The simulated market as tables, in the form in which real data arrive."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from app.market_data.simulated.factors import drivers
from app.market_data.simulated.prices import Prices, traded_prices
from app.market_data.simulated.returns import fund_returns
from app.market_data.simulated.roster import Roster, roster
from app.market_data.simulated.streams import blocks_for
from app.market_data.simulated.volatility_index import volatility_index
from app.quant.panel import DateArray, IntArray

SEED = 39
"""A market whose tenth year sees calm, ordinary and strained weeks, stops and drift."""


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """Tables of a market that does not exist.

    `bars`: ticker, date, open, high, low, close, volume; traded prices in USD, shares; sorted by
    ticker and date. `etfs`: ticker, name, issuer, asset_class, region, category, expense_ratio,
    leverage, is_inverse, is_leveraged, inception_date, closed_on (the date of the last bar of a
    fund that has closed, else null). `actions`: ticker, ex_date, kind ('split' | 'dividend'),
    value (new shares per old share | USD per share). `vix`: date, open, high, low, close.
    """

    bars: pl.DataFrame
    etfs: pl.DataFrame
    actions: pl.DataFrame
    vix: pl.DataFrame


def simulate(seed: int = SEED, *, last_session: date, sessions: DateArray) -> SimulatedMarket:
    """The market of `seed` from the first of `sessions` to `last_session`.

    `sessions` (datetime64[D], ascending, without gaps) fixes the start; those after
    `last_session` are left out. With the same seed and start a later `last_session` continues
    the market and changes nothing before it. Events are tied to the number of sessions since the
    start, so markets that start on different days differ in their dates only. Funds are listed
    and closed within the first 2,520 sessions.
    """
    count = int(np.searchsorted(sessions, np.datetime64(last_session, "D"), side="right"))
    if count == 0 or sessions[count - 1] != np.datetime64(last_session, "D"):
        raise ValueError(f"the last session, {last_session}, is not among the sessions")
    known, blocks = sessions[:count], blocks_for(count)

    funds, moves = roster(seed), drivers(seed, blocks)
    prices = traded_prices(seed, funds, moves, fund_returns(seed, blocks, funds, moves))
    return SimulatedMarket(
        bars=_bars(funds, prices, known),
        etfs=_etfs(funds, known),
        actions=_actions(funds, prices, known),
        vix=volatility_index(seed, blocks, moves, sessions=known),
    )


def _bars(roster: Roster, prices: Prices, sessions: DateArray) -> pl.DataFrame:
    rows, columns = np.nonzero(prices.alive[:, : len(sessions)])
    return pl.DataFrame(
        {
            "ticker": _tickers(roster, rows),
            "date": sessions[columns],
            "open": prices.open[rows, columns],
            "high": prices.high[rows, columns],
            "low": prices.low[rows, columns],
            "close": prices.close[rows, columns],
            "volume": prices.volume[rows, columns],
        }
    )


def _etfs(roster: Roster, sessions: DateArray) -> pl.DataFrame:
    listed = [fund for fund in roster.funds if fund.first < len(sessions)]
    start: date = sessions[0].item()
    inception = [
        sessions[fund.first].item() if fund.first else start - timedelta(fund.days_before_start)
        for fund in listed
    ]
    closed = [
        sessions[fund.last].item() if fund.last is not None and fund.last < len(sessions) else None
        for fund in listed
    ]
    return pl.DataFrame(
        {
            "ticker": [fund.ticker for fund in listed],
            "name": [fund.name for fund in listed],
            "issuer": [fund.issuer for fund in listed],
            "asset_class": [fund.segment.asset_class for fund in listed],
            "region": [fund.segment.region for fund in listed],
            "category": [fund.segment.category for fund in listed],
            "expense_ratio": [fund.expense for fund in listed],
            "leverage": [fund.segment.leverage for fund in listed],
            "is_inverse": [fund.segment.leverage < 0.0 for fund in listed],
            "is_leveraged": [abs(fund.segment.leverage) > 1.0 for fund in listed],
            "inception_date": pl.Series(inception, dtype=pl.Date),
            "closed_on": pl.Series(closed, dtype=pl.Date),
        }
    )


def _actions(roster: Roster, prices: Prices, sessions: DateArray) -> pl.DataFrame:
    alive = prices.alive[:, : len(sessions)]
    parts = []
    for kind, values, nothing in (
        ("dividend", prices.dividend, 0.0),
        ("split", prices.split_ratio, 1.0),
    ):
        rows, columns = np.nonzero(alive & (values[:, : len(sessions)] != nothing))
        parts.append(
            pl.DataFrame(
                {
                    "ticker": _tickers(roster, rows),
                    "ex_date": sessions[columns],
                    "kind": pl.repeat(kind, len(rows), dtype=pl.String, eager=True),
                    "value": values[rows, columns],
                }
            )
        )
    return pl.concat(parts).sort("ticker", "ex_date", "kind")


def _tickers(roster: Roster, rows: IntArray) -> pl.Series:
    return pl.Series([fund.ticker for fund in roster.funds], dtype=pl.String).gather(rows)
