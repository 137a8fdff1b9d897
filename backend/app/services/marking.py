"""Marking to market: what every active portfolio was worth at each close, written down once.

A portfolio's values are a projection of its ledger and of the prices, so marking a day again is
safe. `Portfolio.marked_sequence` is the last ledger entry that the stored values know of. Where the
later ones all belong to the latest session and the values reach to it or to the one before, that
session is valued from what is held now. Otherwise the whole ledger is folded and every day from the
earliest that changed is marked again, so an entry that comes late corrects the days after it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, localcontext
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol, TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from app.core import database
from app.core.errors import ETFTraderError
from app.core.money import ZERO, to_cents
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, LedgerEntry, Portfolio
from app.quant.costs import EXACT
from app.services import settling, stored_values, valuation
from app.services.projection import EMPTY, fold_session
from app.services.stored_values import DayValue, Marks
from app.services.valuation import Closes, Held, Valuation

AT_ONCE = 50
"""Portfolios whose whole ledgers are in memory together."""

FLOWS = frozenset({EntryKind.DEPOSIT, EntryKind.WITHDRAWAL})
TRADES = frozenset({EntryKind.BUY, EntryKind.SELL})

FAULTS = (ETFTraderError, ArithmeticError, LookupError, ValueError)
"""What one portfolio can be wrong with, in its ledger, rules or prices: never the database."""

Entry: TypeAlias = Any
"""A ledger row with the columns of `_ENTRIES`."""

_ENTRIES = select(
    LedgerEntry.portfolio_id,
    LedgerEntry.sequence,
    LedgerEntry.kind,
    LedgerEntry.etf_id,
    LedgerEntry.quantity,
    LedgerEntry.reference_price,
    LedgerEntry.price,
    LedgerEntry.fee,
    LedgerEntry.amount,
    LedgerEntry.session,
    LedgerEntry.after_close,
)

_HELD = """
    SELECT portfolio_id, etf_id, quantity, cost_basis, opened_on FROM positions
    WHERE portfolio_id = ANY(%(ids)s)
    """


class Account(Protocol):
    """What is read of a portfolio, whether a row of its table or the object itself."""

    @property
    def id(self) -> int: ...

    @property
    def cash(self) -> Decimal: ...

    @property
    def opened_on(self) -> date: ...

    @property
    def last_sequence(self) -> int: ...

    @property
    def marked_sequence(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Marked:
    """How many portfolios were marked, at how many closes in all, and what was booked before."""

    portfolios: int
    values: int
    booked: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What marking brought, by portfolio: its worth at the latest close, or why there is none.

    `values` counts the stored days; `revised` are the portfolios with earlier days among them.
    """

    worth: Mapping[int, Valuation]
    values: int
    revised: frozenset[int]
    faults: Mapping[int, Exception]


async def mark_portfolios(
    session: AsyncSession,
    market: MarketSnapshot,
    portfolios: Sequence[Portfolio],
    *,
    since: date | None = None,
    now: datetime,
) -> Marked:
    """Book what is due and value some portfolios, which the caller has locked.

    From `since` on, where it is given and earlier than what is missing; a portfolio's first value
    is of the session it was opened on.
    """
    booked = 0
    for portfolio in portfolios:
        booked += len(await settling.settle(session, market, portfolio, now=now))
    outcome = await mark(session, Closes(market, market.latest_session), portfolios, since=since)
    for error in outcome.faults.values():
        raise error
    return Marked(len(portfolios), outcome.values, booked)


async def mark(
    session: AsyncSession,
    closes: Closes,
    accounts: Sequence[Account],
    *,
    since: date | None = None,
) -> Outcome:
    """Value settled portfolios, which the caller has locked, up to the latest session.

    One that cannot be valued is left as it is and does not stop the others. Nothing is written for
    one whose values are of this data version and know of all its entries.
    """
    ids = [account.id for account in accounts]
    marks = await stored_values.read_marks(session, ids)
    worth, faults = _worth(closes, accounts, await read_held(session, ids))
    able = [account for account in accounts if account.id in worth]
    quick = [each for each in able if _is_quick(closes, each, marks[each.id], since)]
    latest = await _latest_days(session, closes, quick, worth, marks)
    values = await stored_values.write(session, closes.market.data_version, latest)
    known = {account.id: account.last_sequence for account in quick}
    rest = [account for account in able if account.id not in known]
    for start in range(0, len(rest), AT_ONCE):
        days, folded, wrong = await _fold_all(
            session, closes, rest[start : start + AT_ONCE], marks, since
        )
        values += await stored_values.write(session, closes.market.data_version, days)
        known |= folded
        faults |= wrong
    await _advance(session, accounts, known)
    return Outcome(
        {portfolio_id: found for portfolio_id, found in worth.items() if portfolio_id in known},
        values,
        frozenset(account.id for account in rest),
        faults,
    )


def _worth(
    closes: Closes, accounts: Iterable[Account], held: Mapping[int, Sequence[Held]]
) -> tuple[dict[int, Valuation], dict[int, Exception]]:
    """What each book is worth at the latest close, or why nobody can say."""
    worth: dict[int, Valuation] = {}
    faults: dict[int, Exception] = {}
    for account in accounts:
        try:
            worth[account.id] = valuation.value_at(closes, account.cash, held.get(account.id, ()))
        except FAULTS as error:
            faults[account.id] = error
    return worth, faults


