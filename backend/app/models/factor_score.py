from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Statistic


class FactorScore(Base):
    """The scores of one ETF at one close, or the reason it has none.

    Scores are z over that day's universe; `rank` 1 is the best composite.
    """

    __tablename__ = "factor_scores"
    __table_args__ = (
        CheckConstraint(
            "(exclusion IS NULL) = (composite IS NOT NULL)"
            " AND (rank IS NULL) = (composite IS NULL)",
            name="scored_or_excluded",
        ),
        Index(None, "etf_id", "session"),
    )

    market: Mapped[Code] = mapped_column(ForeignKey("markets.code"), primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    etf_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    momentum: Mapped[Statistic | None]
    quality: Mapped[Statistic | None]
    value: Mapped[Statistic | None]
    volatility: Mapped[Statistic | None]
    composite: Mapped[Statistic | None]
    rank: Mapped[int | None]
    exclusion: Mapped[Code | None]
    formula_version: Mapped[Code]
    data_version: Mapped[UUID]
