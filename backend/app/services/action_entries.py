"""What a corporate action puts into a portfolio's ledger.

An action whose value was corrected, or that came to other shares than were known of, is booked
again as the difference: what should have been booked, less what was.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from app.core.money import MICRO, ZERO, plain, to_cents, to_micros
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind, EntryKind
from app.quant.costs import EXACT
from app.schemas.settings import DividendDay, PortfolioSettings
from app.services import strategy, valuation
from app.services.entitlements import BookedSoFar, EtfHistory
from app.services.entry import Entry
from app.services.valuation import LastPrice

NONE: tuple[Entry, ...] = ()

_ORDER = (ActionKind.SPLIT, ActionKind.TICKER_CHANGE, ActionKind.DIVIDEND, ActionKind.CLOSURE)
"""Of the actions of one day: a dividend is per share of that day, and a closure ends it all."""


class CannotBook(Exception):
    """An action that is due and cannot be booked as things stand; the message says why."""


def place_in_time(action: Action) -> tuple[date, int, int]:
    """The order in which actions happen to the book."""
    return action.ex_date, _ORDER.index(action.kind), action.id


def counts_on(action: Action, rules: PortfolioSettings) -> date:
    """The day whose close first knows of it: a dividend's may be the day that it is paid."""
    late = action.kind is ActionKind.DIVIDEND and rules.dividends_on is DividendDay.PAY_DATE
    return action.pay_date if late and action.pay_date else action.ex_date


