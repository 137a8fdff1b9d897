"""An attribution as it is answered."""

from collections.abc import Sequence
from typing import Any

from app.market_data.snapshot import MarketSnapshot
from app.quant.attribution.by_class import ClassAttribution as FoundClasses
from app.quant.attribution.by_factor import FactorAttribution as FoundFactors
from app.quant.attribution.positions import PositionContribution
from app.quant.measured import Missing
from app.schemas.attribution import (
    ClassAttribution,
    ClassPart,
    ExposurePoint,
    FactorAttribution,
    FactorPart,
    PositionPart,
)
from app.schemas.blend import BlendPart
from app.services.attributing import Attributed, Question

FIELDS = ("total", "positions", "cash", "costs", "factors", "asset_classes")


def parts(
    market: MarketSnapshot,
    asked: Question | None,
    found: Attributed | Missing,
    benchmark: Sequence[BlendPart],
) -> dict[str, Any]:
    """The fields of `schemas.attribution.Parts` but for `trace`."""
    if isinstance(found, Missing) or asked is None:
        reason = found.reason if isinstance(found, Missing) else ""
        return {**dict.fromkeys(FIELDS), "reasons": dict.fromkeys(FIELDS, reason)}
    by_position = found.positions
    largest_first = sorted(by_position.positions, key=lambda part: -part.contribution)
    told = {"factors": found.factors, "asset_classes": found.classes}
    return {
        "total": by_position.total,
        "positions": [_position(market, part) for part in largest_first],
        "cash": by_position.cash,
        "costs": by_position.costs,
        "factors": None if isinstance(found.factors, Missing) else _factors(asked, found.factors),
        "asset_classes": (
            None if isinstance(found.classes, Missing) else _classes(found.classes, benchmark)
        ),
        "reasons": {name: why.reason for name, why in told.items() if isinstance(why, Missing)},
    }


def _position(market: MarketSnapshot, part: PositionContribution) -> PositionPart:
    etf = market.etfs[market.row_of[part.ticker]]
    return PositionPart(
        ticker=etf.ticker,
        name=etf.name,
        asset_class=etf.asset_class,
        contribution=part.contribution,
    )


def _factors(asked: Question, found: FoundFactors) -> FactorAttribution:
    means = found.exposures.mean(axis=0).tolist()
    latest = found.exposures[-1].tolist()
    return FactorAttribution(
        market=float(found.parts[0]),
        market_exposure=means[0],
        factors=[
            FactorPart(name=name, contribution=part, exposure=mean, latest_exposure=last)
            for name, part, mean, last in zip(
                found.names[1:], found.parts[1:].tolist(), means[1:], latest[1:], strict=True
            )
        ],
        selection=found.selection,
        cash=found.cash,
        costs=found.costs,
        unscored_weight=float(found.unscored.mean()),
        unexplained_sessions=found.unexplained_sessions,
        exposures=_exposures(asked, found),
    )


def _exposures(asked: Question, found: FoundFactors) -> list[ExposurePoint]:
    names = found.names[1:]
    return [
        ExposurePoint.model_construct(
            session=session,
            market=row[0],
            factors=dict(zip(names, row[1:], strict=True)),
            unscored=unscored,
            cash=cash,
        )
        for session, row, unscored, cash in zip(
            found.sessions.tolist(),
            found.exposures.tolist(),
            found.unscored.tolist(),
            asked.book.cash_weights.tolist(),
            strict=True,
        )
    ]


def _classes(found: FoundClasses, benchmark: Sequence[BlendPart]) -> ClassAttribution:
    totals = {
        name: sum(getattr(each, name) for each in found.classes)
        for name in ("allocation", "selection", "interaction")
    }
    return ClassAttribution(
        benchmark=list(benchmark),
        classes=[
            ClassPart(
                asset_class=each.name,
                weight=each.weight,
                benchmark_weight=each.benchmark_weight,
                allocation=each.allocation,
                selection=each.selection,
                interaction=each.interaction,
            )
            for each in found.classes
        ],
        **totals,
        trading=found.trading,
        interest=found.interest,
        costs=found.costs,
        benchmark_return=found.benchmark,
        active=found.active,
    )
