"""From what was measured of a portfolio's or a backtest's risk to the fields of an answer."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from app.market_data.snapshot import MarketSnapshot
from app.quant.evidence.bootstrap import CONFIDENCE
from app.quant.measured import Measured, Missing, number
from app.quant.risk.concentration import Concentration as Concentrated
from app.quant.risk.contributions import Contribution
from app.quant.risk.correlation import Correlations
from app.quant.risk.coverage import Coverage, Likelihood
from app.quant.risk.factor_risk import FactorRisk
from app.quant.risk.holding import Risk
from app.quant.risk.liquidation import Liquidation, PositionLiquidity, Sold
from app.quant.risk.series import SeriesRisk, missing
from app.quant.risk.shocks import ClassShock, FactorShock
from app.quant.risk.tails import RESAMPLES, SEED, WINDOW, Tail
from app.quant.risk.volatilities import DECAY
from app.schemas.risk_parts import (
    ClassShockRead,
    Concentration,
    CorrelationsRead,
    CoverageRead,
    FactorPartRead,
    FactorRiskRead,
    FactorShockRead,
    LikelihoodRead,
    LiquidityRead,
    PositionLiquidityRead,
    ReplayPosition,
    ReplayRead,
    RiskContribution,
    SeriesRiskRead,
    SoldRead,
    StopRung,
    TailRead,
)
from app.services.risk_parts import HeldRisk, Replayed, Standing, Subject
from app.services.stops import WatchedLine

MEASURES = ("volatility", "beta", "beta_error", "var_95", "var_99", "cvar_95", "cvar_99")
PARTS = ("contributions", "correlations", "factor_risk", "class_shocks", "factor_shocks")
RUNGS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


def held_fields(
    subject: Subject, found: HeldRisk, watched: Sequence[WatchedLine]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields that follow from what is held, and the reasons of those without a value."""
    risk = found.risk
    by_name: dict[str, object] = {
        **{name: getattr(risk, name) for name in MEASURES},
        **{f"concentration.{name}": value for name, value in _named(risk.concentration)},
        "contributions": risk.contributions,
        "correlations": found.correlations,
        "factor_risk": found.factor_risk,
        "class_shocks": found.class_shocks,
        "factor_shocks": found.factor_shocks,
    }
    values = {
        "observations": risk.observations,
        **{name: number(getattr(risk, name)) for name in MEASURES},
        "concentration": concentration(risk.concentration),
        "contributions": _contributions(risk),
        "held": series(found.series),
        "correlations": _correlations(found.correlations),
        "factor_risk": _factor_risk(found.factor_risk),
        "liquidity": _liquidity(found.liquidity),
        "replays": [_replay(subject, each) for each in found.replays],
        "class_shocks": _class_shocks(subject, found.class_shocks, watched),
        "factor_shocks": _factor_shocks(found.factor_shocks),
        "stop_ladder": ladder(subject, watched),
    }
    return values, reasons_of(by_name)


def unknown_fields(why: Missing) -> tuple[dict[str, Any], dict[str, str]]:
    """The same where it is not known what was held."""
    nothing = Concentrated(why, why, why)
    lists = (*PARTS, "liquidity", "replays", "stop_ladder")
    values = {
        "observations": 0,
        **dict.fromkeys(MEASURES),
        "concentration": concentration(nothing),
        **dict.fromkeys(lists),
        "held": series(missing(why)),
    }
    names = (*MEASURES, *(f"concentration.{name}" for name, _ in _named(nothing)), *lists)
    return values, dict.fromkeys(names, why.reason)


def reasons_of(named: dict[str, Any]) -> dict[str, str]:
    return {name: each.reason for name, each in named.items() if isinstance(each, Missing)}


def series(found: SeriesRisk) -> SeriesRiskRead:
    """Also of a series that somebody else brings."""
    volatility = found.volatility
    named: dict[str, Measured] = {
        "volatility": volatility.sample.value,
        "volatility_error": volatility.sample.error,
        "volatility_ewma": volatility.weighted.value,
        "volatility_ewma_error": volatility.weighted.error,
        "volatility_shrunk": volatility.shrunk.value,
        "volatility_shrunk_error": volatility.shrunk.error,
        "shrinkage": volatility.shrinkage,
    }
    tails = found.tails
    return SeriesRiskRead(
        observations=found.observations,
        history=found.history,
        **{name: number(value) for name, value in named.items()},
        tails=None if isinstance(tails, Missing) else [_tail(each) for each in tails],
        reasons=reasons_of({**named, "tails": tails}),
    )


def ladder(subject: Subject, watched: Sequence[WatchedLine]) -> list[StopRung]:
    """Which positions would stand at or below their stops if every price fell by the same."""
    weights = subject.valued.weights
    rungs = []
    for fall in RUNGS:
        fired = [each.line.ticker for each in watched if _reached(each, -fall)]
        weight = sum(weights.get(ticker, 0.0) for ticker in fired)
        rungs.append(StopRung(fall=fall, tickers=fired, weight=float(weight)))
    return rungs


def method() -> dict[str, Any]:
    """The choices that volatilities and tails of any series depend on."""
    return {
        "lookback_sessions": WINDOW,
        "ewma_decay": DECAY,
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "confidence": CONFIDENCE},
    }


def _reached(watched: WatchedLine, move: float) -> bool:
    price = float(watched.line.last.price)
    return price * (1.0 + move) <= float(watched.status.stop_price) * (1.0 + 1e-12)


def _named(found: Any) -> list[tuple[str, Any]]:
    return [(each.name, getattr(found, each.name)) for each in fields(found)]


def concentration(found: Concentrated) -> Concentration:
    return Concentration(**{name: number(value) for name, value in _named(found)})


