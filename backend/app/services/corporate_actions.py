"""Splits and dividends of held ETFs reach the book: shares change on the ex-date, cash is credited.

Entitled are the shares held at the close before the ex-date. An action that is learned of late is
booked when it is learned of; a late split multiplies only shares that were not sold since. Each
action is booked once per portfolio: the ledger refuses a second entry.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Unavailable
from app.core.money import MICRO, ZERO, plain, to_cents, to_micros
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind, EntryKind, LedgerEntry, Portfolio, PortfolioStatus
from app.quant.costs import EXACT
from app.schemas.settings import PortfolioSettings
from app.services import ledger, strategy, valuation
from app.services.ledger import Booked, Entry
from app.services.projection import Book, fold


@dataclass(frozen=True, slots=True)
class Moved:
    """A change of the shares of one ETF: bought and added positive, sold negative."""

    session: date
    quantity: Decimal
    sold: bool = False


@dataclass(slots=True)
class _History:
    """What the ledger says of one ETF and what the market did to it."""

    moved: list[Moved]
    actions: list[Action]

    def held_before(self, session: date) -> Decimal:
        return sum((move.quantity for move in self.moved if move.session < session), ZERO)

    def sold_since(self, session: date) -> Decimal:
        sold = (move for move in self.moved if move.sold and move.session >= session)
        return -sum((move.quantity for move in sold), ZERO)

    def ratio_on(self, ex_date: date) -> Fraction:
        """New shares per old one on that day: 1 unless there is a split too."""
        ratio = Fraction(1)
        for action in self.actions:
            if action.kind == ActionKind.SPLIT and action.ex_date == ex_date:
                ratio *= valuation.exact_ratio(action.value)
        return ratio


class Account(Protocol):
    """What is read of a portfolio, whether a row of its table or the object itself."""

    @property
    def id(self) -> int: ...

    @property
    def status(self) -> str: ...

    @property
    def settings(self) -> dict[str, Any]: ...

    @property
    def opened_on(self) -> date: ...

    @property
    def settled_version(self) -> UUID | None: ...


class PricesChanged(Unavailable):
    """The book knows of actions that these prices do not: they are a moment old."""

    def __init__(self) -> None:
        super().__init__("New prices have just arrived: try again in a moment.")


async def settle(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, now: datetime
) -> tuple[Booked, ...]:
    """Book what is due at the latest session, before anything is done at its prices.

    Prices of new shares on a book of old ones would sell twice of what is held. The caller holds
    the lock on the portfolio; once done for a data version it costs nothing. Raises PricesChanged.
    """
    if _is_settled(market, portfolio):
        return ()
    booked = await apply_due(session, market, portfolio, until=market.latest_session, now=now)
    portfolio.settled_version = market.data_version
    return booked


async def settled(
    session: AsyncSession, market: MarketSnapshot, account: Account, book: Book
) -> Book:
    """The book as it will be once what is due at the latest session is booked: for who only reads.

    Raises PricesChanged.
    """
    return fold(await unbooked(session, market, account), book)


async def unbooked(
    session: AsyncSession, market: MarketSnapshot, account: Account
) -> Sequence[Entry]:
    """What `settle` would book; a closed portfolio is left as it is. Raises PricesChanged."""
    if account.status == PortfolioStatus.CLOSED or _is_settled(market, account):
        return ()
    return await _due(session, market, account, (account.opened_on, market.latest_session))


async def apply_due(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolio: Portfolio,
    *,
    since: date | None = None,
    until: date,
    now: datetime,
) -> tuple[Booked, ...]:
    """Book every action after `since` (left out: the opening) up to `until` that is not booked yet.

    The caller holds the lock on the portfolio. Where prices come adjusted for distributions
    nothing is ever due. Raises PricesChanged.
    """
    span = (portfolio.opened_on if since is None else since, until)
    entries = await _due(session, market, portfolio, span)
    return await ledger.book_all(session, portfolio, entries, now=now)


def _is_settled(market: MarketSnapshot, account: Account) -> bool:
    return market.adjusted_only or account.settled_version == market.data_version


async def _due(
    session: AsyncSession, market: MarketSnapshot, account: Account, span: tuple[date, date]
) -> list[Entry]:
    if market.adjusted_only:
        return []
    window = valuation.actions_between(market, span)
    histories, applied = await _read(session, account.id, window)
    if applied and not applied <= {action.id for action in market.actions}:
        raise PricesChanged
    due = [
        action
        for history in histories.values()
        for action in history.actions
        if action.id not in applied
    ]
    # A dividend is per share of the ex-date: the split of the same day comes first.
    due.sort(key=lambda action: (action.ex_date, action.kind != ActionKind.SPLIT, action.id))
    rules = PortfolioSettings.model_validate(account.settings)
    step = strategy.order_settings(rules).step
    entries: list[Entry] = []
    for action in due:
        history = histories[action.etf_id]
        entry = _entry(market, action, history, step)
        if entry is not None:
            entries.append(entry)
            if entry.kind == EntryKind.SPLIT and entry.quantity is not None:
                history.moved.append(Moved(entry.session, entry.quantity))
    return entries


async def _read(
    session: AsyncSession, portfolio_id: int, window: Iterable[Action]
) -> tuple[dict[int, _History], set[int]]:
    """The history of every ETF that was ever held, and the ids of the actions that are booked."""
    query = select(
        LedgerEntry.kind,
        LedgerEntry.etf_id,
        LedgerEntry.session,
        LedgerEntry.quantity,
        LedgerEntry.action_id,
    ).where(LedgerEntry.portfolio_id == portfolio_id, LedgerEntry.etf_id.is_not(None))
    histories: dict[int, _History] = {}
    applied: set[int] = set()
    for kind, etf_id, day, quantity, action_id in await session.execute(query):
        if action_id is not None:
            applied.add(action_id)
        if etf_id is not None and quantity is not None and kind != EntryKind.DIVIDEND:
            history = histories.setdefault(etf_id, _History([], []))
            sold = kind == EntryKind.SELL
            history.moved.append(Moved(day, -quantity if sold else quantity, sold))
    for action in window:
        if action.etf_id in histories:
            histories[action.etf_id].actions.append(action)
    return histories, applied


def _entry(
    market: MarketSnapshot, action: Action, history: _History, step: Decimal
) -> Entry | None:
    """What the action does to the shares entitled to it; None where there are none."""
    column = int(np.searchsorted(market.panel.sessions, np.datetime64(action.ex_date, "D")))
    day: date = market.panel.sessions[column].item()
    held = history.held_before(day)
    if held <= 0:
        return None
    if action.kind == ActionKind.DIVIDEND:
        return _dividend(action, held, history.ratio_on(action.ex_date), day)
    entitled = held - history.sold_since(day)
    return _split(market, action, (entitled, step), day) if entitled > 0 else None


def _dividend(action: Action, held: Decimal, ratio: Fraction, day: date) -> Entry:
    with localcontext(EXACT):
        shares = to_micros(held * ratio.numerator / ratio.denominator)
        amount = to_cents(shares * action.value)
    return Entry(
        EntryKind.DIVIDEND,
        day,
        amount,
        f"Dividend of {_short(action.value)} per share, ex-date {action.ex_date}",
        "prices",
        etf_id=action.etf_id,
        quantity=shares,
        price=action.value,
        action_id=action.id,
        action_value=action.value,
        revision=1,
    )


def _split(
    market: MarketSnapshot, action: Action, shares: tuple[Decimal, Decimal], day: date
) -> Entry:
    """New shares for old ones, rounded down to `step`; what is left over is paid at the close."""
    entitled, step = shares
    last = valuation.last_price(market, market.row_of_id[action.etf_id], day)
    if last is None:
        step = MICRO
    exact = Fraction(entitled) * valuation.exact_ratio(action.value)
    kept = int(exact / Fraction(step)) * step
    left = exact - Fraction(kept)
    with localcontext(EXACT):
        worth = last.price * left.numerator / left.denominator if last else ZERO
    return Entry(
        EntryKind.SPLIT,
        day,
        to_cents(worth),
        f"Split: {_short(action.value)} new shares for one, ex-date {action.ex_date}",
        "prices",
        etf_id=action.etf_id,
        quantity=kept - entitled,
        price=last.price if last else None,
        fraction=to_micros(Decimal(left.numerator) / Decimal(left.denominator)) if worth else ZERO,
        action_id=action.id,
        action_value=action.value,
        revision=1,
    )


def _short(value: Decimal) -> str:
    return plain(value.normalize())
