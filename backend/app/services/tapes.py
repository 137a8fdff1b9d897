"""A market as simulations meet it: its prices, its volatility index, and what its ETFs did."""

from collections.abc import Iterator
from datetime import date
from fractions import Fraction

import numpy as np

from app.core import calendar
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind
from app.quant.backtest.tape import NEVER, Event, EventKind, Tape
from app.quant.panel import FloatArray, IntArray
from app.services import valuation

_KINDS = {
    ActionKind.SPLIT: EventKind.SPLIT,
    ActionKind.DIVIDEND: EventKind.DIVIDEND,
    ActionKind.CLOSURE: EventKind.CLOSURE,
}
_ORDER = tuple(EventKind)


def tape_of(market: MarketSnapshot) -> Tape:
    """Where prices are adjusted for splits and distributions, only closures change a book."""
    days = market.panel.sessions
    vix, age = vix_by_session(market)
    labels = [etf.asset_class or "" for etf in market.etfs]
    names = tuple(sorted(set(labels)))
    number = {name: place for place, name in enumerate(names)}
    splits = frozenset(
        (column, market.row_of_id[action.etf_id])
        for action, column in _inside(market)
        if action.kind is ActionKind.SPLIT
    )
    return Tape(
        panel=market.panel,
        opens=market.opens,
        vix=vix,
        vix_age=age,
        classes=np.array([number[label] for label in labels], np.int64),
        class_names=names,
        closed=np.array([_column(days, etf.closed_on) for etf in market.etfs], np.int64),
        splits=splits,
        events=tuple(sorted(_events(market), key=_place)),
    )


def _place(event: Event) -> tuple[int, int, int]:
    return event.column, _ORDER.index(event.kind), event.row


def _events(market: MarketSnapshot) -> Iterator[Event]:
    for action, column in _inside(market):
        kind = _KINDS.get(action.kind)
        if kind is None or (market.adjusted_only and kind is not EventKind.CLOSURE):
            continue
        is_split = kind is EventKind.SPLIT
        yield Event(
            kind,
            market.row_of_id[action.etf_id],
            column,
            ratio=valuation.exact_ratio(action.ratio) if is_split else Fraction(1),
            amount=None if is_split else action.value,
            paid=_column(market.panel.sessions, action.pay_date or action.ex_date),
        )


def _inside(market: MarketSnapshot) -> Iterator[tuple[Action, int]]:
    """The actions of ETFs with prices, and the first column at or after their ex-date."""
    days = market.panel.sessions
    for action in market.actions:
        column = _column(days, action.ex_date)
        if action.etf_id in market.row_of_id and 0 < column < len(days):
            yield action, column


def _column(days: calendar.DateArray, day: date | None) -> int:
    """The first column at or after a day; NEVER after the last one, or for no day."""
    if day is None:
        return NEVER
    column = int(np.searchsorted(days, np.datetime64(day, "D")))
    return column if column < len(days) else NEVER


def vix_by_session(market: MarketSnapshot) -> tuple[FloatArray, IntArray]:
    """The last close known at each session, NaN before the first, and its age in sessions."""
    days = market.panel.sessions
    last = np.searchsorted(market.vix_sessions, days, side="right") - 1
    known = np.maximum(last, 0)
    close = np.full(len(days), np.nan)
    age = np.zeros(len(days), np.int64)
    if len(market.vix_sessions):
        close = np.where(last >= 0, market.vix[known], np.nan)
        own = np.searchsorted(days, market.vix_sessions[known], side="right")
        age = np.where(last >= 0, np.arange(1, len(days) + 1) - own, 0)
    return close, age
