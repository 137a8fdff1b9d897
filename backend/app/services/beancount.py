"""A portfolio's ledger as a file of the plain-text accounting program Beancount.

Beancount sorts by day, and a ledger is in order of time only by when its entries were written. So
a transaction has the day on which it was booked; the day it counts for is its `effective`.

Shares are held at cost in the tax lots of the ledger: a purchase opens the lot `lot-N` with fees in
its cost, a sale closes parts of lots by day and label, and Beancount works out the gain itself. A
split takes all lots that it touches out and puts them back with their new shares at the same cost.
Beancount divides the cost of a lot exactly where the ledger rounds to cents; what that makes of
difference in a split goes to `Equity:…:Rounding`.

The file ends with what the book holds, as assertions: cash to the cent, shares to the millionth.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from itertools import chain

from app.core.money import plain
from app.models import EntryKind
from app.quant import lots
from app.quant.lots import ClosedLot, Lot, LotMethod
from app.services.ledger_reading import Recorded
from app.services.lot_book import LotBook

CURRENCY = "USD"
LONGEST_COMMODITY = 24
RESERVED = frozenset({CURRENCY, "TRUE", "FALSE", "NULL"})

HEAD = f"""\
option "title" "ETFTrader"
option "operating_currency" "{CURRENCY}"
option "inferred_tolerance_default" "{CURRENCY}:0.005"
"""

_TITLES = {
    EntryKind.DEPOSIT: "Deposit",
    EntryKind.WITHDRAWAL: "Withdrawal",
    EntryKind.BUY: "Buy",
    EntryKind.SELL: "Sell",
    EntryKind.SPLIT: "Split",
    EntryKind.DIVIDEND: "Dividend",
    EntryKind.INTEREST: "Interest",
    EntryKind.FEE: "Fee",
    EntryKind.TAX: "Tax",
    EntryKind.CLOSURE: "Closure",
    EntryKind.TICKER_CHANGE: "Ticker change",
}
_OTHER_SIDE = {
    EntryKind.DEPOSIT: "Equity:{}:Deposits",
    EntryKind.WITHDRAWAL: "Equity:{}:Deposits",
    EntryKind.DIVIDEND: "Income:{}:Dividends",
    EntryKind.INTEREST: "Income:{}:Interest",
    EntryKind.FEE: "Expenses:{}:Fees",
    EntryKind.TAX: "Expenses:{}:Taxes",
}
"""Where the money of an entry without shares comes from or goes to."""

_ACCOUNTS = ("Assets:{}:Cash", *dict.fromkeys(_OTHER_SIDE.values()))
_GAINS, _ROUNDING = "Income:{}:Gains", "Equity:{}:Rounding"


@dataclass(frozen=True, slots=True)
class Account:
    """A portfolio with its ledger, and what is kept of it: cash, and shares by ETF."""

    portfolio_id: int
    name: str
    entries: Sequence[Recorded]
    cash: Decimal
    held: Mapping[int, Decimal]

    @property
    def label(self) -> str:
        return f"Portfolio-{self.portfolio_id}"


def commodities(tickers: Mapping[int, str]) -> dict[int, str]:
    """A name that Beancount accepts for each ETF: its ticker wherever that is one.

    Other signs become a dash, and a name that is short, long, taken or a word of Beancount's own
    gets the number of its ETF.
    """
    names: dict[int, str] = {}
    for etf_id in sorted(tickers):
        name = re.sub("[^A-Z0-9]", "-", tickers[etf_id].upper()).strip("-")
        if not name[:1].isalpha():
            name = f"X{name}"
        suits = 1 < len(name) <= LONGEST_COMMODITY and name not in RESERVED
        if not suits or name in names.values():
            ending = f"-{etf_id}"
            name = name[: LONGEST_COMMODITY - len(ending)] + ending
        names[etf_id] = name
    return names


def head(tickers: Mapping[int, str], since: date) -> str:
    """The options, and what each commodity is."""
    names = commodities(tickers)
    declared = (
        f"\n{since} commodity {names[etf_id]}\n  ticker: {_quoted(tickers[etf_id])}\n"
        for etf_id in sorted(names)
    )
    return HEAD + "".join(declared)


def account(of: Account, names: Mapping[int, str]) -> str:
    """The accounts of one portfolio, its transactions, and what they must come to."""
    if not of.entries:
        return f"\n; {of.label} has no entries.\n"
    since = _day(of.entries[0])
    traded = dict.fromkeys(each.etf_id for each in of.entries if each.etf_id is not None)
    writer = _Writer(of.label, names)
    return "".join(
        chain(
            [f"\n; {of.label}: {_one_line(of.name)}\n"],
            writer.opened(since, traded),
            writer.transactions(of.entries),
            writer.balances(of, traded),
        )
    )


@dataclass(slots=True)
class _Writer:
    label: str
    names: Mapping[int, str]
    last: date = date.min

    def opened(self, since: date, traded: Iterable[int]) -> Iterator[str]:
        for name in (*_ACCOUNTS, _GAINS, _ROUNDING):
            yield f"{since} open {self._of(name)}\n"
        for etf_id in traded:
            yield f'{since} open {self._shares(etf_id)} {self.names[etf_id]} "STRICT"\n'

    def transactions(self, entries: Sequence[Recorded]) -> Iterator[str]:
        """Each entry in its turn, on the day it was booked and never before the one before it."""
        book = LotBook({}, LotMethod.FIFO)
        for entry in entries:
            self.last = max(self.last, _day(entry))
            before = book.open.get(entry.etf_id, ()) if entry.etf_id is not None else ()
            book.book(entry, entry.sequence)
            match entry.kind:
                case EntryKind.BUY:
                    yield self._transaction(entry, self._bought(entry))
                case EntryKind.SELL | EntryKind.CLOSURE:
                    yield self._transaction(entry, self._sold(entry))
                case EntryKind.SPLIT:
                    yield self._transaction(entry, self._split(entry, before))
                    if entry.amount or entry.closed_lots:
                        yield self._transaction(entry, self._sold(entry))
                case EntryKind.TICKER_CHANGE:
                    yield f"\n{self.last} note {self._cash} {_quoted(entry.reason)}\n"
                case _:
                    yield self._transaction(entry, self._paid(entry))

    def balances(self, of: Account, traded: Iterable[int]) -> Iterator[str]:
        """At the beginning of the day after the last entry."""
        day = self.last + timedelta(days=1)
        yield f"\n{day} balance {self._cash}  {plain(of.cash)} ~ 0 {CURRENCY}\n"
        for etf_id in traded:
            held = of.held.get(etf_id, Decimal(0))
            yield (
                f"{day} balance {self._shares(etf_id)}  {plain(held)} ~ 0 {self.names[etf_id]}\n"
            )

    def _transaction(self, entry: Recorded, postings: Iterable[str]) -> str:
        about = {
            "sequence": str(entry.sequence),
            "effective": entry.session.isoformat(),
            "source": _quoted(entry.source),
        }
        if entry.order_id is not None:
            about["order_id"] = _quoted(str(entry.order_id))
        if entry.fee:
            about["fee"] = f"{plain(entry.fee)} {CURRENCY}"
        lines = [
            f"\n{self.last} * {_quoted(_TITLES[entry.kind])} {_quoted(entry.reason)}",
            *(f"  {name}: {value}" for name, value in about.items()),
            *(f"  {posting}" for posting in postings),
        ]
        return "\n".join(lines) + "\n"

    def _paid(self, entry: Recorded) -> Iterator[str]:
        yield self._cash_leg(entry.amount)
        yield f"{self._of(_OTHER_SIDE[entry.kind])}  {plain(-entry.amount)} {CURRENCY}"

    def _bought(self, entry: Recorded) -> Iterator[str]:
        assert entry.quantity is not None
        lot = Lot(entry.sequence, entry.session, entry.quantity, -entry.amount)
        yield self._put_in(entry, lot)
        yield self._cash_leg(entry.amount)

    def _sold(self, entry: Recorded) -> Iterator[str]:
        at = f" @ {plain(entry.price)} {CURRENCY}" if entry.price else ""
        for lot in entry.closed_lots or ():
            yield self._taken_out(entry, lot) + at
        yield self._cash_leg(entry.amount)
        yield self._of(_GAINS)

    def _split(self, entry: Recorded, before: tuple[Lot, ...]) -> Iterator[str]:
        assert entry.quantity is not None
        after = lots.split(before, entry.quantity + entry.fraction, ex_date=entry.session)
        for lot in before:
            if lot not in after:
                yield self._taken_out(entry, lot)
        for lot in after:
            if lot not in before:
                yield self._put_in(entry, lot)
        yield self._of(_ROUNDING)

    def _put_in(self, entry: Recorded, lot: Lot) -> str:
        assert entry.etf_id is not None
        cost = f'{{{{{plain(lot.cost)} {CURRENCY}, {lot.acquired_on}, "lot-{lot.number}"}}}}'
        shares = f"{plain(lot.quantity)} {self.names[entry.etf_id]}"
        return f"{self._shares(entry.etf_id)}  {shares} {cost}"

    def _taken_out(self, entry: Recorded, lot: Lot | ClosedLot) -> str:
        assert entry.etf_id is not None
        shares = f"{plain(-lot.quantity)} {self.names[entry.etf_id]}"
        return f'{self._shares(entry.etf_id)}  {shares} {{{lot.acquired_on}, "lot-{lot.number}"}}'

    def _cash_leg(self, amount: Decimal) -> str:
        return f"{self._cash}  {plain(amount)} {CURRENCY}"

    @property
    def _cash(self) -> str:
        return self._of("Assets:{}:Cash")

    def _shares(self, etf_id: int) -> str:
        return self._of(f"Assets:{{}}:{self.names[etf_id]}")

    def _of(self, account: str) -> str:
        return account.format(self.label)


def _day(entry: Recorded) -> date:
    return entry.booked_at.astimezone(UTC).date()


def _quoted(text: str) -> str:
    escaped = _one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _one_line(text: str) -> str:
    return " ".join(text.split())