@dataclass(frozen=True, slots=True)
class ActionDesk:
    """Turns actions into entries, by the prices of `market` and the portfolio's `rules`."""

    market: MarketSnapshot
    rules: PortfolioSettings

    def entries(self, action: Action, history: EtfHistory) -> tuple[Entry, ...]:
        """In the order of booking; nothing where nobody was entitled, or all is booked already.

        Raises CannotBook.
        """
        match action.kind:
            case ActionKind.SPLIT:
                return self._split(action, history)
            case ActionKind.DIVIDEND:
                return self._dividend(action, history)
            case ActionKind.TICKER_CHANGE:
                return self._ticker_change(action, history)
            case ActionKind.CLOSURE:
                return self._closure(action, history)

    def _session(self, day: date) -> date:
        """The first session of the market on or after `day`."""
        sessions = self.market.panel.sessions
        found: date = sessions[np.searchsorted(sessions, np.datetime64(day, "D"))].item()
        return found

    def _last(self, etf_id: int, session: date) -> LastPrice | None:
        row = self.market.row_of_id.get(etf_id)
        return None if row is None else valuation.last_price(self.market, row, session)

    def _dividend(self, action: Action, history: EtfHistory) -> tuple[Entry, ...]:
        so_far = history.booked(action, EntryKind.DIVIDEND)
        held = max(history.held_before(self._session(action.ex_date)), ZERO)
        per_share, ratio = action.ratio, history.ratio_on(action.ex_date)
        if not so_far.times and not (held and per_share):
            return NONE
        with localcontext(EXACT):
            shares = to_micros(held * ratio.numerator / ratio.denominator)
            amount = to_cents(shares * per_share) - so_far.amount
        if so_far.times and not amount and so_far.value == per_share:
            return NONE
        what = f"ividend of {_short(per_share)} per share, ex-date {action.ex_date}"
        dividend = Entry(
            EntryKind.DIVIDEND,
            self._session(counts_on(action, self.rules)),
            amount,
            f"Corrected d{what}" if so_far.times else f"D{what}",
            action.source,
            etf_id=action.etf_id,
            quantity=shares,
            price=per_share,
            action_id=action.id,
            action_value=per_share,
            revision=so_far.times + 1,
        )
        tax = self._tax(dividend, so_far)
        # Tax given back comes first: it may be what the difference is paid from.
        return tuple(sorted((dividend, *tax), key=lambda entry: entry.amount, reverse=True))

    def _tax(self, dividend: Entry, so_far: BookedSoFar) -> tuple[Entry, ...]:
        """What is withheld of a dividend, or given back of one that is taken back."""
        rate = Decimal(repr(self.rules.dividend_withholding))
        whole = so_far.amount + dividend.amount
        withheld = to_cents(whole * rate) - to_cents(so_far.amount * rate)
        if not withheld:
            return NONE
        percent = _short(rate * 100)
        return (
            Entry(
                EntryKind.TAX,
                dividend.session,
                -withheld,
                f"{percent} % withheld. {dividend.reason}",
                dividend.source,
                etf_id=dividend.etf_id,
                action_id=dividend.action_id,
                action_value=dividend.action_value,
                revision=dividend.revision,
            ),
        )

    def _split(self, action: Action, history: EtfHistory) -> tuple[Entry, ...]:
        """New shares for old ones, rounded down to a step; the rest is paid at the day's close."""
        so_far = history.booked(action, EntryKind.SPLIT)
        if so_far.times and so_far.value == action.value and not history.split_again:
            return NONE
        if not so_far.times and action.ratio == 1:
            return NONE
        session = self._session(action.ex_date)
        left = history.remaining(action, session)
        if not left.old:
            return NONE
        if so_far.times and history.held_in_ledger() <= 0:
            raise CannotBook(
                "it was booked with another ratio that left no shares: what is missing is yours "
                "to book as cash"
            )
        last = self._last(action.etf_id, session)
        step = strategy.order_settings(self.rules).step if last else MICRO
        exact = left.old * valuation.exact_ratio(action.ratio)
        kept = int(exact / Fraction(step)) * step
        fraction = exact - Fraction(kept)
        paid = to_cents(_product(fraction, last.price)) if last else ZERO
        paid -= so_far.amount
        added = kept - to_micros(_decimal(left.booked))
        price = last.price if last else None
        what = f"plit: {_short(action.ratio)} new shares for one, ex-date {action.ex_date}"
        return (
            Entry(
                EntryKind.SPLIT,
                session,
                paid,
                f"Corrected s{what}" if so_far.times else f"S{what}",
                action.source,
                etf_id=action.etf_id,
                quantity=added,
                # What is taken back was worth what it was paid at.
                price=so_far.price if paid < 0 else price,
                fraction=self._out_of_lots(fraction, paid, last, so_far),
                action_id=action.id,
                action_value=action.value,
                revision=so_far.times + 1,
            ),
        )

    @staticmethod
    def _out_of_lots(
        fraction: Fraction, paid: Decimal, last: LastPrice | None, so_far: BookedSoFar
    ) -> Decimal:
        """The shares that leave the tax lots for what is paid; what is taken back brings none."""
        if last is None or paid <= 0:
            return ZERO
        if so_far.times:
            fraction = Fraction(paid) / Fraction(last.price)
        return to_micros(_decimal(fraction))

    def _ticker_change(self, action: Action, history: EtfHistory) -> tuple[Entry, ...]:
        session = self._session(action.ex_date)
        held = history.held_before(session)
        if held <= 0 or history.booked(action, EntryKind.TICKER_CHANGE).times:
            return NONE
        return (
            Entry(
                EntryKind.TICKER_CHANGE,
                session,
                ZERO,
                f"{action.ticker} is called {self._called_after(action, history)}",
                action.source,
                etf_id=action.etf_id,
                quantity=held,
                action_id=action.id,
                revision=1,
            ),
        )

    def _called_after(self, action: Action, history: EtfHistory) -> str:
        """The ticker after a change: what the next change calls the old one, or today's."""
        later = [
            each
            for each in history.actions
            if each.kind is ActionKind.TICKER_CHANGE and each.ex_date > action.ex_date
        ]
        if later:
            return str(min(later, key=place_in_time).ticker)
        row = self.market.row_of_id.get(action.etf_id)
        return "by a new ticker" if row is None else self.market.panel.tickers[row]

    def _closure(self, action: Action, history: EtfHistory) -> tuple[Entry, ...]:
        """All shares are paid out at the given price, or else at the last one."""
        held, gained = history.held(), history.last_gain()
        if history.booked(action, EntryKind.CLOSURE).times or held <= 0 or gained is None:
            return NONE
        session = self._session(action.ex_date)
        price = action.value
        if price is None:
            last = self._last(action.etf_id, session)
            if last is None:
                raise CannotBook("it names no price and there never was one")
            price = last.price
        with localcontext(EXACT):
            amount = to_cents(held * price)
        return (
            Entry(
                EntryKind.CLOSURE,
                max(session, gained),
                amount,
                f"Closed: {_short(price)} paid out per share, ex-date {action.ex_date}",
                action.source,
                etf_id=action.etf_id,
                quantity=held,
                price=price,
                action_id=action.id,
                action_value=action.value,
                revision=1,
            ),
        )


def _product(number: Fraction, price: Decimal) -> Decimal:
    with localcontext(EXACT):
        return price * number.numerator / number.denominator


def _decimal(number: Fraction) -> Decimal:
    with localcontext(EXACT):
        return Decimal(number.numerator) / Decimal(number.denominator)


def _short(value: Decimal) -> str:
    return plain(value.normalize())
