from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Instant, Statistic, Words


class PortfolioCheck(Base):
    """What was found when a portfolio was looked at after one session: its stops and its drift.

    A row says that the session's stops have been acted on. `note` says why something was not
    looked at, such as stale prices.
    """

    __tablename__ = "portfolio_checks"

    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"), primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    at_risk: Mapped[int]
    breached: Mapped[int]
    max_drift: Mapped[Statistic | None]
    """Against the targets of the last executed rebalance; None before the first."""
    turnover: Mapped[Statistic | None]
    exposure: Mapped[Statistic]
    note: Mapped[Words | None]
    data_version: Mapped[UUID]
    checked_at: Mapped[Instant]
