"""Alerts as they are listed."""

from datetime import date, datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from app.models import AlertKind
from app.schemas.base import Input, Output


class AlertFilter(Input):
    """Which alerts to list."""

    model_config = ConfigDict(strict=False)

    portfolio_id: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class AlertRead(Output):
    """Something the owner of a portfolio should know; told once per occasion."""

    id: int = Field(description="Later alerts have higher ones")
    portfolio_id: int
    portfolio: str = Field(description="The portfolio's name")
    market: str = Field(examples=["us"])
    simulated: bool
    kind: AlertKind = Field(
        description="A position's stop, the drawdown rule, or a corporate action left open"
    )
    ticker: str | None = Field(description="Null where it is about the whole portfolio")
    session: date = Field(description="The session whose close it is about")
    message: str
    created_at: datetime
