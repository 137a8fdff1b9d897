from datetime import date

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Statistic, finite


class EtfPrice(Base):
    """One validated daily bar, as the source printed it.

    Binary floats, because that is what sources send and what the factors are computed from;
    `core.money.price_of` turns a close into the decimal that money changes hands at. The row has no
    foreign key: millions are written at once, by the importer alone, which takes the ids from
    `etfs` in the same transaction.
    """

    __tablename__ = "etf_prices"
    __table_args__ = (
        CheckConstraint("close > 0 AND close < 'Infinity'", name="close_is_positive"),
        CheckConstraint("low > 0 AND low <= high AND high < 'Infinity'", name="range_is_ordered"),
        CheckConstraint("open > 0 AND open < 'Infinity'", name="open_is_positive"),
        CheckConstraint(finite("volume"), name="volume_is_not_negative"),
    )

    etf_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    session: Mapped[date] = mapped_column(primary_key=True)
    open: Mapped[Statistic]
    high: Mapped[Statistic]
    low: Mapped[Statistic]
    close: Mapped[Statistic]
    volume: Mapped[Statistic]
