"""What data there are, how old they are, and what was refused."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models import ActionKind
from app.schemas.base import Exact, Input, Output, Ticker


class DataAge(Output):
    """Like `AsOf`, of a market that may be without any prices: then `reason` says so."""

    market: str = Field(examples=["us"])
    simulated: bool = Field(description="The market is invented: no price here was ever traded.")
    as_of: date | None = Field(description="The latest session with prices")
    stale: bool | None = Field(description="A later session has closed since")
    sessions_behind: int | None = Field(description="How many completed sessions are missing")
    reason: str | None = Field(description="Why there are no prices, where there are none")


class SeriesStatus(Output):
    """One kind of rows as stored now; null where there are no dated ones."""

    series: str = Field(description="bars, facts, actions, or an index symbol", examples=["bars"])
    rows: int
    first_session: date | None
    latest_session: date | None
    sessions_behind: int | None = Field(description="Completed sessions after the latest one")


class ScoresStatus(Output):
    formula_version: str | None
    latest_session: date | None = Field(description="Null while nothing is scored")
    scored: int = Field(description="ETFs with a score on that session")
    excluded: int = Field(description="ETFs without one")


class QuarantineCount(Output):
    reason: str = Field(examples=["zero_price"])
    sentence: str = Field(examples=["A price is zero."])
    rows: int


class ImportRead(Output):
    """The last arrival of one series from one source."""

    id: int
    source: str = Field(examples=["etf_prices.parquet"])
    series: str
    rows_read: int
    rows_added: int
    rows_changed: int
    rows_unchanged: int
    rows_quarantined: int
    first_session: date | None
    latest_session: date | None
    finished_at: datetime


class MarketStatus(DataAge):
    name: str
    currency: str
    benchmark: str
    adjusted_only: bool = Field(description="Prices come adjusted: no dividend is ever credited")
    data_version: UUID | None = Field(description="Changes with every change of the data")
    updated_at: datetime | None
    etfs: int
    bars: int
    series: list[SeriesStatus]
    scores: ScoresStatus
    quarantined: int
    quarantine: list[QuarantineCount] = Field(description="By reason, the most frequent first")
    imports: list[ImportRead] = Field(description="The last of each series, newest first")


class DataStatus(Output):
    default_market: str = Field(description="The market of a request that names none")
    markets: list[MarketStatus] = Field(description="By code")


class QuarantinedBarRead(Output):
    """A refused row as it came; a value is null where it was missing or not a finite number."""

    ticker: str
    session: date = Field(description="The day it claims to be of, be that a session or not")
    reason: str = Field(examples=["high_below_low"])
    sentence: str = Field(examples=["The high is below the low."])
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    import_id: int
    source: str = Field(examples=["etf_prices.parquet"])


class QuarantineList(DataAge):
    total: int = Field(description="How many fit the filters")
    limit: int
    offset: int
    bars: list[QuarantinedBarRead] = Field(description="By ticker, then day")


class ActionFilter(Input):
    """Which corporate actions to list."""

    model_config = ConfigDict(strict=False)

    ticker: Ticker | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class ActionRead(Output):
    """What an ETF did to its holders."""

    ticker: str = Field(description="The ETF's ticker of now", examples=["SPY"])
    kind: ActionKind
    ex_date: date
    value: Exact | None = Field(
        description="split: new shares for one old, 1: withdrawn; dividend: USD per share, 0: "
        "withdrawn; closure: USD paid out per share, null: the last price; ticker_change: null"
    )
    pay_date: date | None
    former_ticker: str | None = Field(description="Of a ticker_change the ticker before it")
    source: str = Field(description="Who says so", examples=["actions.csv"])


class ActionList(DataAge):
    total: int = Field(description="How many fit the filters")
    limit: int
    offset: int
    actions: list[ActionRead] = Field(description="Newest ex-date first, then by ticker")


class DataUpdate(Input):
    """Which market to bring up to date."""

    market: str | None = Field(
        None,
        pattern="^[a-z]{1,32}$",
        description="`us` or `demo`; left out: `us` once it has data, `demo` until then.",
        examples=["demo"],
    )


class Refreshed(DataAge):
    """What an update brought; the counts are of portfolios where nothing else is said."""

    sessions_scored: int
    portfolios: int = Field(description="Settled, marked to market and checked")
    actions: int = Field(description="Corporate actions booked")
    fills: int = Field(description="Orders filled")
    stops: int = Field(description="Stops fired")
    alerts: int
    paused: int = Field(description="Whose stops wait for newer prices")
    failures: int = Field(description="Left as they were")
