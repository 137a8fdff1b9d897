"""Where the rows of every series come from: answers, or columns of them put into rows."""

from collections.abc import Iterator, Sequence

from app.schemas.attribution import Parts
from app.schemas.base import Output
from app.schemas.performance import FiguresRead, RollingRead
from app.schemas.report import ClassWeight, FactorExposure, RollingPoint, WeightsRead


def rolling(found: FiguresRead) -> list[RollingPoint]:
    return list(_rolling(found.rolling)) if found.rolling is not None else []


def _rolling(found: RollingRead) -> Iterator[RollingPoint]:
    names = [name for name in RollingPoint.model_fields if name != "session"]
    columns = [getattr(found, name) for name in names]
    for session, *values in zip(found.sessions, *columns, strict=True):
        yield RollingPoint(session=session, **dict(zip(names, values, strict=True)))


def factors(found: Parts) -> Sequence[Output]:
    return found.factors.factors if found.factors is not None else ()


def asset_classes(found: Parts) -> Sequence[Output]:
    return found.asset_classes.classes if found.asset_classes is not None else ()


def factor_exposures(found: Parts) -> list[FactorExposure]:
    points = found.factors.exposures if found.factors is not None else []
    return [
        FactorExposure(session=point.session, factor=name, exposure=value)
        for point in points
        for name, value in {
            "market": point.market,
            **point.factors,
            "unscored": point.unscored,
            "cash": point.cash,
        }.items()
    ]


def class_weights(found: WeightsRead) -> list[ClassWeight]:
    return [
        ClassWeight(session=session, asset_class=each.name, weight=weight)
        for each in found.classes
        for session, weight in zip(found.sessions, each.weights, strict=True)
    ]
