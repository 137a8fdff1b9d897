from pydantic import Field

from app.schemas.base import Output
from app.schemas.performance import PeriodRead, Reasons


class PositionPart(Output):
    ticker: str = Field(examples=["SPY"])
    name: str | None
    asset_class: str | None
    contribution: float = Field(description="Its dividends included, its trading costs not")


class AttributionRead(PeriodRead):
    """What made the period's return: contributions, `cash` and `costs` add up to `total`.

    Daily contributions (weight times return) are linked over time by Carino's factors. The parts
    are null together with the total, and `reasons` says why.
    """

    total: float | None = Field(description="The period's time-weighted return")
    positions: list[PositionPart] | None = Field(
        description="Every ETF held during the period, the largest contribution first"
    )
    cash: float | None = Field(description="What neither positions nor costs explain: rounding")
    costs: float | None = Field(description="Fees, spread, slippage and impact; 0 or negative")
    reasons: Reasons
