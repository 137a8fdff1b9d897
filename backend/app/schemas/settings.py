"""The rules a portfolio follows: every setting with its bounds and its default."""

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, create_model

from app.core.config import Settings
from app.quant.factors.registry import REGISTRY
from app.quant.lots import LotMethod
from app.schemas.base import Exact, Input, Number, Text, Ticker, exactly

Share = Annotated[Number, Field(ge=0, le=1)]
Label = Annotated[Text, Field(min_length=1, max_length=100)]


def frozen(value: object) -> object:
    """JSON has lists; settings never change after they are read."""
    return tuple(value) if isinstance(value, list) else value


Labels = Annotated[tuple[Label, ...], BeforeValidator(frozen), Field(max_length=50)]
Tickers = Annotated[tuple[Ticker, ...], BeforeValidator(frozen), Field(max_length=1000)]


class _Choice(StrEnum):
    """A word out of a few; JSON brings it as text."""


class OptimizerName(_Choice):
    MVO = "mvo"
    RANK_BASED = "rank_based"
    MINVAR = "minvar"
    SIMPLE = "simple"


class DriftMode(_Choice):
    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    HYBRID = "hybrid"


class ScoreMethod(_Choice):
    INTEGRATE = "integrate"
    MIX = "mix"


class ScoreWithin(_Choice):
    MARKET = "market"
    ASSET_CLASS = "asset_class"


class Oversized(_Choice):
    """An order above its share of the daily volume is filled over sessions, or refused."""

    SPLIT = "split"
    REFUSE = "refuse"


class StopAction(_Choice):
    SELL = "sell"
    ALERT = "alert"


class DividendDay(_Choice):
    """When a dividend is credited; entitled is always who held before the ex-date."""

    EX_DATE = "ex_date"
    PAY_DATE = "pay_date"


class Schedule(_Choice):
    """At the close of which sessions the rules are asked: the first of each period, or, with
    `drift`, when the book has left the bands around its last targets."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    DRIFT = "drift"


Lax = Field(strict=False)


Weight = Annotated[Number, Field(ge=0, le=1000)]

if TYPE_CHECKING:

    class FactorWeights(Input):
        """One field per registered factor: a checker of types cannot know their names."""

        def __init__(self, **weights: float) -> None: ...

else:
    FactorWeights = create_model(
        "FactorWeights",
        __base__=Input,
        __doc__="Non-negative weights, normalised to sum 1; at least one is positive.",
        **{
            name: (Weight, Field(factor.weight, description=factor.about))
            for name, factor in REGISTRY.items()
        },
    )


class Universe(Input):
    """Narrows the market's universe; an empty list narrows nothing."""

    asset_classes: Labels = ()
    regions: Labels = ()
    issuers: Labels = ()
    tickers: Tickers = ()
    excluded: Tickers = ()


class PortfolioSettings(Input):
    """What a portfolio does by itself. Weights and fractions are of 1, costs in USD."""

    optimizer: Annotated[OptimizerName, Lax]
    num_positions: Annotated[int, Field(ge=1, le=500)]
    drift_threshold: Annotated[Number, Field(gt=0, le=1)]
    drift_mode: Annotated[DriftMode, Lax] = DriftMode.HYBRID
    min_weight: Share = 0.02
    max_weight: Annotated[Number, Field(ge=0.001, le=1)] = 0.15
    cash_buffer: Annotated[Number, Field(ge=0, le=0.9)] = 0.02
    asset_class_caps: Annotated[dict[Label, Share], Field(max_length=50)] = Field(
        default_factory=dict
    )
    max_correlation: Annotated[Number, Field(gt=0, le=1)] = 0.98
    hold_buffer: Annotated[Number, Field(ge=1, le=10)] = 1.5
    lookback: Annotated[int, Field(ge=20, le=2520)] = 252
    risk_aversion: Annotated[Number, Field(ge=0, le=1000)] = 5.0
    volatility_penalty: Annotated[Number, Field(ge=0, le=100)] = 0.01
    cost_aversion: Annotated[Number, Field(ge=0, le=100)] = 1.0
    factor_weights: FactorWeights = FactorWeights()
    score_method: Annotated[ScoreMethod, Lax] = ScoreMethod.INTEGRATE
    score_within: Annotated[ScoreWithin, Lax] = ScoreWithin.MARKET
    universe: Universe = Universe()
    min_trade: Annotated[Number, Field(ge=0, le=0.5)] = 0.005
    fractional_shares: bool = False
    commission: Annotated[Exact, *exactly(18, 2, ge=0, le=1000)]
    slippage_pct: Annotated[Number, Field(ge=0, le=0.1)]
    impact: Annotated[Number, Field(ge=0, le=10)] = 0.1
    max_volume_share: Annotated[
        Number,
        Field(gt=0, le=1, description="Of the ETF's median daily volume, traded in one session"),
    ] = 0.10
    oversized: Annotated[Oversized, Lax] = Oversized.SPLIT
    lot_method: Annotated[LotMethod, Lax] = LotMethod.FIFO
    dividends_on: Annotated[DividendDay, Lax] = DividendDay.EX_DATE
    dividend_withholding: Annotated[Number, Field(ge=0, le=1)] = 0.0
    reinvest_dividends: bool = False
    stop_loss_pct: Annotated[Number, Field(gt=0, lt=1)]
    stop_action: Annotated[StopAction, Lax] = StopAction.SELL
    use_vix_adjustment: bool
    trailing_stop: bool = False
    cooldown_sessions: Annotated[int, Field(ge=0, le=252)] = 21
    drawdown_limit: Annotated[
        Number, Field(gt=0, lt=1, description="The portfolio's fall that reduces its exposure")
    ] = 0.20
    drawdown_recovery: Annotated[
        Number, Field(ge=0, lt=1, description="Full exposure returns when the fall is under this")
    ] = 0.10
    drawdown_sessions: Annotated[
        int, Field(ge=1, le=2520, description="Or after so many sessions")
    ] = 63
    reduced_exposure: Share = 0.5
    risk_free_rate: Annotated[Number, Field(ge=0, le=1)] = 0.04
    benchmark: Ticker | None = Field(None, description="Left out: the market's broad fund.")


def stored_settings(stored: Mapping[str, Any]) -> PortfolioSettings:
    """The rules as a portfolio keeps them. The same rules are the same object: do not change it."""
    return _checked_settings(json.dumps(stored, sort_keys=True))


@lru_cache(maxsize=4096)
def _checked_settings(text: str) -> PortfolioSettings:
    return PortfolioSettings.model_validate(json.loads(text))


def hash_of(stored: Mapping[str, Any]) -> bytes:
    """What tells one set of rules from another: a proposal remembers those it was made by."""
    return sha256(json.dumps(stored, sort_keys=True).encode()).digest()


def default_settings(settings: Settings) -> PortfolioSettings:
    """The configured defaults."""
    return PortfolioSettings(
        optimizer=OptimizerName(settings.default_optimizer),
        num_positions=settings.default_num_positions,
        drift_threshold=settings.default_drift_threshold,
        commission=Decimal(settings.default_commission),
        slippage_pct=settings.default_slippage_pct,
        stop_loss_pct=settings.default_stop_loss_pct,
        use_vix_adjustment=settings.use_vix_adjustment,
    )