def _contributions(risk: Risk) -> list[RiskContribution] | None:
    parts = risk.contributions
    return None if isinstance(parts, Missing) else [_contribution(part) for part in parts]


def _contribution(part: Contribution) -> RiskContribution:
    return RiskContribution(
        ticker=part.ticker,
        weight=part.weight,
        marginal=part.marginal,
        component=part.component,
        share=part.share,
        marginal_cvar_95=part.cvar_95.marginal,
        component_cvar_95=part.cvar_95.component,
        marginal_cvar_99=part.cvar_99.marginal,
        component_cvar_99=part.cvar_99.component,
    )


def _tail(found: Tail) -> TailRead:
    named: dict[str, Measured] = {
        "var": found.var.value,
        "var_low": found.var.low,
        "var_high": found.var.high,
        "cvar": found.cvar.value,
        "cvar_low": found.cvar.low,
        "cvar_high": found.cvar.high,
    }
    tested = found.coverage
    return TailRead(
        method=found.method,
        level=found.level,
        **{name: number(value) for name, value in named.items()},
        coverage=None if isinstance(tested, Missing) else _coverage(tested),
        reasons=reasons_of({**named, "coverage": tested}),
    )


def _coverage(found: Coverage) -> CoverageRead:
    tests = {name: getattr(found, name) for name in ("kupiec", "independence", "conditional")}
    return CoverageRead(
        forecasts=found.forecasts,
        exceptions=found.exceptions,
        expected=found.expected,
        after_calm=found.after_calm,
        after_exception=found.after_exception,
        **{name: _likelihood(each) for name, each in tests.items()},
        reasons=reasons_of({name: each.ratio for name, each in tests.items()}),
    )


def _likelihood(found: Likelihood) -> LikelihoodRead:
    return LikelihoodRead(ratio=number(found.ratio), p_value=number(found.p_value))


def _correlations(found: Correlations | Missing) -> CorrelationsRead | None:
    if isinstance(found, Missing):
        return None
    return CorrelationsRead(
        sessions=found.sessions,
        limit=found.limit,
        tickers=list(found.tickers),
        matrix=[list(row) for row in found.matrix],
        twins=[list(group) for group in found.twins],
        average=number(found.average),
        reasons=reasons_of({"average": found.average}),
    )


def _factor_risk(found: FactorRisk | Missing) -> FactorRiskRead | None:
    if isinstance(found, Missing):
        return None
    values = dict(_named(found))
    values["systematic_share"] = number(found.systematic_share)
    values["correlation"] = number(found.correlation)
    values["factors"] = [
        FactorPartRead(**{**dict(_named(part)), "share": number(part.share)})
        for part in found.factors
    ]
    named = {"systematic_share": found.systematic_share, "correlation": found.correlation}
    return FactorRiskRead(**values, reasons=reasons_of(named))


def _liquidity(found: Liquidation) -> LiquidityRead:
    return LiquidityRead(
        participation=found.participation,
        days=number(found.days),
        slowest=found.slowest,
        within=[_sold(each) for each in found.within],
        positions=[_position_liquidity(each) for each in found.positions],
        reasons=reasons_of(dict.fromkeys(("days", "slowest", "within"), found.days)),
    )


def _sold(found: Sold) -> SoldRead:
    return SoldRead(sessions=found.sessions, share=number(found.share))


def _position_liquidity(found: PositionLiquidity) -> PositionLiquidityRead:
    named = {"daily_value": found.daily_value, "days": found.days}
    values = {name: number(value) for name, value in named.items()}
    return PositionLiquidityRead(ticker=found.ticker, **values, reasons=reasons_of(named))


def _replay(subject: Subject, found: Replayed) -> ReplayRead:
    named = {
        "total": found.found.total,
        "drawdown": found.found.drawdown,
        "worst_day": found.found.worst_day,
        "benchmark_total": found.benchmark,
    }
    return ReplayRead(
        name=found.crisis.name,
        what=found.crisis.what,
        start=found.crisis.start,
        end=found.crisis.end,
        **{name: number(value) for name, value in named.items()},
        positions=[
            _replayed_position(subject.market, ticker, standing)
            for ticker, standing in zip(subject.tickers, found.positions, strict=False)
        ],
        reasons=reasons_of(named),
    )


def _replayed_position(market: MarketSnapshot, ticker: str, standing: Standing) -> ReplayPosition:
    total, proxy = standing
    return ReplayPosition(
        ticker=ticker,
        total=number(total),
        proxy=None if proxy is None else market.panel.tickers[proxy.row],
        correlation=None if proxy is None else proxy.correlation,
        overlap=None if proxy is None else proxy.overlap,
        slope=None if proxy is None else proxy.slope,
        reason=total.reason if isinstance(total, Missing) else None,
    )


def _class_shocks(
    subject: Subject,
    found: tuple[ClassShock, ...] | Missing,
    watched: Sequence[WatchedLine],
) -> list[ClassShockRead] | None:
    if isinstance(found, Missing):
        return None
    line_of = {each.line.ticker: each for each in watched}
    return [
        ClassShockRead(
            asset_class=shock.asset_class,
            move=shock.move,
            weight=shock.weight,
            alone=shock.alone,
            together=number(shock.together),
            stops=[
                ticker
                for ticker, move in zip(subject.tickers, shock.moves, strict=True)
                if not isinstance(move, Missing) and _reached(line_of[ticker], move)
            ],
            reasons=reasons_of({"together": shock.together}),
        )
        for shock in found
    ]


def _factor_shocks(found: tuple[FactorShock, ...] | Missing) -> list[FactorShockRead] | None:
    if isinstance(found, Missing):
        return None
    return [FactorShockRead.model_validate(shock) for shock in found]
