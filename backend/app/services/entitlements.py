"""What a portfolio's ledger says about its ETFs and the corporate actions booked so far.

Entitled are the shares held at the close before the ex-date. Sales since then, of whatever session,
are taken to be of those shares first.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Protocol, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import database
from app.core.money import ZERO
from app.market_data.snapshot import Action
from app.models import ActionKind, EntryKind, LedgerEntry
from app.services import valuation

_LEAVING = frozenset({EntryKind.SELL, EntryKind.CLOSURE})
_MOVING = frozenset({EntryKind.BUY, EntryKind.SPLIT}) | _LEAVING


class Recorded(Protocol):
    """What is read of an entry, whether it is in the ledger or about to be."""

    @property
    def kind(self) -> str: ...

    @property
    def session(self) -> date: ...

    @property
    def quantity(self) -> Decimal | None: ...

    @property
    def price(self) -> Decimal | None: ...

    @property
    def amount(self) -> Decimal: ...

    @property
    def action_id(self) -> int | None: ...

    @property
    def action_value(self) -> Decimal | None: ...


@dataclass(frozen=True, slots=True)
class Past:
    """An entry of one ETF; `shares` is signed, and zero where none moved."""

    kind: str
    session: date
    shares: Decimal
    price: Decimal | None
    amount: Decimal
    action_id: int | None
    action_value: Decimal | None


@dataclass(frozen=True, slots=True)
class BookedSoFar:
    """How an action was booked up to now: `times` 0 is not at all; `price` and `value` are those
    that were used last."""

    times: int
    amount: Decimal
    price: Decimal | None
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Remaining:
    """Of the shares that a split found: how many old ones are still there, exactly, and as how many
    new ones they are in the book: fewer than none where the split took away more than are known of
    since."""

    old: Fraction
    booked: Fraction


@dataclass(slots=True)
class EtfHistory:
    """The entries of one ETF in the order of their sequence, and what the market did to it.

    The last `due` of them are about to be booked; with `split_again` one of these changes the
    shares that later splits found.
    """

    past: list[Past] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    due: int = 0
    split_again: bool = False

    def held(self) -> Decimal:
        return sum((each.shares for each in self.past), ZERO)

    def held_in_ledger(self) -> Decimal:
        """The shares of the book as it is, without what is about to be booked."""
        return sum((each.shares for each in self.past[: len(self.past) - self.due]), ZERO)

    def held_before(self, session: date) -> Decimal:
        return sum((each.shares for each in self.past if each.session < session), ZERO)

    def last_gain(self) -> date | None:
        """The last session that added shares."""
        return max((each.session for each in self.past if each.shares > 0), default=None)

    def booked(self, action: Action, kind: EntryKind) -> BookedSoFar:
        own = [each for each in self.past if each.action_id == action.id and each.kind == kind]
        return BookedSoFar(
            len(own),
            sum((each.amount for each in own), ZERO),
            own[-1].price if own else None,
            own[-1].action_value if own else None,
        )

    def ratio_on(self, ex_date: date) -> Fraction:
        """New shares per old one on that day: 1 unless there is a split."""
        ratio = Fraction(1)
        for action in self.actions:
            if action.kind == ActionKind.SPLIT and action.ex_date == ex_date:
                ratio *= valuation.exact_ratio(action.ratio)
        return ratio

    def remaining(self, split: Action, session: date) -> Remaining:
        """What is left of the shares that the split found on its session.

        A sale is in the shares of the book as it was then: splits that were booked before it have
        multiplied them.
        """
        old = booked = Fraction(self.held_before(session))
        own = others = Fraction(1)
        for each in self.past:
            if each.session < session:
                continue
            if each.kind in _LEAVING:
                old += Fraction(each.shares) / (own * others)
                booked += Fraction(each.shares) / others
            elif each.kind == EntryKind.SPLIT and each.action_value is not None:
                ratio = valuation.exact_ratio(each.action_value)
                if each.action_id == split.id:
                    own = ratio
                    booked += Fraction(each.shares)
                else:
                    others *= self._step(each, ratio)
        return Remaining(max(old, Fraction(0)), booked)

    def _step(self, split: Past, ratio: Fraction) -> Fraction:
        """The ratio of a split, or of its correction: the new ratio over the one before."""
        before = Fraction(1)
        for each in self.past:
            if each is split:
                break
            if each.action_id == split.action_id and each.action_value is not None:
                before = valuation.exact_ratio(each.action_value)
        return ratio / before

    def add(self, entry: Recorded) -> None:
        """An entry that is about to be booked, at the end."""
        self.past.append(_past(entry))
        self.due += 1
        self.split_again = self.split_again or entry.kind == EntryKind.SPLIT


async def read(
    session: AsyncSession, portfolio_id: int, actions: Iterable[Action]
) -> dict[int, EtfHistory]:
    """The history of every ETF that was ever in the book, with those of `actions` that are its."""
    query = (
        select(
            LedgerEntry.etf_id,
            LedgerEntry.kind,
            LedgerEntry.session,
            LedgerEntry.quantity,
            LedgerEntry.price,
            LedgerEntry.amount,
            LedgerEntry.action_id,
            LedgerEntry.action_value,
        )
        .where(LedgerEntry.portfolio_id == portfolio_id, LedgerEntry.etf_id.is_not(None))
        .order_by(LedgerEntry.sequence)
    )
    histories: dict[int, EtfHistory] = {}
    for row in await session.execute(query):
        assert row.etf_id is not None
        histories.setdefault(row.etf_id, EtfHistory()).past.append(_past(cast("Recorded", row)))
    for action in actions:
        if action.etf_id in histories:
            histories[action.etf_id].actions.append(action)
    return histories


_OF_MANY = """
    SELECT entry.portfolio_id, entry.etf_id, entry.kind, entry.session, entry.quantity,
        entry.price, entry.amount, entry.action_id, entry.action_value
    FROM unnest(CAST(%(portfolio_ids)s AS int[]), CAST(%(etf_ids)s AS int[]))
        AS wanted (portfolio_id, etf_id)
    JOIN ledger_entries AS entry ON entry.portfolio_id = wanted.portfolio_id
        AND entry.etf_id = wanted.etf_id
    ORDER BY entry.portfolio_id, entry.sequence
    """


async def read_many(
    session: AsyncSession, wanted: Collection[tuple[int, int]], actions: Iterable[Action]
) -> dict[int, dict[int, EtfHistory]]:
    """The histories of the `wanted` portfolios and ETFs, each with its ETF's `actions`."""
    of_etf: defaultdict[int, list[Action]] = defaultdict(list)
    for action in actions:
        of_etf[action.etf_id].append(action)
    found: defaultdict[int, dict[int, EtfHistory]] = defaultdict(dict)
    about = {"portfolio_ids": [each for each, _ in wanted], "etf_ids": [each for _, each in wanted]}
    for row in await database.rows(session, _OF_MANY, about):
        histories = found[row.portfolio_id]
        if row.etf_id not in histories:
            histories[row.etf_id] = EtfHistory(actions=of_etf[row.etf_id])
        histories[row.etf_id].past.append(_past(row))
    return found


def _past(entry: Recorded) -> Past:
    moved = entry.quantity if entry.kind in _MOVING and entry.quantity else ZERO
    return Past(
        entry.kind,
        entry.session,
        -moved if entry.kind in _LEAVING else moved,
        entry.price,
        entry.amount,
        entry.action_id,
        entry.action_value,
    )
