from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Money, Shares, finite


class TaxLot(Base):
    """What is left of one purchase: a projection of the ledger, for the tax on what is sold.

    `number` is the sequence of the ledger entry that opened it; `cost` is what was paid for the
    shares that are left, fees included.
    """

    __tablename__ = "tax_lots"
    __table_args__ = (
        CheckConstraint("quantity > 0 AND quantity < 'Infinity'", name="quantity_is_positive"),
        CheckConstraint(finite("cost"), name="cost_is_not_negative"),
        Index(None, "portfolio_id", "etf_id"),
    )

    portfolio_id: Mapped[int] = mapped_column(ForeignKey("portfolios.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    etf_id: Mapped[int] = mapped_column(ForeignKey("etfs.id"))
    acquired_on: Mapped[date]
    quantity: Mapped[Shares]
    cost: Mapped[Money]
