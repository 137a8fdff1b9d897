from datetime import date
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Price, Serial, Words


class ActionKind(StrEnum):
    SPLIT = "split"
    DIVIDEND = "dividend"
    TICKER_CHANGE = "ticker_change"
    CLOSURE = "closure"


class CorporateAction(Base):
    """What an ETF did to its holders on `ex_date`.

    `value`: of a split the new shares for one old (1: it did not happen), of a dividend USD per
    share (0: it was not paid), of a closure USD paid out per share (None: the last price).
    `ticker`: of a ticker change the old one.
    """

    __tablename__ = "corporate_actions"
    __table_args__ = (
        UniqueConstraint("etf_id", "ex_date", "kind"),
        CheckConstraint(
            "(CASE kind"
            " WHEN 'split' THEN value > 0"
            " WHEN 'dividend' THEN value >= 0"
            " WHEN 'closure' THEN value IS NULL OR value >= 0"
            " WHEN 'ticker_change' THEN value IS NULL AND ticker IS NOT NULL"
            " ELSE false END) IS TRUE",
            name="kind_has_its_columns",
        ),
        CheckConstraint("value < 'Infinity'", name="value_is_finite"),
        CheckConstraint("pay_date >= ex_date", name="paid_after_ex_date"),
    )

    id: Mapped[Serial]
    etf_id: Mapped[int] = mapped_column(ForeignKey("etfs.id"))
    ex_date: Mapped[date]
    kind: Mapped[Code]
    value: Mapped[Price | None]
    pay_date: Mapped[date | None]
    ticker: Mapped[str | None] = mapped_column(String(32))
    source: Mapped[Words]
