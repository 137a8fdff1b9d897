from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Money, Sum, finite


class PortfolioValue(Base):
    """What a portfolio was worth at one close: a projection of its ledger and the prices.

    `external_flow` is money paid in or out that day, counted at the start of the session but for
    `closing_flow`, the part of it that came after the close.
    `carried` says that a price was missing and the last one of at most 5 sessions was used.
    """

    __tablename__ = "portfolio_values"
    __table_args__ = (
        CheckConstraint(finite("cash"), name="cash_is_not_negative"),
        CheckConstraint(finite("positions_value"), name="positions_value_is_not_negative"),
        CheckConstraint("external_flow <> 'NaN'", name="external_flow_is_a_number"),
        CheckConstraint("closing_flow <> 'NaN'", name="closing_flow_is_a_number"),
    )

    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"), primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    cash: Mapped[Money]
    positions_value: Mapped[Sum]
    external_flow: Mapped[Sum]
    closing_flow: Mapped[Sum] = mapped_column(server_default="0")
    costs: Mapped[Sum]
    """Fees and the difference between fill and reference prices of the day's trades."""
    carried: Mapped[bool]
    data_version: Mapped[UUID]
