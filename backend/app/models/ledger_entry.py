from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Instant, Money, Price, Serial, Shares, Words


class EntryKind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    BUY = "buy"
    SELL = "sell"
    SPLIT = "split"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    FEE = "fee"
    TAX = "tax"
    CLOSURE = "closure"
    TICKER_CHANGE = "ticker_change"


class LedgerEntry(Base):
    """One irrevocable change of a portfolio's cash or shares. Corrections are new rows.

    `amount` is the signed change of cash, costs included; `quantity` the unsigned number of shares
    traded or paid out, or for a split the signed number of shares it adds. Replaying the entries of
    a portfolio by `sequence` gives its cash, positions and tax lots exactly.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("portfolio_id", "sequence"),
        UniqueConstraint("portfolio_id", "action_id", "kind", "revision"),
        UniqueConstraint("order_id", "fill_number"),
        CheckConstraint("sequence > 0", name="sequence_is_positive"),
        CheckConstraint("amount > '-Infinity' AND amount < 'Infinity'", name="amount_is_finite"),
        CheckConstraint("fee >= 0 AND fee < 'Infinity'", name="fee_is_not_negative"),
        CheckConstraint(
            "(CASE kind"
            " WHEN 'deposit' THEN amount > 0 AND etf_id IS NULL"
            " WHEN 'withdrawal' THEN amount < 0 AND etf_id IS NULL"
            " WHEN 'buy' THEN amount <= 0 AND quantity > 0 AND price > 0"
            " AND reference_price > 0 AND price_date IS NOT NULL AND fill_number > 0"
            " AND order_id IS NOT NULL AND etf_id IS NOT NULL"
            " WHEN 'sell' THEN quantity > 0 AND price > 0"
            " AND reference_price > 0 AND price_date IS NOT NULL AND fill_number > 0"
            " AND order_id IS NOT NULL AND etf_id IS NOT NULL AND closed_lots IS NOT NULL"
            " WHEN 'split' THEN etf_id IS NOT NULL AND quantity > '-Infinity'"
            " WHEN 'dividend' THEN etf_id IS NOT NULL"
            " WHEN 'interest' THEN amount <> 0 AND etf_id IS NULL"
            " WHEN 'fee' THEN amount < 0"
            " WHEN 'tax' THEN amount <> 0"
            " WHEN 'closure' THEN etf_id IS NOT NULL AND amount >= 0 AND quantity > 0"
            " AND price >= 0 AND closed_lots IS NOT NULL"
            " WHEN 'ticker_change' THEN etf_id IS NOT NULL AND amount = 0"
            " ELSE false END) IS TRUE",
            name="kind_has_its_columns",
        ),
        CheckConstraint("quantity < 'Infinity' AND price < 'Infinity'", name="numbers_are_finite"),
        Index(None, "portfolio_id", "etf_id"),
    )

    id: Mapped[Serial]
    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"))
    sequence: Mapped[int]
    kind: Mapped[Code]
    etf_id: Mapped[int | None] = mapped_column(ForeignKey("etfs.id"))
    quantity: Mapped[Shares | None]
    reference_price: Mapped[Price | None]
    """The close the order was priced from, before spread, slippage and impact."""
    price: Mapped[Price | None]
    """The fill price."""
    price_date: Mapped[date | None]
    """The session of that close: before `session` where the last close was carried."""
    fee: Mapped[Money]
    amount: Mapped[Money]
    session: Mapped[date]
    """The session whose close the entry belongs to."""
    after_close: Mapped[bool] = mapped_column(server_default=false())
    """Money that came or went when the session had closed: its return is not its doing."""
    booked_at: Mapped[Instant]
    reason: Mapped[Words]
    source: Mapped[Words]
    """Who says so: a person, the paper broker, a file of corporate actions."""
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("orders.id"))
    fill_number: Mapped[int | None]
    """Which fill of its order a trade is, counted from 1."""
    closed_lots: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The tax lots that were closed by it, each with number, acquired_on, quantity and cost."""
    idempotency_key: Mapped[Words | None]
    rebalance_event_id: Mapped[int | None] = mapped_column(ForeignKey("rebalance_events.id"))
    action_id: Mapped[int | None] = mapped_column(ForeignKey("corporate_actions.id"))
    action_value: Mapped[Price | None]
    """The action's value when it was booked; a later correction of it is booked as a difference."""
    revision: Mapped[int | None]
    """Which booking of its action an entry is, counted from 1."""
