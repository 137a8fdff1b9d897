from pydantic import Field

from app.schemas.base import Output
from app.schemas.factor import ScoredEtf
from app.schemas.market import AsOf
from app.schemas.settings import OptimizerName


class Recommendation(ScoredEtf):
    target_weight: float = Field(description="Fraction of a whole portfolio")
    why: str


class PassedOver(Output):
    ticker: str
    rank: int | None
    reason: str = Field(examples=["twin of IAUM (0.997)"])


class Recommendations(AsOf):
    optimizer: OptimizerName
    num_positions: int
    cash_weight: float = Field(description="What the cash buffer keeps out of the market")
    recommendations: list[Recommendation] = Field(description="Best composite first")
    passed_over: list[PassedOver] = Field(description="Better ranked names that were left out")
    shortfall: str | None = Field(description="Says so where fewer names were eligible than asked")