def _is_quick(closes: Closes, account: Account, marks: Marks, since: date | None) -> bool:
    """Whether the latest session is the only one to be marked, and nothing is known after it."""
    latest = closes.session
    if since is not None and since < latest:
        return False
    if marks.first_news is not None and (marks.first_news, marks.last_news) != (latest, latest):
        return False
    if marks.session is None:
        return account.opened_on == latest and account.marked_sequence == 0
    return marks.session in {latest, closes.session_before}


async def _latest_days(
    session: AsyncSession,
    closes: Closes,
    accounts: Sequence[Account],
    worth: Mapping[int, Valuation],
    marks: Mapping[int, Marks],
) -> list[tuple[int, DayValue]]:
    """The latest session of portfolios of which no other has changed, where it has to be stored."""
    version = closes.market.data_version
    with_news = [each.id for each in accounts if marks[each.id].first_news is not None]
    news = await read_entries(session, with_news, unmarked=True) if with_news else {}
    return [
        (each.id, _latest_day(worth[each.id], marks[each.id], news.get(each.id, ())))
        for each in accounts
        if each.id in news
        or marks[each.id].session != closes.session
        or marks[each.id].data_version != version
    ]


def _latest_day(worth: Valuation, marks: Marks, news: Sequence[Entry]) -> DayValue:
    """The day of a valuation; what is stored of it already knows of the entries before `news`."""
    day = _day(worth, news)
    if marks.session != worth.session:
        return day
    return replace(
        day,
        external_flow=day.external_flow + (marks.external_flow or ZERO),
        closing_flow=day.closing_flow + (marks.closing_flow or ZERO),
        costs=day.costs + (marks.costs or ZERO),
    )


async def _fold_all(
    session: AsyncSession,
    closes: Closes,
    accounts: Sequence[Account],
    marks: Mapping[int, Marks],
    since: date | None,
) -> tuple[list[tuple[int, DayValue]], dict[int, int], dict[int, Exception]]:
    """The days from the whole ledgers, up to which entry they know, and which were impossible."""
    entries = await read_entries(session, [account.id for account in accounts])
    days: list[tuple[int, DayValue]] = []
    known: dict[int, int] = {}
    faults: dict[int, Exception] = {}
    for account in accounts:
        ledger = entries.get(account.id, ())
        first = _first(account, marks[account.id], since)
        try:
            found = list(values(closes.market, ledger, first=first))
        except FAULTS as error:
            faults[account.id] = error
            continue
        days += [(account.id, day) for day in found]
        later = (entry.sequence for entry in ledger if entry.session > closes.session)
        known[account.id] = min(later, default=account.last_sequence + 1) - 1
    return days, known, faults


def _first(account: Account, marks: Marks, since: date | None) -> date:
    """The first session to mark; nothing was worth anything before the opening."""
    again = account.opened_on if marks.session is None else marks.session
    changed = (day for day in (again, marks.first_news, since) if day is not None)
    return max(min(changed), account.opened_on)


async def _advance(
    session: AsyncSession, accounts: Iterable[Account], known: Mapping[int, int]
) -> None:
    await stored_values.advance(session, known)
    for account in accounts:
        if isinstance(account, Portfolio) and account.id in known:
            set_committed_value(account, "marked_sequence", known[account.id])


def values(market: MarketSnapshot, entries: Sequence[Entry], *, first: date) -> Iterator[DayValue]:
    """The value at every close from `first` on; entries of later sessions are not seen."""
    days: list[date] = market.panel.sessions.tolist()
    by_session = sorted(entries, key=attrgetter("session"))
    of_day = {day: list(group) for day, group in groupby(by_session, attrgetter("session"))}
    book = EMPTY
    for day, group in of_day.items():
        if day < first:
            book = fold_session(group, book)
    for day in days[max(market.column(first), 0) :]:
        if day < first:
            continue
        todays = of_day.get(day, [])
        book = fold_session(todays, book)
        yield _day(valuation.value(market, book.cash, book.holdings.values(), day), todays)


def _day(worth: Valuation, todays: Sequence[Entry]) -> DayValue:
    return DayValue(
        session=worth.session,
        cash=worth.cash,
        positions_value=worth.positions_value,
        external_flow=sum((e.amount for e in todays if e.kind in FLOWS), ZERO),
        closing_flow=sum((e.amount for e in todays if e.kind in FLOWS and e.after_close), ZERO),
        costs=sum((cost_of(e) for e in todays if e.kind in TRADES), ZERO),
        carried=worth.carried,
    )


def cost_of(trade: Entry) -> Decimal:
    """What one trade cost against its reference price, fees included."""
    with localcontext(EXACT):
        slipped = abs(trade.price - trade.reference_price) * trade.quantity
        return to_cents(slipped) + trade.fee


async def read_entries(
    session: AsyncSession, ids: Sequence[int], *, unmarked: bool = False
) -> Mapping[int, Sequence[Entry]]:
    """The ledger of each portfolio in the order of its sequence.

    With `unmarked` only what its stored values do not know of.
    """
    query = _ENTRIES.where(LedgerEntry.portfolio_id.in_(ids)).order_by(
        LedgerEntry.portfolio_id, LedgerEntry.sequence
    )
    if unmarked:
        query = query.join(Portfolio, Portfolio.id == LedgerEntry.portfolio_id).where(
            LedgerEntry.sequence > Portfolio.marked_sequence
        )
    rows = (await session.execute(query)).all()
    return {key: list(group) for key, group in groupby(rows, attrgetter("portfolio_id"))}


async def read_held(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, Sequence[Held]]:
    """What each portfolio holds now."""
    held: defaultdict[int, list[Held]] = defaultdict(list)
    for row in await database.rows(session, _HELD, {"ids": list(ids)}):
        held[row.portfolio_id].append(row)
    return held
