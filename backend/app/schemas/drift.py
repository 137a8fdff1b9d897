from pydantic import Field

from app.schemas.base import Output
from app.schemas.market import AsOf


class NameDrift(Output):
    ticker: str = Field(examples=["SPY"])
    weight: float = Field(description="Its part of the portfolio now, 0 if not held")
    target_weight: float = Field(description="What the rules want now, 0 if it is to be left")
    drift: float = Field(description="weight - target_weight: positive is too much")


class DriftRead(AsOf):
    """How far a portfolio is from what its rules want at the latest close."""

    portfolio_id: int
    needs_rebalancing: bool
    reason: str = Field(
        description="Why it is needed, or why not",
        examples=["SPY is 5.4 points over its target, outside the band of 5 points."],
    )
    drift_mode: str = Field(examples=["hybrid"])
    threshold: float = Field(description="The absolute band", examples=[0.05])
    max_drift: float = Field(description="The largest |drift|")
    turnover: float = Field(description="Half the sum of |drift|")
    entered: list[str] = Field(description="Wanted now, and not in the last executed target set")
    left: list[str] = Field(description="In the last executed target set, and wanted no more")
    positions: list[NameDrift] = Field(description="Every name that is held or wanted, by ticker")
