"""A study as it is answered: what is missing becomes null with its reason beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any

from app.quant.measured import Measured, Missing, number
from app.quant.panel import FloatArray
from app.quant.research.averages import Average
from app.quant.research.monotonicity import Monotonicity
from app.quant.research.persistence import AtLag, Persistence
from app.quant.research.study import AtHorizon, Part, PartAtHorizon, Quantile, Study
from app.quant.research.together import Coefficient, Correlations, Interaction
from app.quant.research.trading import NetOfCost
from app.schemas.research import (
    AssetClassRead,
    AverageRead,
    CoefficientRead,
    CorrelationsRead,
    HorizonRead,
    InteractionRead,
    LagRead,
    MonotonicityRead,
    NetOfCostRead,
    PartHorizonRead,
    PersistenceRead,
    QuantileRead,
    RegimeRead,
    SessionRead,
)


def parts(found: Study) -> dict[str, Any]:
    """The fields of the answer that come from the study."""
    return {
        "sessions": found.sessions,
        "etfs": number(found.etfs),
        "unfilled": found.unfilled,
        "horizons": [_horizon(each) for each in found.horizons],
        "persistence": _persistence(found.persistence),
        "correlations": _correlations(found.correlations),
        "asset_classes": [
            AssetClassRead(
                asset_class=each.name,
                sessions=each.sessions,
                etfs=number(each.etfs),
                horizons=_part(each),
            )
            for each in found.classes
        ],
        "regimes": [
            RegimeRead(
                regime=each.name,
                sessions=each.sessions,
                spells=each.spells,
                etfs=number(each.etfs),
                horizons=_part(each),
            )
            for each in found.regimes
        ],
    }


def series(found: Study, days: Sequence[date]) -> list[SessionRead]:
    return [
        SessionRead(session=day, ic=_known(ic), spread=_known(spread))
        for day, ic, spread in zip(
            days, found.ic_by_session.T, found.spread_by_session.T, strict=True
        )
    ]


def _known(values: FloatArray) -> list[float | None]:
    return [value if value == value else None for value in values.tolist()]  # noqa: PLR0124 NaN


def _named(found: object) -> dict[str, Any]:
    return {each.name: getattr(found, each.name) for each in fields(found)}  # type: ignore[arg-type]


def _plain(named: Mapping[str, Any]) -> dict[str, Any]:
    """Measured figures as numbers or null, and the reasons of the latter."""
    reasons = {name: each.reason for name, each in named.items() if isinstance(each, Missing)}
    values = {name: None if name in reasons else each for name, each in named.items()}
    return {**values, "reasons": reasons}


def _average(found: Average) -> AverageRead:
    return AverageRead(**_plain(_named(found)))


def _numbers(rows: Sequence[Sequence[Measured]]) -> list[list[float | None]]:
    return [[number(each) for each in row] for row in rows]


def _horizon(found: AtHorizon) -> HorizonRead:
    named = _plain(_named(found))
    named |= {
        "ic": _average(found.ic),
        "quantiles": [_quantile(each) for each in found.quantiles],
        "spread": _average(found.spread),
        "monotonicity": _monotonicity(found.monotonicity),
        "after_costs": _net(found.after_costs),
        "coefficients": [_coefficient(each) for each in found.coefficients],
        "interactions": [_interaction(each) for each in found.interactions],
    }
    return HorizonRead(**named)


def _quantile(found: Quantile) -> QuantileRead:
    named = _plain({"number": found.number, "etfs": found.etfs})
    return QuantileRead(**named, returns=_average(found.mean), excess=_average(found.excess))


def _monotonicity(found: Monotonicity) -> MonotonicityRead:
    return MonotonicityRead(**_plain(_named(found)))


def _net(found: NetOfCost) -> NetOfCostRead:
    return NetOfCostRead(**(_plain(_named(found)) | {"net": _average(found.net)}))


def _coefficient(found: Coefficient) -> CoefficientRead:
    return CoefficientRead(
        factor=found.factor, alone=_average(found.alone), together=_average(found.together)
    )


def _interaction(found: Interaction) -> InteractionRead:
    return InteractionRead(
        other=found.other,
        cells=_numbers(found.cells),
        spreads=[_average(each) for each in found.spreads],
        difference=_average(found.difference),
    )


def _correlations(found: Correlations) -> CorrelationsRead:
    return CorrelationsRead(factors=list(found.factors), matrix=_numbers(found.matrix))


def _persistence(found: Persistence) -> PersistenceRead:
    return PersistenceRead(
        **_plain({"half_life": found.half_life}), lags=[_lag(each) for each in found.lags]
    )


def _lag(found: AtLag) -> LagRead:
    return LagRead(**_plain(_named(found)))


def _part(found: Part) -> list[PartHorizonRead]:
    return [_part_at(each) for each in found.horizons]


def _part_at(found: PartAtHorizon) -> PartHorizonRead:
    return PartHorizonRead(
        horizon=found.horizon, ic=_average(found.ic), spread=_average(found.spread)
    )
