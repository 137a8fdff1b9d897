"""Books over time: a portfolio's from its ledger, a backtest's by living through it again.

Both are `quant.book_over_time.BookOverTime`, which attribution, risk and reports are made from.
"""

import asyncio
import json
from collections import OrderedDict
from datetime import date
from uuid import UUID

import numpy as np

from app.market_data.snapshot import MarketSnapshot
from app.models import Backtest, EntryKind
from app.quant.book_over_time import BookOverTime, Money, of_money
from app.quant.measured import Missing
from app.quant.panel import BoolArray, FloatArray
from app.quant.returns import at_work
from app.schemas.backtest import BacktestSpec
from app.services import backtest_running, history, valuation
from app.services.backtest_answers import returns_of
from app.services.backtesting import life_of
from app.services.history import History
from app.services.marking import Entry

SMALLEST_HOLDING = 5e-7
"""Half a millionth of a share: less is rounding of the sum of what was bought and sold."""

REMEMBERED = 8
"""Books of backtests kept in memory."""


def of_history(market: MarketSnapshot, lived: History) -> BookOverTime:
    """A portfolio's whole life, day by day as its history; `stretch.first` cuts it to a period."""
    end = lived.days[-1].session
    entries = [
        entry for entry in lived.entries if entry.etf_id is not None and entry.session <= end
    ]
    rows = sorted({market.row_of_id[entry.etf_id] for entry in entries})
    shape = (len(lived.days), len(rows))
    money = Money(
        values=np.zeros(shape),
        bought=np.zeros(shape),
        income=np.zeros(shape),
        capital=_capital(lived),
        costs=np.array([float(day.costs) for day in lived.days]),
    )
    for place, row in enumerate(rows):
        own = [entry for entry in entries if market.row_of_id[entry.etf_id] == row]
        money.values[:, place] = _enter(market, lived, row, (own, money, place))
    tickers = tuple(market.panel.tickers[row] for row in rows)
    return of_money(lived.dates, (tickers, np.array(rows, np.int64)), money, lived.returns)


async def of_portfolio(market: MarketSnapshot, lived: History) -> BookOverTime:
    """The same beside the event loop, made once for a history that is remembered."""
    found = _of_histories.get(id(lived))
    if found is None:
        book = await asyncio.to_thread(of_history, market, lived)
        found = _of_histories[id(lived)] = lived, book
        while len(_of_histories) > history.REMEMBERED:
            _of_histories.popitem(last=False)
    return found[1]


_of_histories: OrderedDict[int, tuple[History, BookOverTime]] = OrderedDict()
"""By the identity of the history, which is held so that no other can have it."""


async def of_backtest(market: MarketSnapshot, run: Backtest) -> BookOverTime | Missing:
    """A kept run, lived through again beside the event loop: it must come out as it was kept.

    Missing where the market's prices are of another version by now, or the rules are.
    """
    if run.data_version != market.data_version:
        return Missing(
            "the run was made on other prices than the market has now, and only its results were "
            "kept: run it again"
        )
    key = run.data_version, run.id
    if key in _remembered:
        _remembered.move_to_end(key)
        return _remembered[key]
    found = await asyncio.to_thread(_lived_again, market, run)
    if isinstance(found, BookOverTime):
        _remembered[key] = found
        while len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)
    return found


_remembered: OrderedDict[tuple[UUID, int], BookOverTime] = OrderedDict()


def _lived_again(market: MarketSnapshot, run: Backtest) -> BookOverTime | Missing:
    # Compiled code: who only asks for a portfolio's book need not load it.
    from app.quant.backtest.holdings import book_over_time  # noqa: PLC0415

    spec = BacktestSpec.model_validate_json(json.dumps(run.spec))
    simulation = backtest_running.simulated(market, life_of(market, spec))
    if not np.array_equal(simulation.returns, returns_of(run), equal_nan=True):
        return Missing(
            f"the program trades otherwise than the version that made the run, {run.code_version}: "
            "run it again"
        )
    return book_over_time(simulation)


def _capital(lived: History) -> FloatArray:
    totals = [lived.days[0].total * 0, *(day.total for day in lived.days)]
    return np.array(
        [
            float(at_work(before, day.flow, day.total)[0])
            for before, day in zip(totals, lived.days, strict=False)
        ]
    )


def _enter(
    market: MarketSnapshot, lived: History, row: int, book: tuple[list[Entry], Money, int]
) -> FloatArray:
    """Enter what one ETF's entries did into the book; what its shares were worth at each close."""
    entries, money, place = book
    added = np.zeros(len(lived.days))
    bought, income = money.bought[:, place], money.income[:, place]
    for entry in entries:
        day = int(np.searchsorted(lived.dates[1:], np.datetime64(entry.session, "D")))
        match entry.kind:
            case EntryKind.BUY | EntryKind.SELL:
                sign = 1.0 if entry.kind == EntryKind.BUY else -1.0
                added[day] += sign * float(entry.quantity)
                bought[day] += sign * float(entry.quantity * entry.reference_price)
            case EntryKind.SPLIT:
                added[day] += float(entry.quantity)
                income[day] += float(entry.amount)
            case EntryKind.CLOSURE:
                added[day] -= float(entry.quantity)
                income[day] += float(entry.amount)
            case EntryKind.DIVIDEND | EntryKind.TAX | EntryKind.FEE:
                income[day] += float(entry.amount)
    shares = added.cumsum()
    held = shares > SMALLEST_HOLDING
    prices = _prices(market, lived, row, held)
    # Where every close was withdrawn from the data, shares stay at what was put into them.
    values = np.where(np.isfinite(prices), np.round(shares * prices, 2), bought.cumsum())
    worth: FloatArray = np.where(held, values, 0.0)
    return worth


def _prices(market: MarketSnapshot, lived: History, row: int, held: BoolArray) -> FloatArray:
    """The last good close of each day on which the ETF is held, as the book is valued."""
    first = market.column(lived.days[0].session)
    prices = market.panel.close[row, first : first + len(held)].copy()
    for day in np.flatnonzero(held & np.isnan(prices)):
        session: date = lived.days[day].session
        last = valuation.last_price(market, row, session)
        prices[day] = np.nan if last is None else float(last.price)
    return prices
