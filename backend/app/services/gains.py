"""The realised gains of a portfolio, from what its ledger says of the lots that were closed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncSession

from app.core import calendar
from app.core.csv_text import csv_text
from app.core.money import ZERO, plain
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, EntryKind, Portfolio
from app.quant.gains import Disposal, Purchase, Realised, Replacement, Term, gains
from app.quant.twins import twins
from app.schemas.gain import GainList, GainRead, GainTotals, ReplacementRead
from app.services import ledger_reading, strategy, valuation
from app.services.ledger_reading import Recorded

FORM_8949 = (
    "Description of property",
    "Date acquired",
    "Date sold",
    "Proceeds",
    "Cost or other basis",
    "Adjustment code",
    "Amount of adjustment",
    "Gain or loss",
    "Term",
)
"""Columns (a) to (h) of the form, and which of its parts a line belongs to."""


async def realised(
    session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio, *, year: int | None
) -> GainList:
    """Every lot that was closed, or those sold in `year`; wash sales look at the whole life."""
    entries = await ledger_reading.read(session, portfolio.id)
    splits = _Splits.of(market)
    noted = {
        (entry.etf_id, entry.session): entry.sequence
        for entry in reversed(entries)
        if entry.kind == EntryKind.SPLIT
    }
    disposals = [
        Disposal(
            entry.sequence,
            entry.etf_id,
            entry.session,
            entry.amount,
            entry.closed_lots,
            splits.since(entry.etf_id, entry.session) * splits.learned_after(entry, noted),
        )
        for entry in entries
        if entry.etf_id is not None and entry.closed_lots
    ]
    purchases = [
        Purchase(
            entry.sequence,
            entry.etf_id,
            entry.session,
            entry.quantity,
            splits.since(entry.etf_id, entry.session),
        )
        for entry in entries
        if entry.kind == EntryKind.BUY and entry.etf_id is not None and entry.quantity is not None
    ]
    traded = sorted({purchase.asset for purchase in purchases})
    limit = strategy.settings_of(portfolio).max_correlation
    twins = _Twins(market, traded, limit)
    found = await asyncio.to_thread(gains, disposals, purchases, twins)
    shown = [line for line in found if year is None or line.sold_on.year == year]
    return _list(market, portfolio, entries, shown, year=year)


def form_8949(found: GainList) -> str:
    """The lines as the columns of Form 8949, dates as it wants them, for a tax program."""
    return csv_text(
        FORM_8949,
        (
            (
                f"{plain(line.quantity.normalize())} sh. {line.ticker}",
                f"{line.acquired_on:%m/%d/%Y}",
                f"{line.sold_on:%m/%d/%Y}",
                line.proceeds,
                line.cost,
                "W" if line.wash_sale else None,
                line.disallowed if line.wash_sale else None,
                line.reported_gain,
                "Long" if line.term is Term.LONG else "Short",
            )
            for line in found.lines
        ),
    )


@dataclass(frozen=True, slots=True)
class _Splits:
    """The splits of a market by ETF, each with its first session; none where its prices are
    adjusted already."""

    of_etf: dict[int, list[tuple[date, Fraction]]]

    @classmethod
    def of(cls, market: MarketSnapshot) -> "_Splits":
        found: dict[int, list[tuple[date, Fraction]]] = {}
        for action in () if market.adjusted_only else market.actions:
            if action.kind == ActionKind.SPLIT and action.value is not None:
                ratio = valuation.exact_ratio(action.value)
                found.setdefault(action.etf_id, []).append(
                    (calendar.next_session(action.ex_date - timedelta(days=1)), ratio)
                )
        return cls(found)

    def since(self, etf_id: int, day: date) -> Fraction:
        """How many of the latest shares one share of that day has become."""
        ratio = Fraction(1)
        for session, each in self.of_etf.get(etf_id, ()):
            if session > day:
                ratio *= each
        return ratio

    def learned_after(
        self, sale: Recorded, noted: Mapping[tuple[int | None, date], int]
    ) -> Fraction:
        """How many shares of its day one that was sold stands for: another number than one where a
        split that was over by then had not reached the book. `noted` are the first sequences at
        which it did, by ETF and session."""
        ratio = Fraction(1)
        for session, each in self.of_etf.get(sale.etf_id or 0, ()):
            is_old = any(lot.acquired_on < session for lot in sale.closed_lots or ())
            known = noted.get((sale.etf_id, session))
            if session <= sale.session and is_old and (known is None or known > sale.sequence):
                ratio *= each
        return ratio


@dataclass(frozen=True, slots=True)
class _Twins:
    """Which ETFs were twins at a close, by the portfolio's limit; each close is asked once."""

    market: MarketSnapshot
    traded: Sequence[int]
    limit: float
    _known: dict[tuple[int, date], frozenset[int]] = field(default_factory=dict)

    def __call__(self, one: int, other: int, day: date) -> bool:
        if (one, day) not in self._known:
            row_of = self.market.row_of_id
            others = [row_of[etf_id] for etf_id in self.traded if etf_id != one]
            panel = self.market.panel.until(day)
            self._known[one, day] = twins(panel, row_of[one], others, self.limit)
        return self.market.row_of_id[other] in self._known[one, day]


def _list(
    market: MarketSnapshot,
    portfolio: Portfolio,
    entries: Sequence[Recorded],
    lines: Sequence[Realised],
    *,
    year: int | None,
) -> GainList:
    by_place = {entry.sequence: entry for entry in entries}
    return GainList(
        portfolio_id=portfolio.id,
        market=market.code,
        simulated=market.simulated,
        year=year,
        short=_totals(line for line in lines if line.term is Term.SHORT),
        long=_totals(line for line in lines if line.term is Term.LONG),
        total=_totals(lines),
        lines=[
            _line(by_place[line.place], line, [(by_place[r.place], r) for r in line.replaced_by])
            for line in lines
        ],
    )


def _totals(lines: Iterable[Realised]) -> GainTotals:
    listed = list(lines)
    gain = sum((line.gain for line in listed), ZERO)
    disallowed = sum((line.disallowed for line in listed), ZERO)
    return GainTotals(
        proceeds=sum((line.proceeds for line in listed), ZERO),
        cost=sum((line.lot.cost for line in listed), ZERO),
        gain=gain,
        disallowed=disallowed,
        reported_gain=gain + disallowed,
    )


def _line(
    entry: Recorded, line: Realised, replaced_by: Sequence[tuple[Recorded, Replacement]]
) -> GainRead:
    return GainRead(
        sequence=entry.sequence,
        kind=entry.kind,
        ticker=entry.ticker or "",
        lot=line.lot.number,
        acquired_on=line.lot.acquired_on,
        sold_on=line.sold_on,
        quantity=line.lot.quantity,
        proceeds=line.proceeds,
        cost=line.lot.cost,
        gain=line.gain,
        term=line.term,
        wash_sale=bool(line.replaced_by),
        disallowed=line.disallowed,
        reported_gain=line.gain + line.disallowed,
        replaced_by=[
            ReplacementRead(
                sequence=purchase.sequence,
                ticker=purchase.ticker or "",
                bought_on=purchase.session,
                quantity=each.quantity,
            )
            for purchase, each in replaced_by
        ],
    )
