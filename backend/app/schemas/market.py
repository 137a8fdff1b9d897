"""Which market an answer speaks of, and how old its prices are."""

from datetime import date

from pydantic import Field

from app.schemas.base import Output


class AsOf(Output):
    """What every answer built on prices carries."""

    market: str = Field(examples=["us"])
    simulated: bool = Field(description="The market is invented: no price here was ever traded.")
    as_of: date = Field(description="The session whose close the answer is built on.")
    stale: bool = Field(description="A later session has closed since, and its prices are missing.")
    sessions_behind: int = Field(description="How many completed sessions are missing.")
