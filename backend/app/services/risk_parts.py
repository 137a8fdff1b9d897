"""Everything that can be said of the risk of what is held at a close, and of the returns made.

Live portfolios and backtests come here with the same `Subject`: what is held at the market's latest
session, its rules, and its own daily returns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from app.market_data.snapshot import MarketSnapshot
from app.quant import liquidity
from app.quant.covariance import recent_returns
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray, IntArray
from app.quant.risk import holding, replays, series, shocks
from app.quant.risk.correlation import Correlations, correlations
from app.quant.risk.factor_exposures import model_of_positions
from app.quant.risk.factor_risk import FactorModel, FactorRisk, factor_risk
from app.quant.risk.holding import LOOKBACK, Risk
from app.quant.risk.liquidation import Liquidation, liquidation
from app.quant.risk.replays import Crisis, Proxy, Replay
from app.quant.risk.series import SeriesRisk
from app.quant.risk.shocks import ClassShock, FactorShock
from app.schemas.settings import PortfolioSettings
from app.services import backtest_running, factor_model, risk_market
from app.services.risk_market import MarketRisk, Span
from app.services.valuation import Valuation

STILL_COMPILING = Missing("what makes factor scores is still being compiled: ask in a minute")

HISTORY = 1_260
"""Sessions that today's weights are followed back through: five years."""


@dataclass(frozen=True)
class Subject:
    """`market` ends with the session that `valued` is of; `scored`, if it is another, goes on: its
    scores of that session and before are the same."""

    market: MarketSnapshot
    valued: Valuation
    own: FloatArray
    settings: PortfolioSettings
    benchmark: str
    scored: MarketSnapshot | None = None

    @cached_property
    def tickers(self) -> list[str]:
        return [line.ticker for line in self.valued.lines]

    @cached_property
    def rows(self) -> IntArray:
        return np.array([line.row for line in self.valued.lines], dtype=np.int64)

    @cached_property
    def weights(self) -> FloatArray:
        found = self.valued.weights
        return np.array([found.get(ticker, 0.0) for ticker in self.tickers])

    @cached_property
    def returns(self) -> FloatArray:
        """N x T: as far back as today's weights are followed."""
        sessions = min(HISTORY, len(self.market.panel) - 1)
        return recent_returns(self.market.panel, self.rows, sessions)


Standing: TypeAlias = tuple[Measured, Proxy | None]
"""What a position came to in a crisis, and the proxy that says so, if not itself."""


@dataclass(frozen=True, slots=True)
class Replayed:
    crisis: Crisis
    found: Replay
    benchmark: Measured
    positions: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class HeldRisk:
    """All that follows from what is held."""

    risk: Risk
    series: SeriesRisk
    correlations: Correlations | Missing
    factor_risk: FactorRisk | Missing
    liquidity: Liquidation
    replays: tuple[Replayed, ...]
    class_shocks: tuple[ClassShock, ...] | Missing
    factor_shocks: tuple[FactorShock, ...] | Missing


def measure(subject: Subject) -> HeldRisk:
    known = risk_market.of(subject.market)
    model = _factor_model(subject)
    recent = subject.returns[:, -LOOKBACK:]
    return HeldRisk(
        risk=_holding(subject),
        series=series.of_weights(subject.weights, subject.returns),
        correlations=correlations(subject.tickers, recent, limit=subject.settings.max_correlation),
        factor_risk=(
            model if isinstance(model, Missing) else factor_risk(subject.weights, recent, model)
        ),
        liquidity=_liquidity(subject),
        replays=tuple(_replayed(subject, known, crisis) for crisis in replays.CRISES),
        class_shocks=_class_shocks(subject, known, recent),
        factor_shocks=(
            model if isinstance(model, Missing) else shocks.by_factor(subject.weights, model)
        ),
    )


def _holding(subject: Subject) -> Risk:
    """Of today's weights over the last year, or what there is of it."""
    market = subject.market
    row = market.row_of.get(subject.benchmark)
    sessions = min(LOOKBACK, len(market.panel) - 1)
    against: FloatArray | Missing = (
        Missing(f"the market has no prices of the benchmark {subject.benchmark}")
        if row is None
        else recent_returns(market.panel, np.array([row], dtype=np.int64), sessions)[0]
    )
    return holding.assess(
        subject.tickers, subject.weights, subject.returns[:, -LOOKBACK:], benchmark=against
    )


def _liquidity(subject: Subject) -> Liquidation:
    values = np.array([float(line.value) for line in subject.valued.lines])
    _, traded = liquidity.measure(subject.market.panel, subject.rows)
    return liquidation(subject.tickers, values, traded)


def _class_shocks(
    subject: Subject, known: MarketRisk, recent: FloatArray
) -> tuple[ClassShock, ...] | Missing:
    if not len(subject.rows):
        return Missing("nothing is held")
    if not known.indices:
        return Missing("the asset class of too few ETFs is known")
    classes = [subject.market.facts.asset_class[row] for row in subject.rows]
    return shocks.by_class(subject.weights, classes, recent, known.indices)


def _replayed(subject: Subject, known: MarketRisk, crisis: Crisis) -> Replayed:
    span = known.spans[crisis.name]
    if isinstance(span, Missing):
        nothing = Replay(span, span, span, ())
        return Replayed(crisis, nothing, span, ())
    paths = [_path(known, int(row), span) for row in subject.rows]
    found = replays.replay(subject.weights, [path for path, _ in paths])
    positions = tuple(
        (total, proxy) for total, (_, proxy) in zip(found.positions, paths, strict=True)
    )
    return Replayed(crisis, found, _benchmark(subject, known, span), positions)


def _path(known: MarketRisk, row: int, span: Span) -> tuple[FloatArray | Missing, Proxy | None]:
    if span.alive[row]:
        return known.returns_in(row, span), None
    proxy = known.proxy(row, span)
    if isinstance(proxy, Missing):
        return proxy, None
    return np.maximum(proxy.slope * known.returns_in(proxy.row, span), -1.0), proxy


def _benchmark(subject: Subject, known: MarketRisk, span: Span) -> Measured:
    row = subject.market.row_of.get(subject.benchmark)
    if row is None or not span.alive[row]:
        return Missing(f"no prices of the benchmark {subject.benchmark} throughout")
    return float((1.0 + known.returns_in(row, span)).prod()) - 1.0


def _factor_model(subject: Subject) -> FactorModel | Missing:
    """Of what is held, out of the scores of the whole market; a backtest's ends with it."""
    if not len(subject.rows):
        return Missing("nothing is held")
    if not backtest_running.engine_is_compiled():
        return STILL_COMPILING
    known = factor_model.model_of(subject.scored or subject.market)
    returns = known.returns
    return model_of_positions(
        known.history,
        (returns.names, returns.sessions, returns.values),
        subject.rows,
        subject.market.panel.sessions[1:][-LOOKBACK:],
    )
