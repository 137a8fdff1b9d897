"""Portfolios: what creates and changes them, and how they are shown."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.models import PortfolioStatus
from app.schemas.base import Exact, Number, Output, Text, exactly
from app.schemas.market import AsOf
from app.schemas.settings import Lax, OptimizerName, PortfolioSettings

MAX_AMOUNT = 10**12

Name = Annotated[Text, Field(min_length=1, max_length=100, examples=["Retirement"])]
Capital = Annotated[Decimal, *exactly(18, 2, gt=0, le=MAX_AMOUNT), Field(examples=["100000.00"])]
MarketName = Annotated[str, Field(pattern="^[a-z]{1,32}$", examples=["us"])]

_CONFIGURED = "Left out: as configured."


class SettingsIn(PortfolioSettings):
    """Settings of which any may be left out; only those that were sent count."""

    optimizer: Annotated[OptimizerName, Lax] = Field(OptimizerName.MVO, description=_CONFIGURED)
    num_positions: Annotated[int, Field(ge=1, le=500)] = Field(20, description=_CONFIGURED)
    drift_threshold: Annotated[Number, Field(gt=0, le=1)] = Field(0.05, description=_CONFIGURED)
    commission: Annotated[Exact, *exactly(18, 2, ge=0, le=1000)] = Field(
        Decimal("1.00"), description=_CONFIGURED
    )
    slippage_pct: Annotated[Number, Field(ge=0, le=0.1)] = Field(0.0005, description=_CONFIGURED)
    stop_loss_pct: Annotated[Number, Field(gt=0, lt=1)] = Field(0.12, description=_CONFIGURED)
    use_vix_adjustment: bool = Field(default=True, description=_CONFIGURED)

    def over(self, settings: PortfolioSettings) -> PortfolioSettings:
        """`settings` with those that were sent in place of its own."""
        sent = self.model_fields_set & PortfolioSettings.model_fields.keys()
        return settings.model_copy(update={name: getattr(self, name) for name in sent})


def _without_defaults(schema: dict[str, Any]) -> None:
    """In a change, a field that is left out stays as it is."""
    for field in schema["properties"].values():
        field.pop("default", None)
        if field.get("description") == _CONFIGURED:
            del field["description"]


class PortfolioCreate(SettingsIn):
    name: Name
    initial_capital: Capital
    market: MarketName | None = Field(
        None, description="Left out: `us` once it has data, `demo` until then."
    )


class PortfolioPatch(SettingsIn):
    """What is left out stays as it is; null is a value only where it is allowed."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    name: Name = ""


class PortfolioPosition(Output):
    ticker: str = Field(examples=["SPY"])
    name: str | None
    quantity: Exact
    cost_basis: Exact
    entry_price: Exact = Field(description="Average fill price of the shares held, without fees")
    price: Exact = Field(description="The last good close at or before as_of")
    price_date: date
    carried: bool = Field(description="The close of as_of is missing and an older one is used")
    market_value: Exact
    weight: float = Field(description="Its part of the portfolio's total value")
    unrealised_pnl: Exact


class PortfolioSummary(Output):
    cash: Exact
    positions_value: Exact
    total_value: Exact
    net_deposits: Exact = Field(description="Paid in less paid out, initial capital included")
    pnl: Exact = Field(description="Total value less net deposits")


class PortfolioItem(AsOf):
    """A portfolio in one line, valued at the close of `as_of`."""

    id: int
    name: str
    status: PortfolioStatus
    initial_capital: Exact
    optimizer: OptimizerName
    num_positions: int = Field(description="How many positions its rules aim at")
    drift_threshold: float
    cash: Exact
    positions_value: Exact
    total_value: Exact
    pnl: Exact = Field(description="Total value less deposits, withdrawals added back")
    positions_held: int
    opened_on: date
    replayed_until: date | None = Field(
        description="Up to this session its history was replayed, not lived through"
    )
    created_at: datetime
    closed_at: datetime | None


class PortfolioRead(PortfolioItem):
    last_sequence: int = Field(description="The number of its latest ledger entry")
    note: str | None = Field(description="What a reader must know about its history, if anything")
    summary: PortfolioSummary
    positions: list[PortfolioPosition] = Field(description="By ticker")
    settings: PortfolioSettings
