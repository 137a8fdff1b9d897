from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Serial, Statistic, Words, finite


class Etf(Base):
    """An exchange-traded fund of one market and what is known about it; NULL is unknown."""

    __tablename__ = "etfs"
    __table_args__ = (
        UniqueConstraint("market", "ticker"),
        CheckConstraint(finite("expense_ratio"), name="expense_ratio_is_a_fraction"),
    )

    id: Mapped[Serial]
    market: Mapped[Code] = mapped_column(ForeignKey("markets.code"))
    ticker: Mapped[Code]
    name: Mapped[Words | None]
    issuer: Mapped[Words | None]
    category: Mapped[Words | None]
    asset_class: Mapped[Words | None]
    region: Mapped[Words | None]
    expense_ratio: Mapped[Statistic | None]
    leverage: Mapped[Statistic | None]
    is_leveraged: Mapped[bool | None]
    is_inverse: Mapped[bool | None]
    inception_date: Mapped[date | None]
    closed_on: Mapped[date | None]
    benchmark: Mapped[Code | None]
    """The ticker whose returns this ETF tracks, for the value factor's tracking error."""
