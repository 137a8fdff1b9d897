"""What one import brings, and what it has to report."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import polars as pl

from app.market_data.validation import Reason


@dataclass(frozen=True, slots=True)
class Delivery:
    """Rows of one kind as they came, not yet validated, and where they came from."""

    rows: pl.DataFrame
    source: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one import brings; each part may be missing.

    `bars`: `files.BAR_COLUMNS`; `facts`: `ticker` and any columns of `etfs`; `actions`: any of
    `action_files.ACTION_COLUMNS`; `index`: `date` and `close` of the market's volatility index.
    """

    bars: Delivery | None = None
    facts: Delivery | None = None
    actions: Delivery | None = None
    index: Delivery | None = None

    def tickers(self) -> set[str]:
        """Of which ETFs there are bars or facts."""
        parts = [part.rows["ticker"] for part in (self.bars, self.facts) if part is not None]
        return {ticker for column in parts for ticker in column.unique().cast(pl.String)}


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """What became of one kind of rows.

    read = added + changed + unchanged + quarantined + left_out.
    """

    series: str
    source: str
    read: int
    added: int
    changed: int
    unchanged: int
    quarantined: int
    reasons: Mapping[Reason, int]
    first_session: date | None
    latest_session: date | None
    first_difference: date | None
    """The earliest day whose stored row was added or changed."""
    left_out: int
    """Rows about ETFs that the market does not have."""
    unknown_tickers: tuple[str, ...]
    """Of which ETFs those are, each once."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    market: str
    series: tuple[SeriesReport, ...]
    data_version: UUID | None
    changed: bool
    """Whether anything was added or corrected, and so the data version is a new one."""
    redo_from: date | None
    """Scores and portfolio values of this session and later ones may be different now."""
