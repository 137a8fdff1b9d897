"""Cash and holdings as a pure fold of a portfolio's ledger: the same entries, the same book.

Average cost: a purchase adds its value at the fill price, fees apart, to the cost basis; a sale
takes its proportional part away, rounded half-even to cents; the last share takes the rest. A split
leaves the basis as it is, except for the part of a fraction that was paid out in cash: it was worth
`amount` at `price` per new share.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Protocol

from app.core.errors import InsufficientCash, InsufficientShares, Refused
from app.core.money import ZERO, to_cents, to_micros
from app.models import EntryKind
from app.quant.costs import EXACT

MAX_CASH = Decimal(10) ** 16
MAX_SHARES = Decimal(10) ** 12
"""What the columns hold; both are beyond any real portfolio."""


class TooLarge(Refused):
    def __init__(self) -> None:
        super().__init__("The amounts are larger than a portfolio can hold.")


class Movement(Protocol):
    """What the fold reads of a ledger entry; `amount` is the signed change of cash."""

    @property
    def kind(self) -> str: ...

    @property
    def etf_id(self) -> int | None: ...

    @property
    def quantity(self) -> Decimal | None: ...

    @property
    def price(self) -> Decimal | None: ...

    @property
    def fee(self) -> Decimal: ...

    @property
    def amount(self) -> Decimal: ...

    @property
    def session(self) -> date: ...


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares of one ETF, never zero, and what they were bought for at fill prices."""

    etf_id: int
    quantity: Decimal
    cost_basis: Decimal
    opened_on: date

    @property
    def entry_price(self) -> Decimal:
        return entry_price(self.cost_basis, self.quantity)


def entry_price(cost_basis: Decimal, quantity: Decimal) -> Decimal:
    """The average fill price of the shares held, fees apart."""
    with localcontext(EXACT):
        return to_micros(cost_basis / quantity)


@dataclass(frozen=True, slots=True)
class Book:
    """What a portfolio has; no holding for an ETF means none of it."""

    cash: Decimal = ZERO
    holdings: Mapping[int, Holding] = field(default_factory=lambda: MappingProxyType({}))


EMPTY = Book()


def fold(movements: Iterable[Movement], book: Book = EMPTY) -> Book:
    """The book after all `movements`, in the order of their sequence.

    Raises what `apply` raises at the first entry that would leave less than nothing.
    """
    for movement in movements:
        book = apply(book, movement)
    return book


def fold_session(movements: Sequence[Movement], book: Book) -> Book:
    """The book after one session's entries, whenever each of them was learned of.

    A split and its corrections count together: the shares in between were never anybody's.
    """
    splits = [each for each in movements if each.kind == EntryKind.SPLIT]
    if len(splits) == len({each.etf_id for each in splits}):
        return fold(movements, book)
    added: dict[int | None, Decimal] = {}
    for each in splits:
        added[each.etf_id] = added.get(each.etf_id, ZERO) + (each.quantity or ZERO)
    return fold(
        (
            _Split.of(each, added.pop(each.etf_id, ZERO)) if each.kind == EntryKind.SPLIT else each
            for each in movements
        ),
        book,
    )


@dataclass(frozen=True, slots=True)
class _Split:
    """A split that adds other shares than its entry says."""

    kind: str
    etf_id: int | None
    quantity: Decimal | None
    price: Decimal | None
    fee: Decimal
    amount: Decimal
    session: date

    @classmethod
    def of(cls, split: Movement, quantity: Decimal) -> "_Split":
        return cls(
            split.kind,
            split.etf_id,
            quantity,
            split.price,
            split.fee,
            split.amount,
            split.session,
        )


def apply(book: Book, movement: Movement) -> Book:
    """The book after one entry.

    Raises InsufficientCash naming what is missing, InsufficientShares, or TooLarge.
    """
    holdings = book.holdings
    if movement.etf_id is not None:
        changed = _holding_after(holdings.get(movement.etf_id), movement.etf_id, movement)
        others = {etf_id: held for etf_id, held in holdings.items() if etf_id != movement.etf_id}
        holdings = others if changed is None else {**others, movement.etf_id: changed}
    return Book(_cash_after(book.cash, movement.amount), holdings)


def _cash_after(cash: Decimal, amount: Decimal) -> Decimal:
    after = cash + amount
    if after < 0:
        raise InsufficientCash(needed=-amount, available=cash)
    if after >= MAX_CASH:
        raise TooLarge
    return after


def _holding_after(held: Holding | None, etf_id: int, movement: Movement) -> Holding | None:
    quantity = movement.quantity or ZERO
    match movement.kind:
        case EntryKind.BUY:
            return _bought(held, etf_id, movement, quantity)
        case EntryKind.SELL | EntryKind.CLOSURE:
            return _sold(held, quantity)
        case EntryKind.SPLIT:
            return _split(held, movement, quantity)
        case _:
            return held


def _bought(
    held: Holding | None, etf_id: int, movement: Movement, quantity: Decimal
) -> Holding | None:
    value = -movement.amount - movement.fee
    held = held or Holding(etf_id, ZERO, ZERO, movement.session)
    bought = replace(held, quantity=held.quantity + quantity, cost_basis=held.cost_basis + value)
    if bought.quantity >= MAX_SHARES or bought.cost_basis >= MAX_CASH:
        raise TooLarge
    return bought


def _sold(held: Holding | None, quantity: Decimal) -> Holding | None:
    owned = held.quantity if held else ZERO
    if held is None or quantity > owned:
        raise InsufficientShares(wanted=quantity, held=owned)
    return _kept(held, owned - quantity, gone=quantity, of=owned)


def _split(held: Holding | None, movement: Movement, added: Decimal) -> Holding | None:
    if held is None and not added:
        return None
    if held is None or held.quantity + added < 0:
        raise InsufficientShares(wanted=-added, held=held.quantity if held else ZERO)
    after = held.quantity + added
    if after >= MAX_SHARES:
        raise TooLarge
    price = movement.price or ZERO
    with localcontext(EXACT):
        if not price or movement.amount >= 0:
            gone, of = movement.amount, after * price + movement.amount
            return _kept(held, after, gone=gone if price else ZERO, of=of)
        # A corrected split takes back a fraction, and with it the part of the basis that it took.
        worth = held.quantity * price
        basis = to_cents(held.cost_basis * (worth - movement.amount) / worth)
    return replace(held, quantity=after, cost_basis=basis) if after else None


def _kept(held: Holding, quantity: Decimal, *, gone: Decimal, of: Decimal) -> Holding | None:
    """What stays of a holding once the part `gone / of` of it left, which its basis loses.

    As one fraction, because a quotient that was rounded before would miss half a cent.
    """
    if not quantity:
        return None
    with localcontext(EXACT):
        basis = held.cost_basis - (to_cents(held.cost_basis * gone / of) if gone else ZERO)
    return replace(held, quantity=quantity, cost_basis=basis)
