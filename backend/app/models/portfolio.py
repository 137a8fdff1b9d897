from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Select, String, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.core.errors import PortfolioClosed
from app.models.columns import Code, Instant, Money, Serial, finite


class PortfolioStatus(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"


class Portfolio(Base):
    """A book of cash and positions that follows one set of rules in one market.

    `cash` and `last_sequence` are the projection of the ledger; only `services.ledger` writes them.
    """

    __tablename__ = "portfolios"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'closed')", name="status_is_known"),
        CheckConstraint(finite("cash"), name="cash_is_not_negative"),
        CheckConstraint("initial_capital > 0 AND initial_capital < 'Infinity'", name="has_capital"),
    )

    id: Mapped[Serial]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    market: Mapped[Code] = mapped_column(ForeignKey("markets.code"))
    name: Mapped[str] = mapped_column(String(100))
    status: Mapped[Code]
    initial_capital: Mapped[Money]
    cash: Mapped[Money]
    last_sequence: Mapped[int]
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    opened_on: Mapped[date]
    """The session of its first ledger entry."""
    replayed_until: Mapped[date | None]
    """The last session that was replayed from history rather than lived through."""
    settled_version: Mapped[UUID | None]
    """The data version that has been caught up with: its corporate actions are in the ledger and
    resting orders have seen its bars. None: no version has."""
    marked_sequence: Mapped[int]
    """The last ledger entry that its stored values know of."""
    created_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]

    def require_active(self) -> None:
        if self.status != PortfolioStatus.ACTIVE:
            raise PortfolioClosed


Index(
    "uq_portfolios_open_name",
    Portfolio.owner_id,
    func.lower(Portfolio.name),
    unique=True,
    postgresql_where=Portfolio.status == PortfolioStatus.ACTIVE.value,
)


def owned_portfolio(owner_id: int, portfolio_id: int) -> Select[Portfolio]:
    """The portfolio if it is this owner's: the only way to reach one by its id."""
    return select(Portfolio).where(Portfolio.id == portfolio_id, Portfolio.owner_id == owner_id)
