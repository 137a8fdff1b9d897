"""A simulated life in plain decimals, one day after the other, written to be read.

It calls the functions that serve live portfolios and shares nothing with `app.quant.backtest` but
the types that say what is to be simulated. Slow, and meant to be.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from app.quant.backtest.rules import Fills, Timetable, TradingRules
from app.quant.backtest.tape import Event, EventKind, ScoreTable, Tape
from app.quant.book import Book, Market
from app.quant.construction import Invested, construct
from app.quant.costs import CENT, EXACT, PRICE_STEP, Liquidity, Order, Side
from app.quant.drift import measure
from app.quant.errors import QuantError
from app.quant.exposure import ExposureState, after_session
from app.quant.fills import volume_cap
from app.quant.liquidity import measure as how_it_trades
from app.quant.liquidity import median_value
from app.quant.orders import propose
from app.quant.sizing import Quote, affordable_quantity
from app.quant.stop_loss import Holding, Vix, assess, in_cooldown, threshold

ZERO = Decimal(0)
CARRY = 5


@dataclass
class Position:
    shares: Decimal
    basis: Decimal
    opened: int
    price: Decimal = ZERO
    seen: int = -1
    highest: Decimal = ZERO

    @property
    def value(self) -> Decimal:
        return cents(self.shares * self.price)

    @property
    def entry(self) -> Decimal:
        with localcontext(EXACT):
            return (self.basis / self.shares).quantize(PRICE_STEP)


@dataclass(frozen=True)
class Wish:
    """An order that waits for the next session; a stop sells whatever is held by then."""

    row: int
    side: Side
    quantity: Decimal
    stop: bool = False


@dataclass(frozen=True)
class Trade:
    column: int
    row: int
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    net: Decimal


@dataclass
class Life:
    tape: Tape
    scores: ScoreTable
    rules: TradingRules
    timetable: Timetable
    cash: Decimal
    book: dict[int, Position] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    wanted: dict[int, float] | None = None
    aims: dict[int, float] | None = None
    stopped: dict[int, int] = field(default_factory=dict)
    payable: dict[int, list[Decimal]] = field(default_factory=lambda: defaultdict(list))
    payable_rows: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    exposure: ExposureState = field(default_factory=lambda: ExposureState(1.0))
    index: float = 1.0
    asking: bool = False
    trades: list[Trade] = field(default_factory=list)
    closes: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    undecided: list[int] = field(default_factory=list)

    # --- what a session brings -----------------------------------------------------------------

    def live(self) -> "Life":
        before = self.cash
        for column in range(self.timetable.first, self.timetable.last + 1):
            flow = self.open(column)
            self.trade(column)
            total = self.value(column)
            self.follow(before + flow, total)
            before = total
            stopped = self.stop_out(column)
            self.asking = self.asking or self.is_due(column, total)
            if self.asking and not stopped:
                self.asking = False
                self.decide(column, total)
        return self

    def open(self, column: int) -> Decimal:
        if self.rules.cash_yield and column > self.timetable.first:
            days = int(self.timetable.interest_days[column])
            rate = Decimal(round(self.rules.cash_yield * 1_000_000)) / 1_000_000
            self.cash += cents(self.cash * rate * days / 365)
        flow = self.timetable.flows.get(column, ZERO)
        self.cash += flow
        income: dict[int, Decimal] = defaultdict(Decimal)
        for row, amount in zip(
            self.payable_rows.pop(column, []), self.payable.pop(column, []), strict=True
        ):
            income[row] += self.credit(amount)
        todays = [event for event in self.tape.events if event.column == column]
        before = {row: position.shares for row, position in self.book.items()}
        for event in todays:
            if event.row in before:
                self.happen(event, before[event.row], todays, income)
        if self.rules.dividends.reinvest:
            for row in sorted(income):
                self.reinvest(column, row, income[row])
        return flow

    def happen(
        self, event: Event, before: Decimal, todays: list[Event], income: dict[int, Decimal]
    ) -> None:
        position = self.book[event.row]
        match event.kind:
            case EventKind.SPLIT:
                self.split(event, position)
            case EventKind.DIVIDEND:
                ratio = Fraction(1)
                for each in todays:
                    ratio *= each.ratio if each.row == event.row else 1
                assert event.amount is not None
                with localcontext(EXACT):
                    shares = (before * ratio.numerator / ratio.denominator).quantize(PRICE_STEP)
                    amount = cents(shares * event.amount)
                if self.rules.dividends.on_pay_date and event.paid > event.column:
                    self.payable[event.paid].append(amount)
                    self.payable_rows[event.paid].append(event.row)
                else:
                    income[event.row] += self.credit(amount)
            case EventKind.CLOSURE:
                price = event.amount
                if price is None:
                    price = price_at(self.tape.panel.close, event.row, event.column)
                self.cash += cents(position.shares * (price or position.price))
                del self.book[event.row]

    def credit(self, amount: Decimal) -> Decimal:
        kept = amount - cents(amount * Decimal(repr(self.rules.dividends.withholding)))
        self.cash += kept
        return kept

    def split(self, event: Event, position: Position) -> None:
        ratio = event.ratio
        for name in ("price", "highest"):
            old = getattr(position, name)
            with localcontext(EXACT):
                new = (old * ratio.denominator / ratio.numerator).quantize(PRICE_STEP)
            setattr(position, name, new)
        step = self.rules.orders.step
        exact = Fraction(position.shares) * ratio
        kept = int(exact / Fraction(step)) * step
        price = price_at(self.prices, event.row, event.column) or position.price
        rest = exact - Fraction(kept)
        with localcontext(EXACT):
            paid = cents(price * rest.numerator / rest.denominator)
            worth = kept * price + paid
            if paid:
                position.basis -= cents(position.basis * paid / worth)
        self.cash += paid
        position.shares = kept
        if not kept:
            del self.book[event.row]
        self.wishes = [
            (
                replace(wish, quantity=int(Fraction(wish.quantity) * ratio / Fraction(step)) * step)
                if wish.row == event.row and not wish.stop
                else wish
            )
            for wish in self.wishes
        ]

    # --- trading -------------------------------------------------------------------------------

    @property
    def prices(self) -> np.ndarray:
        at_open = self.rules.fills is Fills.NEXT_OPEN
        return self.tape.opens if at_open else self.tape.panel.close

    def quote(self, row: int, column: int, known: int) -> Quote | None:
        price = price_at(self.prices, row, column)
        if price is None or price_at(self.tape.panel.close, row, column) is None:
            return None
        if self.tape.closed[row] <= column:
            return None
        return Quote(price, self.liquidity([row], known)[0])

    def liquidity(self, rows: list[int], known: int) -> list[Liquidity]:
        """How ETFs trade, from the first `known` sessions."""
        sigma, value = how_it_trades(self.tape.panel.first(known), np.array(rows, dtype=np.int64))
        return [Liquidity.measured(float(s), float(v)) for s, v in zip(sigma, value, strict=True)]

    def trade(self, column: int) -> None:
        for wish in self.wishes:
            self.fill(wish, column)
        if self.wanted is not None:
            self.aims, self.wanted = self.wanted, None
        self.wishes = []

    def fill(self, wish: Wish, column: int) -> None:
        known = column if self.rules.fills is Fills.NEXT_OPEN else column + 1
        quote = self.quote(wish.row, column, known)
        held = self.book[wish.row].shares if wish.row in self.book else ZERO
        if quote is None or not (held or wish.quantity):
            return
        quantity = held if wish.stop else wish.quantity
        if wish.side is Side.SELL:
            quantity = min(quantity, held)
            if wish.stop and cents(quantity * quote.reference) <= CENT:
                return
        else:
            costs, step = self.rules.construction.costs, self.rules.orders.step
            quantity = min(quantity, affordable_quantity(self.cash, quote, costs, step=step))
        self.buy_or_sell(wish, column, known, quote=quote, quantity=quantity)

    def buy_or_sell(
        self, wish: Wish, column: int, known: int, *, quote: Quote, quantity: Decimal
    ) -> None:
        median = median_value(self.tape.panel.first(known), wish.row)
        share = Decimal(repr(self.rules.volume_share))
        cap = volume_cap(median, quote.reference, share, self.rules.orders.step)
        if cap is not None and quantity > cap:
            quantity = ZERO if self.rules.refuse_oversized else cap
        if not quantity:
            return
        order = Order(wish.side, quantity, quote.reference, quote.liquidity)
        done = self.rules.construction.costs.fill(order)
        if self.cash + done.net < 0:
            return
        self.cash += done.net
        self.trades.append(
            Trade(column, wish.row, wish.side, quantity, done.price, done.fee, done.net)
        )
        if wish.side is Side.BUY:
            position = self.book.setdefault(wish.row, Position(ZERO, ZERO, column))
            position.shares += quantity
            position.basis += done.gross
            return
        position = self.book[wish.row]
        with localcontext(EXACT):
            position.basis -= cents(position.basis * quantity / position.shares)
        position.shares -= quantity
        if not position.shares:
            del self.book[wish.row]
        if wish.stop:
            self.stopped[wish.row] = column

    def reinvest(self, column: int, row: int, amount: Decimal) -> None:
        known = column if self.rules.fills is Fills.NEXT_OPEN else column + 1
        quote = self.quote(row, column, known)
        if quote is None or self.is_barred(row, column):
            return
        costs, step = self.rules.construction.costs, self.rules.orders.step
        quantity = affordable_quantity(min(amount, self.cash), quote, costs, step=step)
        wish = Wish(row, Side.BUY, quantity)
        self.buy_or_sell(wish, column, known, quote=quote, quantity=quantity)

    def is_barred(self, row: int, column: int) -> bool:
        last = self.stopped.get(row)
        return last is not None and in_cooldown(column - last, self.rules.stops)

    # --- at the close --------------------------------------------------------------------------

    def value(self, column: int) -> Decimal:
        for row, position in self.book.items():
            price = price_at(self.tape.panel.close, row, column)
            if price is not None:
                position.price, position.seen = price, column
                position.highest = max(position.highest, price)
        worth = sum((position.value for position in self.book.values()), ZERO)
        self.closes.append((self.cash, worth))
        return self.cash + worth

    def follow(self, before: Decimal, total: Decimal) -> None:
        if before > 0:
            self.index *= float(total / before)
        self.exposure = after_session(self.exposure, self.index, self.rules.exposure)

    def stop_out(self, column: int) -> bool:
        if not self.rules.stops_sell:
            return False
        vix = Vix(float(self.tape.vix[column]), int(self.tape.vix_age[column]))
        limit = threshold(self.rules.stops, vix)
        for row in sorted(self.book):
            position = self.book[row]
            is_good = position.seen == column and self.tape.closed[row] > column
            if not is_good or position.value <= CENT or (column, row) in self.tape.splits:
                continue
            holding = Holding(str(row), position.entry, position.highest, position.price)
            if assess(holding, self.rules.stops, limit).exit is not None:
                self.wishes.append(Wish(row, Side.SELL, position.shares, stop=True))
        return bool(self.wishes)

    # --- deciding ------------------------------------------------------------------------------

    def is_due(self, column: int, total: Decimal) -> bool:
        if column == self.timetable.first or self.timetable.asks[column]:
            return True
        if not self.timetable.by_drift or self.aims is None:
            return False
        weights = self.weights(total)
        named = {str(row): weight for row, weight in weights.items()}
        aims = {str(row): weight for row, weight in self.aims.items()}
        return measure(named, aims, self.rules.drift, previous=aims.keys()).needs_rebalancing

    def weights(self, total: Decimal) -> dict[int, float]:
        return {
            row: float(self.book[row].value / total) if total else 0.0 for row in sorted(self.book)
        }

    def decide(self, column: int, total: Decimal) -> None:
        weights = self.weights(total)
        tickers = self.tape.panel.tickers
        frozen = {
            row
            for row, position in self.book.items()
            if position.seen != column or self.tape.closed[row] <= column
        }
        kept = {row: weights[row] for row in sorted(frozen)}
        part = self.exposure.exposure(self.rules.exposure)
        free = part * max(1.0 - sum(kept.values()), 0.0)
        targets: dict[int, float] = {}
        if part:
            try:
                targets = self.construct(column, (weights, frozen), total=total, free=free)
            except QuantError:
                self.undecided.append(column)
                return
        targets |= kept
        found = measure(
            {tickers[row]: weight for row, weight in weights.items()},
            {tickers[row]: weight for row, weight in targets.items()},
            self.rules.drift,
            previous=None if self.aims is None else {tickers[row] for row in {*self.aims, *frozen}},
        )
        begins = self.aims is None and not self.book and targets
        if found.needs_rebalancing or begins:
            self.wanted = {row: weight for row, weight in targets.items() if weight > 0}
            self.wishes = self.orders(column, targets, weights, frozen)

    def construct(
        self,
        column: int,
        standing: tuple[dict[int, float], set[int]],
        *,
        total: Decimal,
        free: float,
    ) -> dict[int, float]:
        (weights, frozen), panel = standing, self.tape.panel.first(column + 1)
        line = self.scores.line_of[column]
        if line < 0:
            raise QuantError("not scored")
        barred = {
            ticker: "barred"
            for row, ticker in enumerate(panel.tickers)
            if self.is_barred(row, column) or self.tape.closed[row] <= column
        }
        movable = {
            panel.tickers[row]: weight / free
            for row, weight in weights.items()
            if row not in frozen
        }
        found = construct(
            panel,
            self.scores.composite[line],
            self.rules.construction,
            Invested(float(total) * free, movable),
            groups=[self.tape.class_names[number] for number in self.tape.classes],
            barred=barred,
            excluded=frozenset(panel.tickers[row] for row in frozen),
        )
        row_of = {ticker: row for row, ticker in enumerate(panel.tickers)}
        return {row_of[each.ticker]: each.weight * free for each in found.positions}

    def orders(
        self,
        column: int,
        targets: dict[int, float],
        weights: dict[int, float],
        frozen: set[int],
    ) -> list[Wish]:
        tickers = self.tape.panel.tickers
        free = 1.0 - sum(weights[row] for row in sorted(frozen))
        if free < 1e-6:
            return []
        movable = [row for row in sorted(self.book) if row not in frozen]
        rows = sorted({*movable, *(row for row in targets if row not in frozen)})
        quotes = {}
        for row, liquidity in zip(rows, self.liquidity(rows, column + 1), strict=True):
            reference = price_at(self.tape.panel.close, row, column)
            assert reference is not None
            quotes[tickers[row]] = Quote(reference, liquidity)
        proposal = propose(
            {tickers[row]: targets[row] / free for row in targets if row not in frozen},
            Book(self.cash, {tickers[row]: self.book[row].shares for row in movable}),
            Market(quotes, self.rules.construction.costs),
            self.rules.orders,
        )
        row_of = {tickers[row]: row for row in rows}
        return [Wish(row_of[each.ticker], each.side, each.quantity) for each in proposal.orders]


def cents(amount: Decimal) -> Decimal:
    with localcontext(EXACT):
        return amount.quantize(CENT)


def price_at(prices: np.ndarray, row: int, column: int) -> Decimal | None:
    price = float(prices[row, column])
    return Decimal(repr(price)).quantize(PRICE_STEP) if price > 0 else None
