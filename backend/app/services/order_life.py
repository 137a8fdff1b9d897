"""The life of an order: which state may follow which, and every change with its time and reason.

new → accepted → partially_filled → filled, or cancelled, rejected or expired on the way. Only what
was never filled can be rejected; what was filled in part is cancelled or expires.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import NAMESPACE_OID, UUID, uuid5

from app.core.errors import Conflict
from app.core.money import ZERO, plain
from app.models import (
    OPEN_STATES,
    FillAt,
    OrderOrigin,
    OrderState,
    OrderType,
    TimeInForce,
)
from app.quant.costs import Side
from app.quant.fills import Wish
from app.quant.lots import Pick


class ReasonCode(StrEnum):
    """Why an order is in the state it is in, for programs; the message beside it is for people."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    FILLED = "filled"
    PARTLY_FILLED = "partly_filled"
    TRIGGERED = "triggered"
    SPLIT_ADJUSTED = "split_adjusted"
    CANCELLED_BY_USER = "cancelled_by_user"
    PORTFOLIO_CLOSED = "portfolio_closed"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    ETF_CLOSED = "etf_closed"
    INSUFFICIENT_CASH = "insufficient_cash"
    INSUFFICIENT_SHARES = "insufficient_shares"
    NO_PRICE = "no_price"
    OVERSIZED = "oversized"
    REFUSED = "refused"


FOLLOWS: Mapping[OrderState, frozenset[OrderState]] = {
    OrderState.NEW: frozenset({OrderState.ACCEPTED, OrderState.REJECTED}),
    OrderState.ACCEPTED: frozenset(OrderState) - {OrderState.NEW},
    OrderState.PARTIALLY_FILLED: frozenset(
        {
            OrderState.PARTIALLY_FILLED,
            OrderState.FILLED,
            OrderState.CANCELLED,
            OrderState.EXPIRED,
        }
    ),
}


class NotOpen(Conflict):
    """The order has come to its end: nothing about it changes any more."""

    def __init__(self, state: OrderState) -> None:
        super().__init__(f"The order is {state} already: it cannot be changed.")


class ImpossibleChange(ValueError):
    """A programming error: a state that cannot follow another."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of `order_events`; `quantity` and `price` are those of the fill it tells of."""

    number: int
    state: OrderState
    reason_code: ReasonCode
    message: str | None
    session: date
    at: datetime
    quantity: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderLife:
    """An order as it stands, and those of its `changes` that are not written yet.

    `written` counts the changes that are, `fills` all fills so far; `seen` is the last session that
    something happened to it in, None for its own.
    """

    id: UUID
    etf_id: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    fill_at: FillAt
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    origin: OrderOrigin
    reason: str
    picks: tuple[Pick, ...] | None
    idempotency_key: str | None
    rebalance_event_id: int | None
    session: date
    created_at: datetime
    filled_quantity: Decimal = ZERO
    triggered_on: date | None = None
    state: OrderState = OrderState.NEW
    reason_code: ReasonCode = ReasonCode.RECEIVED
    written: int = 0
    fills: int = 0
    seen: date | None = None
    changes: tuple[Change, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled_quantity

    @property
    def seen_until(self) -> date:
        """The session whose bar it has met already: later ones are new to it."""
        return self.seen or self.session

    @property
    def wish(self) -> Wish:
        """What the order waits for."""
        return Wish(self.side, self.limit_price, self.stop_price, self.triggered_on is not None)

    def saved(self) -> "OrderLife":
        """The order after its changes were written."""
        return replace(self, written=self.written + len(self.changes), changes=())

    def received(self) -> "OrderLife":
        """The order with the first entry of its life."""
        first = Change(1, OrderState.NEW, ReasonCode.RECEIVED, None, self.session, self.created_at)
        return replace(self, changes=(first,))

    def accepted(self, message: str | None = None) -> "OrderLife":
        return self.changed(
            OrderState.ACCEPTED,
            ReasonCode.ACCEPTED,
            session=self.session,
            at=self.created_at,
            message=message,
        )

    def changed(
        self,
        state: OrderState,
        code: ReasonCode,
        *,
        session: date,
        at: datetime,
        message: str | None = None,
    ) -> "OrderLife":
        """The order after a change that filled nothing; raises NotOpen."""
        return self._after(Change(self._next, state, code, message, session, at))

    def filled(
        self,
        quantity: Decimal,
        price: Decimal,
        *,
        session: date,
        at: datetime,
        message: str | None = None,
    ) -> "OrderLife":
        """The order after so many more shares; raises NotOpen."""
        whole = self.filled_quantity + quantity == self.quantity
        change = Change(
            self._next,
            OrderState.FILLED if whole else OrderState.PARTIALLY_FILLED,
            ReasonCode.FILLED if whole else ReasonCode.PARTLY_FILLED,
            message,
            session,
            at,
            quantity,
            price,
        )
        return self._after(change)

    def remaining_picks(self, quantity: Decimal) -> tuple[Pick, ...] | None:
        """The chosen lots that the next `quantity` shares come from; None: no lots were chosen."""
        if self.picks is None:
            return None
        passed, wanted, found = self.filled_quantity, quantity, []
        for pick in self.picks:
            behind = min(passed, pick.quantity)
            taken = min(pick.quantity - behind, wanted)
            passed -= behind
            wanted -= taken
            if taken:
                found.append(Pick(pick.number, taken))
        return tuple(found)

    @property
    def _next(self) -> int:
        return self.written + len(self.changes) + 1

    def _after(self, change: Change) -> "OrderLife":
        if self.state not in FOLLOWS:
            raise NotOpen(self.state)
        if change.state not in FOLLOWS[self.state]:
            raise ImpossibleChange(f"{change.state} cannot follow {self.state}")
        return replace(
            self,
            state=change.state,
            reason_code=change.reason_code,
            filled_quantity=self.filled_quantity + (change.quantity or ZERO),
            fills=self.fills + (change.quantity is not None),
            changes=(*self.changes, change),
        )


def id_of_key(owner_id: int, idempotency_key: str) -> UUID:
    """The same order for the same key of the same user, however often it is sent."""
    return uuid5(NAMESPACE_OID, f"etftrader:key:{owner_id}:{idempotency_key}")


def id_of(*parts: object) -> UUID:
    """The same order for whatever asked for it, such as one line of one rebalance."""
    return uuid5(NAMESPACE_OID, ":".join(["etftrader", *map(str, parts)]))


def waiting_for(order: OrderLife) -> str | None:
    """What would fill the rest of an open order, as a sentence; None for one that has ended."""
    if not order.is_open:
        return None
    keeps = order.time_in_force is TimeInForce.GTC
    until = "until it is cancelled" if keeps else "until the next session closes"
    if order.filled_quantity:
        more = "" if keeps else "; with time_in_force gtc it would be kept"
        return f"The rest is more than a session's volume allows: it waits {until}{more}."
    if order.stop_price is not None and order.triggered_on is None:
        side = "rise to" if order.side is Side.BUY else "fall to"
        return f"It waits {until} for the price to {side} {plain(order.stop_price)}."
    if order.limit_price is not None:
        side = "less" if order.side is Side.BUY else "more"
        return f"It waits {until} for a price of {plain(order.limit_price)} or {side}."
    return "It fills at the open of the next session."
