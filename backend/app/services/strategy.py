"""What a portfolio's rules want at the close of a session: scores first, then target weights.

A portfolio stores its rules as `PortfolioSettings`; the arithmetic takes them in its own types, and
this is the one place that translates. Nothing here reads a price after the session asked about.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias, cast
from uuid import UUID

import numpy as np

from app.core.errors import Refused
from app.market_data.snapshot import EtfFacts, MarketSnapshot
from app.models import Portfolio
from app.quant.backtest.rules import Dividends, Fills, TradingRules
from app.quant.construction import ConstructionSettings, Invested, Target, construct
from app.quant.drift import DriftMode, DriftPolicy
from app.quant.exposure import ExposurePolicy
from app.quant.factors.cross_section import Composite
from app.quant.factors.scoring import FactorWeights, Scores, ScoreSettings, ScoreWithin, score
from app.quant.optimizers import (
    Limits,
    MeanVariance,
    MinimumVariance,
    Optimizer,
    RankBased,
    Simple,
)
from app.quant.orders import OrderSettings
from app.quant.panel import BoolArray
from app.quant.selection import Passed, SelectionRules
from app.quant.stop_loss import StopPolicy
from app.schemas.settings import (
    DividendDay,
    OptimizerName,
    Oversized,
    PortfolioSettings,
    StopAction,
    Universe,
    stored_settings,
)
from app.services import pricing

REMEMBERED_SCORES = 64
"""Scorings kept in memory: with thousands of ETFs each takes about a quarter of a megabyte."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A weight that is wanted and why; both fractions of the whole portfolio."""

    ticker: str
    weight: float
    reason: str


@dataclass(frozen=True, slots=True)
class Targets:
    """What to hold, best first, names passed over, and a sentence where too few were eligible."""

    positions: tuple[Wanted, ...]
    passed: tuple[Passed, ...]
    shortfall: str | None

    @property
    def weights(self) -> dict[str, float]:
        return {position.ticker: position.weight for position in self.positions}

    @property
    def notes(self) -> dict[str, str]:
        return {position.ticker: position.reason for position in self.positions}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a portfolio stands when it decides: `weights` of `value` by ticker, cash left out.

    `barred` says of each name in cool-down until when; `frozen` are held names without a close on
    the day: nothing can be done about them, so they keep their weight.
    """

    value: Decimal
    weights: Mapping[str, float]
    barred: Mapping[str, str]
    frozen: frozenset[str]


def settings_of(portfolio: Portfolio) -> PortfolioSettings:
    return stored_settings(portfolio.settings)


def score_settings(settings: PortfolioSettings) -> ScoreSettings:
    return ScoreSettings(
        weights=FactorWeights(**settings.factor_weights.model_dump()),
        composite=Composite(settings.score_method),
        risk_free=settings.risk_free_rate,
        score_within=ScoreWithin(settings.score_within),
    )


def construction_settings(settings: PortfolioSettings) -> ConstructionSettings:
    return ConstructionSettings(
        optimizer=_optimizer(settings),
        selection=SelectionRules(
            num_positions=settings.num_positions,
            max_correlation=settings.max_correlation,
            hold_buffer=settings.hold_buffer,
        ),
        limits=Limits(
            min_weight=settings.min_weight,
            max_weight=settings.max_weight,
            cash_buffer=settings.cash_buffer,
            caps=settings.asset_class_caps,
        ),
        costs=pricing.cost_model(settings),
        lookback=settings.lookback,
    )


def _optimizer(settings: PortfolioSettings) -> Optimizer:
    optimizers: dict[OptimizerName, Optimizer] = {
        OptimizerName.SIMPLE: Simple(),
        OptimizerName.RANK_BASED: RankBased(),
        OptimizerName.MINVAR: MinimumVariance(volatility_penalty=settings.volatility_penalty),
        OptimizerName.MVO: MeanVariance(
            risk_aversion=settings.risk_aversion,
            volatility_penalty=settings.volatility_penalty,
            cost_aversion=settings.cost_aversion,
        ),
    }
    return optimizers[settings.optimizer]


def drift_policy(settings: PortfolioSettings) -> DriftPolicy:
    return DriftPolicy(mode=DriftMode(settings.drift_mode), threshold=settings.drift_threshold)


def order_settings(settings: PortfolioSettings) -> OrderSettings:
    return OrderSettings(
        min_trade=Decimal(repr(settings.min_trade)), fractional=settings.fractional_shares
    )


def stop_policy(settings: PortfolioSettings) -> StopPolicy:
    return StopPolicy(
        use_vix_adjustment=settings.use_vix_adjustment,
        trailing=settings.trailing_stop,
        fixed=settings.stop_loss_pct,
        cooldown_sessions=settings.cooldown_sessions,
    )


def exposure_policy(settings: PortfolioSettings) -> ExposurePolicy:
    return ExposurePolicy(
        reduce_at=settings.drawdown_limit,
        restore_below=settings.drawdown_recovery,
        restore_after=settings.drawdown_sessions,
        reduced=settings.reduced_exposure,
    )


def trading_rules(
    settings: PortfolioSettings, *, fills: Fills = Fills.NEXT_OPEN, cash_yield: float = 0.0
) -> TradingRules:
    """The same rules for a simulation."""
    return TradingRules(
        construction=construction_settings(settings),
        drift=drift_policy(settings),
        orders=order_settings(settings),
        stops=stop_policy(settings),
        stops_sell=settings.stop_action is StopAction.SELL,
        exposure=exposure_policy(settings),
        dividends=Dividends(
            on_pay_date=settings.dividends_on is DividendDay.PAY_DATE,
            withholding=settings.dividend_withholding,
            reinvest=settings.reinvest_dividends,
        ),
        volume_share=settings.max_volume_share,
        refuse_oversized=settings.oversized is Oversized.REFUSE,
        fills=fills,
        cash_yield=cash_yield,
    )


async def scores_at(market: MarketSnapshot, settings: PortfolioSettings, session: date) -> Scores:
    """The scores of the portfolio's own universe, from what was known at the close of `session`.

    The newest scorings are remembered: many portfolios ask for the same ones.
    """
    rules = score_settings(settings)
    key = (market.data_version, session, rules, settings.universe)
    found = _remembered.get(key)
    if found is None:
        found = await asyncio.to_thread(_score, market, rules, settings.universe, session)
        _remembered[key] = found
        while len(_remembered) > REMEMBERED_SCORES:
            _remembered.popitem(last=False)
    else:
        _remembered.move_to_end(key)
    return found


_Key: TypeAlias = tuple[UUID, date, ScoreSettings, Universe]
_remembered: OrderedDict[_Key, Scores] = OrderedDict()


def _score(
    market: MarketSnapshot, rules: ScoreSettings, universe: Universe, session: date
) -> Scores:
    panel = market.panel.until(session)
    return score(
        panel,
        market.facts,
        rules,
        among=chosen(market, universe),
        distributions=market.distributions if rules.weights.read_distributions else None,
    )


def chosen(market: MarketSnapshot, universe: Universe) -> BoolArray | None:
    """Which ETFs the portfolio's universe leaves, aligned with the panel; None where all."""
    if universe == Universe():
        return None
    classes, regions, issuers = (
        frozenset(label.casefold() for label in labels)
        for labels in (universe.asset_classes, universe.regions, universe.issuers)
    )
    tickers, excluded = frozenset(universe.tickers), frozenset(universe.excluded)

    def fits(etf: EtfFacts) -> bool:
        return (
            _among(etf.asset_class, classes)
            and _among(etf.region, regions)
            and _among(etf.issuer, issuers)
            and (not tickers or etf.ticker in tickers)
            and etf.ticker not in excluded
        )

    return np.array([fits(etf) for etf in market.etfs], dtype=np.bool_)


