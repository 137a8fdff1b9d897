from datetime import date

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base
from app.models.columns import Code, Serial, Statistic


class QuarantinedBar(Base):
    """A bar that was refused, with what it said and why; never valued, scored or traded on."""

    __tablename__ = "quarantined_bars"
    __table_args__ = (
        UniqueConstraint("market", "ticker", "session", "copy", "reason"),
        Index(None, "import_id"),
    )

    id: Mapped[Serial]
    import_id: Mapped[int] = mapped_column(ForeignKey("data_imports.id"))
    market: Mapped[Code] = mapped_column(ForeignKey("markets.code"))
    ticker: Mapped[Code]
    session: Mapped[date]
    copy: Mapped[int] = mapped_column(default=0)
    """Tells several refused bars of one ETF and day apart."""
    reason: Mapped[Code]
    open: Mapped[Statistic | None]
    high: Mapped[Statistic | None]
    low: Mapped[Statistic | None]
    close: Mapped[Statistic | None]
    volume: Mapped[Statistic | None]
