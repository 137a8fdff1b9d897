from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Instant, Price, Shares, Words


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """`day`: until the close of the first session after the order's own; `gtc`: until cancelled."""

    DAY = "day"
    GTC = "gtc"


class FillAt(StrEnum):
    """At the latest close, at once, or at the open of the next session."""

    CLOSE = "close"
    NEXT_OPEN = "next_open"


class OrderState(StrEnum):
    NEW = "new"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


OPEN_STATES = (OrderState.NEW, OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


class OrderOrigin(StrEnum):
    """Who wanted the order."""

    USER = "user"
    REBALANCE = "rebalance"
    STOP = "stop"
    LIQUIDATION = "liquidation"
    REINVESTMENT = "reinvestment"


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(str(each)) for each in values)})"


_OPEN = f"state IN ({', '.join(repr(str(each)) for each in OPEN_STATES)})"


class Order(Base):
    """Somebody's wish to buy or sell, and how far it has come. `order_events` is its life.

    The id is derived from what asked for it (a key, a rebalance line, a stop), so that asking
    again is the same order.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("side IN ('buy', 'sell')", name="side_is_known"),
        CheckConstraint(_one_of("order_type", OrderType), name="order_type_is_known"),
        CheckConstraint(_one_of("time_in_force", TimeInForce), name="time_in_force_is_known"),
        CheckConstraint(_one_of("fill_at", FillAt), name="fill_at_is_known"),
        CheckConstraint(_one_of("state", OrderState), name="state_is_known"),
        CheckConstraint(_one_of("origin", OrderOrigin), name="origin_is_known"),
        CheckConstraint("quantity > 0 AND quantity < 'Infinity'", name="quantity_is_positive"),
        CheckConstraint(
            "filled_quantity >= 0 AND filled_quantity <= quantity", name="fills_within_quantity"
        ),
        CheckConstraint(
            "(state = 'filled') = (filled_quantity = quantity)", name="filled_is_all_of_it"
        ),
        CheckConstraint(
            "(limit_price IS NOT NULL) = (order_type IN ('limit', 'stop_limit'))"
            " AND (limit_price IS NULL OR (limit_price > 0 AND limit_price < 'Infinity'))",
            name="limit_has_its_price",
        ),
        CheckConstraint(
            "(stop_price IS NOT NULL) = (order_type IN ('stop', 'stop_limit'))"
            " AND (stop_price IS NULL OR (stop_price > 0 AND stop_price < 'Infinity'))",
            name="stop_has_its_price",
        ),
        Index(None, "portfolio_id", "created_at"),
        Index("ix_orders_open", "portfolio_id", postgresql_where=text(_OPEN)),
        Index(
            "uq_orders_open_stop",
            "portfolio_id",
            "etf_id",
            unique=True,
            postgresql_where=text(f"origin = 'stop' AND {_OPEN}"),
        ),
        Index("ix_orders_stops", "portfolio_id", postgresql_where=text("origin = 'stop'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"))
    etf_id: Mapped[int] = mapped_column(ForeignKey("etfs.id"))
    side: Mapped[Code]
    order_type: Mapped[Code]
    time_in_force: Mapped[Code]
    fill_at: Mapped[Code]
    quantity: Mapped[Shares]
    filled_quantity: Mapped[Shares]
    limit_price: Mapped[Price | None]
    stop_price: Mapped[Price | None]
    triggered_on: Mapped[date | None]
    """The session that set off a stop or stop-limit order that has not filled yet."""
    state: Mapped[Code]
    reason_code: Mapped[Code]
    """Of the latest change of state."""
    origin: Mapped[Code]
    reason: Mapped[Words]
    """Why it is wanted, a sentence or a part of one."""
    lots: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Which tax lots a sale closes, `[{"lot": 3, "quantity": "10"}]`; None: by the rules."""
    idempotency_key: Mapped[Words | None]
    rebalance_event_id: Mapped[int | None] = mapped_column(ForeignKey("rebalance_events.id"))
    session: Mapped[date]
    """The latest session when it was accepted: a resting order sees the bars after it."""
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class OrderEvent(Base):
    """One change of an order's state, with its time and reason; never changed afterwards."""

    __tablename__ = "order_events"
    __table_args__ = (
        CheckConstraint(_one_of("state", OrderState), name="state_is_known"),
        CheckConstraint("number > 0", name="number_is_positive"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[Code]
    reason_code: Mapped[Code]
    message: Mapped[Words | None]
    session: Mapped[date]
    at: Mapped[Instant]
    quantity: Mapped[Shares | None]
    """The shares that this change filled; None where it filled none."""
    price: Mapped[Price | None]