def require_known(market: MarketSnapshot, settings: PortfolioSettings) -> None:
    """Raises Refused for a name that nothing in the market has: most likely it is misspelt."""
    universe = settings.universe
    for field, tickers in (("tickers", universe.tickers), ("excluded", universe.excluded)):
        for place, ticker in enumerate(tickers, start=1):
            if ticker not in market.row_of:
                raise Refused(f"universe.{field}: the market has no ETF of the ticker no. {place}.")
    labels = {
        "asset_classes": (universe.asset_classes, {etf.asset_class for etf in market.etfs}),
        "regions": (universe.regions, {etf.region for etf in market.etfs}),
        "issuers": (universe.issuers, {etf.issuer for etf in market.etfs}),
    }
    for field, (wanted, known) in labels.items():
        folded = {label.casefold() for label in known if label}
        if any(label.casefold() not in folded for label in wanted):
            raise Refused(f"universe.{field}: no ETF of the market has one of these. {_has(known)}")
    classes = labels["asset_classes"][1]
    if not settings.asset_class_caps.keys() <= classes:
        raise Refused(f"asset_class_caps: no ETF of the market has one of these. {_has(classes)}")


def _has(labels: Collection[str | None]) -> str:
    known = sorted(label for label in labels if label)
    if not known:
        return "It knows none: import facts about its ETFs."
    shown = ", ".join(known[:MOST_NAMED])
    return f"There are {shown}{' and others' if len(known) > MOST_NAMED else ''}."


MOST_NAMED = 20


def _among(label: str | None, wanted: frozenset[str]) -> bool:
    return not wanted or (label or "").casefold() in wanted


async def targets_at(
    market: MarketSnapshot,
    settings: PortfolioSettings,
    session: date,
    standing: Standing,
    *,
    part: float = 1.0,
) -> Targets:
    """Target weights at the close of `session`, with a reason for each name.

    Frozen names keep what they have and the rest is divided among the others, of which only `part`
    is invested. Raises Infeasible, SolveFailed or InsufficientHistory.
    """
    kept = {ticker: standing.weights[ticker] for ticker in sorted(standing.frozen)}
    free = part * max(1.0 - sum(kept.values()), 0.0)
    frozen = tuple(
        Wanted(ticker, weight, f"held, and without a close on {session}")
        for ticker, weight in kept.items()
    )
    if part == 0.0:
        return Targets(frozen, (), None)
    scores = await scores_at(market, settings, session)
    target = await asyncio.to_thread(_construct, market, settings, scores, (standing, free))
    positions = tuple(
        Wanted(position.ticker, position.weight * free, position.reason)
        for position in target.positions
    )
    passed = tuple(name for name in target.selection.passed if name.ticker not in kept)
    return Targets(positions + frozen, passed, target.selection.shortfall)


def _construct(
    market: MarketSnapshot,
    settings: PortfolioSettings,
    scores: Scores,
    state: tuple[Standing, float],
) -> Target:
    (standing, free), session = state, cast("date", scores.session.item())
    movable = {
        ticker: weight / free
        for ticker, weight in standing.weights.items()
        if ticker not in standing.frozen
    }
    return construct(
        market.panel.until(session),
        scores.composite,
        construction_settings(settings),
        Invested(float(standing.value) * free, movable),
        groups=market.facts.asset_class.tolist() if settings.asset_class_caps else (),
        barred=standing.barred,
        excluded=standing.frozen,
    )
