"""Ledgers as they are read back, written entry by entry without a database."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid5

from hypothesis import strategies as st

from app.models import EntryKind
from app.quant.lots import LotMethod
from app.services import projection
from app.services.beancount import Account
from app.services.ledger_reading import Recorded
from app.services.lot_book import LotBook
from app.services.projection import EMPTY, Book

OPENED = date(2024, 2, 28)
SPACE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
TICKERS = {1: "SPY", 2: "BRK.B", 3: "USD", 4: "3X", 5: "T"}


@dataclass
class Written:
    """A ledger under construction, with the book and the lots it leads to."""

    portfolio_id: int = 1
    day: date = OPENED
    entries: list[Recorded] = field(default_factory=list, repr=False)
    book: Book = field(default=EMPTY, repr=False)
    lots: LotBook = field(default_factory=lambda: LotBook({}, LotMethod.FIFO), repr=False)

    def add(
        self,
        kind: EntryKind,
        amount: str | Decimal,
        etf_id: int | None = None,
        quantity: str | Decimal | None = None,
        *,
        price: str | Decimal | None = None,
        fraction: Decimal = Decimal(0),
        fee: str = "0",
        reason: str = "test",
    ) -> Recorded:
        number = len(self.entries) + 1
        trade = kind in {EntryKind.BUY, EntryKind.SELL}
        entry = Recorded(
            sequence=number,
            kind=kind,
            etf_id=etf_id,
            ticker=None if etf_id is None else TICKERS[etf_id],
            quantity=None if quantity is None else Decimal(quantity),
            reference_price=None if price is None else Decimal(price),
            price=None if price is None else Decimal(price),
            price_date=self.day,
            fee=Decimal(fee),
            amount=Decimal(amount),
            session=self.day,
            booked_at=datetime.combine(self.day, datetime.min.time(), UTC) + timedelta(hours=21),
            reason=reason,
            source="paper" if trade else "user",
            order_id=uuid5(SPACE, f"{self.portfolio_id}:{number}") if trade else None,
            fill_number=1 if trade else None,
            closed_lots=None,
            idempotency_key=None,
            rebalance_event_id=None,
            action_id=None,
            action_value=None,
            revision=None,
        )
        closed = self.lots.book(_Booked(entry, fraction), number)
        entry = replace(entry, closed_lots=closed)
        self.book = projection.apply(self.book, entry)
        self.entries.append(entry)
        return entry

    def held(self, etf_id: int) -> Decimal:
        found = self.book.holdings.get(etf_id)
        return found.quantity if found else Decimal(0)

    @property
    def account(self) -> Account:
        held = {etf_id: holding.quantity for etf_id, holding in self.book.holdings.items()}
        name = f"Number {self.portfolio_id}"
        return Account(self.portfolio_id, name, self.entries, self.book.cash, held)


class _Booked:
    """An entry before its lots were chosen: by the method, with the fraction of a split."""

    picks = None

    def __init__(self, entry: Recorded, fraction: Decimal) -> None:
        self.kind: str = entry.kind
        self.etf_id = entry.etf_id
        self.quantity = entry.quantity
        self.amount = entry.amount
        self.session = entry.session
        self.fraction = fraction


millionths = st.integers(1, 10**10).map(lambda n: Decimal(n).scaleb(-6))
cents = st.integers(1, 10**9).map(lambda n: Decimal(n).scaleb(-2))
prices = st.integers(1, 10**9).map(lambda n: Decimal(n).scaleb(-6))


@st.composite
def ledgers(draw: st.DrawFn, portfolio_id: int = 1) -> Written:
    """A life of up to 25 entries of every kind, in ETFs with ordinary and odd tickers."""
    life = Written(portfolio_id)
    life.lots.method = draw(st.sampled_from(LotMethod))
    life.add(EntryKind.DEPOSIT, Decimal(10) ** 11)
    for _ in range(draw(st.integers(0, 24))):
        life.day += timedelta(days=draw(st.integers(0, 40)))
        kind = draw(st.sampled_from([EntryKind.BUY, *EntryKind]))
        etf_id = draw(st.sampled_from(sorted(TICKERS)))
        _live(draw, life, kind, etf_id)
    return life


def _live(draw: st.DrawFn, life: Written, kind: EntryKind, etf_id: int) -> None:
    held = life.held(etf_id)
    match kind:
        case EntryKind.BUY:
            life.add(kind, -draw(cents), etf_id, draw(millionths), price=draw(prices))
        case EntryKind.SELL if held:
            part = Decimal(draw(st.integers(1, int(held.scaleb(6))))).scaleb(-6)
            quantity = draw(st.sampled_from([part, held]))
            life.add(kind, draw(cents), etf_id, quantity, price=draw(prices), fee="1.00")
        case EntryKind.CLOSURE if held:
            life.add(kind, draw(st.just(Decimal(0)) | cents), etf_id, held, price=draw(prices))
        case EntryKind.SPLIT if held:
            _split(draw, life, etf_id, held)
        case EntryKind.DIVIDEND | EntryKind.TICKER_CHANGE:
            amount = draw(cents) if kind is EntryKind.DIVIDEND else Decimal(0)
            life.add(kind, amount, etf_id, reason='Says "so"\\ and\tmore')
        case EntryKind.FEE | EntryKind.TAX | EntryKind.WITHDRAWAL:
            life.add(kind, -draw(cents))
        case EntryKind.DEPOSIT | EntryKind.INTEREST:
            life.add(kind, draw(cents))
        case _:
            pass


def _split(draw: st.DrawFn, life: Written, etf_id: int, held: Decimal) -> None:
    """A ratio, and what of the new shares is less than a whole one or a millionth paid in cash."""
    ratio = draw(st.sampled_from([Fraction(2), Fraction(1, 10), Fraction(3, 2), Fraction(1, 3)]))
    step = draw(st.sampled_from([Decimal(1), Decimal("0.000001")]))
    exact = Fraction(held) * ratio
    kept = int(exact / Fraction(step)) * step
    fraction = Decimal(int((exact - Fraction(kept)) * 10**6)).scaleb(-6)
    if kept + fraction > 0:
        price = draw(prices)
        paid = (fraction * price).quantize(Decimal("0.01"))
        life.add(EntryKind.SPLIT, paid, etf_id, kept - held, price=price, fraction=fraction)
