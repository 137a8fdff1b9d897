"""The parts of a risk answer. What cannot be computed is null, and `reasons` says why by field.

Losses are negative. What each figure is stands in the answer's `trace`.
"""

from datetime import date

from pydantic import Field

from app.quant.risk.tails import Method
from app.schemas.base import Output
from app.schemas.performance import Reasons


class Concentration(Output):
    hhi: float | None = Field(description="Sum of squared weights within the invested part")
    effective_number: float | None = Field(description="How many equal positions that is like")
    effective_bets: float | None = Field(
        description="How many equal uncorrelated bets the variance is like (Meucci 2009)"
    )


class RiskContribution(Output):
    ticker: str
    weight: float
    marginal: float = Field(description="Change of the volatility per unit of weight")
    component: float = Field(description="Weight times marginal; these add up to the volatility")
    share: float = Field(description="Component over volatility; these add up to 1")
    marginal_cvar_95: float = Field(description="Change of cvar_95 per unit of weight")
    component_cvar_95: float = Field(description="These add up to cvar_95")
    marginal_cvar_99: float
    component_cvar_99: float = Field(description="These add up to cvar_99")


class LikelihoodRead(Output):
    ratio: float | None = Field(description="A likelihood ratio; large speaks against the VaR")
    p_value: float | None = Field(description="Chance of one as large if the VaR is right")


class CoverageRead(Output):
    """How often a loss went beyond the VaR that was forecast for its day from the days before."""

    forecasts: int
    exceptions: int
    expected: float
    after_calm: int = Field(description="Exceptions after a day without one")
    after_exception: int = Field(description="Exceptions after another")
    kupiec: LikelihoodRead = Field(description="Are they as many as promised? One degree")
    independence: LikelihoodRead = Field(description="Do they come alone? Christoffersen, one")
    conditional: LikelihoodRead = Field(description="Both together: two degrees of freedom")
    reasons: Reasons


class TailRead(Output):
    """One method at one level, of one session, with the ends of its 95 % bootstrap intervals."""

    method: Method = Field(description="historical; normal: mean and deviation; filtered: EWMA")
    level: float = Field(examples=[0.95])
    var: float | None
    var_low: float | None
    var_high: float | None
    cvar: float | None
    cvar_low: float | None
    cvar_high: float | None
    coverage: CoverageRead | None = Field(description="Out of sample; null if too few days")
    reasons: Reasons


class SeriesRiskRead(Output):
    """What a series of daily returns shows. Volatilities are yearly, each with standard error."""

    observations: int = Field(description="Returns of the last 252 sessions: today's figures")
    history: int = Field(description="Returns in all, which the coverage tests go through")
    volatility: float | None
    volatility_error: float | None
    volatility_ewma: float | None = Field(description="Exponentially weighted, decay 0.94")
    volatility_ewma_error: float | None
    volatility_shrunk: float | None = Field(description="Of a Ledoit-Wolf covariance")
    volatility_shrunk_error: float | None
    shrinkage: float | None = Field(description="Share of the target in that covariance")
    tails: list[TailRead] | None
    reasons: Reasons


class CorrelationsRead(Output):
    """Correlations of daily returns, in the order of `tickers`, which puts twins side by side."""

    sessions: int
    limit: float = Field(description="Above it two ETFs are twins")
    tickers: list[str]
    matrix: list[list[float | None]]
    twins: list[list[str]] = Field(description="Groups of what is one bet held more than once")
    average: float | None = Field(description="Of the pairs")
    reasons: Reasons


class FactorPartRead(Output):
    factor: str
    exposure: float
    volatility: float = Field(description="Of the factor's return, yearly")
    component: float = Field(description="Its part of `total`")
    share: float | None


class FactorRiskRead(Output):
    """Yearly volatilities under the factor model; components add up to `total`."""

    sessions: int
    total: float
    systematic: float
    specific: float
    correlation: float | None = Field(description="Of the factors' part with the specific one")
    specific_component: float
    systematic_share: float | None = Field(
        description="The factors' components over `total`; above 1 where the rest takes risk away"
    )
    covered: float = Field(description="Part of the invested weight that has factor scores")
    factors: list[FactorPartRead]
    reasons: Reasons


class PositionLiquidityRead(Output):
    ticker: str
    daily_value: float | None = Field(description="Average value traded per session, USD")
    days: float | None
    reasons: Reasons


class SoldRead(Output):
    sessions: int
    share: float | None = Field(description="Of what is held, by value")


class LiquidityRead(Output):
    """How long selling takes if it is never more than a part of the average daily volume."""

    participation: float = Field(examples=[0.1])
    days: float | None = Field(description="Sessions until all is sold, side by side")
    slowest: str | None
    within: list[SoldRead]
    positions: list[PositionLiquidityRead]
    reasons: Reasons


class ReplayPosition(Output):
    """One position in a crisis; where a proxy stands for it, which and how well."""

    ticker: str
    total: float | None
    proxy: str | None = Field(description="The older ETF in its place; null: its own prices")
    correlation: float | None
    overlap: int | None = Field(description="Common returns that the correlation is from")
    slope: float | None = Field(description="What the proxy's returns are multiplied by")
    reason: str | None


class ReplayRead(Output):
    """Today's weights, bought at the close of `start` and held to that of `end`."""

    name: str = Field(examples=["2020"])
    what: str
    start: date
    end: date
    total: float | None
    drawdown: float | None
    worst_day: float | None
    benchmark_total: float | None
    positions: list[ReplayPosition]
    reasons: Reasons


class ClassShockRead(Output):
    asset_class: str
    move: float = Field(description="Of the class: -3 standard deviations of 21 sessions")
    weight: float = Field(description="Of the portfolio in it")
    alone: float = Field(description="The portfolio's return if only this class moves")
    together: float | None = Field(description="If all positions move by their betas to it")
    stops: list[str] = Field(description="Whose stops that would reach")
    reasons: Reasons


class FactorShockRead(Output):
    factor: str
    move: float = Field(description="Of the factor: -3 standard deviations of 21 sessions")
    exposure: float
    alone: float
    together: float = Field(description="If the other factors follow as expected")


class StopRung(Output):
    """What would fire if every price fell by the same."""

    fall: float = Field(examples=[0.1])
    tickers: list[str]
    weight: float = Field(description="Of the portfolio in them today")
