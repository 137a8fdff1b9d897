from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Money, Shares, finite


class Position(Base):
    """The shares of one ETF a portfolio holds: a projection of its ledger.

    `cost_basis` is what the shares were bought for at fill prices, without fees; a sale takes its
    proportional part away (average cost).
    """

    __tablename__ = "positions"
    __table_args__ = (
        CheckConstraint("quantity > 0 AND quantity < 'Infinity'", name="quantity_is_positive"),
        CheckConstraint(finite("cost_basis"), name="cost_basis_is_not_negative"),
    )

    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"), primary_key=True)
    etf_id: Mapped[int] = mapped_column(ForeignKey("etfs.id"), primary_key=True)
    quantity: Mapped[Shares]
    cost_basis: Mapped[Money]
    opened_on: Mapped[date]
