from datetime import date

from pydantic import Field

from app.schemas.base import Output
from app.schemas.market import AsOf

Z = "z-score over the day's universe, higher is better"


class FactorScores(Output):
    momentum: float = Field(description=f"{Z}: return over 252 sessions without the last 21")
    quality: float = Field(description=f"{Z}: Sharpe ratio, drawdown and volatility of a year")
    value: float | None = Field(description=f"{Z}: low cost; null without a known expense ratio")
    volatility: float = Field(description=f"{Z}: low volatility of the last 60 returns")
    composite: float = Field(description="Weighted geometric mean of the four percentile ranks")
    rank: int = Field(description="1 is the best composite")


class ScoredEtf(FactorScores):
    ticker: str
    name: str | None
    asset_class: str | None


class UnscoredEtf(Output):
    ticker: str
    name: str | None
    asset_class: str | None
    exclusion: str = Field(examples=["low_dollar_volume"])
    reason: str = Field(examples=["median dollar volume below 1,000,000"])


class LatestScores(AsOf):
    formula_version: str
    scored: int = Field(description="How many ETFs have a score")
    excluded: int = Field(description="How many have none; `?unscored=true` lists them")
    scores: list[ScoredEtf]
    unscored: list[UnscoredEtf] | None = Field(description="null unless asked for")


class ScoreOnDate(Output):
    """Scores are null on a session on which the ETF is outside the universe, with the reason."""

    session: date
    momentum: float | None
    quality: float | None
    value: float | None
    volatility: float | None
    composite: float | None
    rank: int | None
    exclusion: str | None
    reason: str | None


class ScoreHistory(AsOf):
    ticker: str
    name: str | None
    asset_class: str | None
    expense_ratio: float | None
    formula_version: str
    history: list[ScoreOnDate] = Field(description="Newest first")
