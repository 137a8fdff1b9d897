from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Statistic


class IndexPrice(Base):
    """The daily close of an index that is watched, not traded: the VIX."""

    __tablename__ = "index_prices"
    __table_args__ = (
        CheckConstraint("close > 0 AND close < 'Infinity'", name="close_is_positive"),
    )

    market: Mapped[Code] = mapped_column(ForeignKey("markets.code"), primary_key=True)
    symbol: Mapped[Code] = mapped_column(primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    close: Mapped[Statistic]
