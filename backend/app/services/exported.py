"""Where the rows of every series come from: answers, or columns of them put into rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

from app.quant.measured import Missing
from app.schemas.attribution import Parts, PositionPart
from app.schemas.base import Output
from app.schemas.performance import FiguresRead, RollingRead
from app.schemas.report import (
    ClassWeight,
    FactorExposure,
    ReturnPart,
    RollingPoint,
    WeightsRead,
)
from app.schemas.risk import HoldingRisk

Rows: TypeAlias = Sequence[Output] | Missing
"""Or why there are none."""


class _Told(Protocol):
    """An answer whose `reasons` say why a field of it is null."""

    @property
    def reasons(self) -> dict[str, str]: ...


def told(name: str) -> Callable[[_Told], Rows]:
    """The rows that an answer has under a name."""

    def rows(found: _Told) -> Rows:
        known: Sequence[Output] | None = getattr(found, name)
        return _why(found, name) if known is None else known

    return rows


def _why(found: _Told, name: str) -> Missing:
    return Missing(found.reasons[name])


def rolling(found: FiguresRead) -> Rows:
    return _why(found, "rolling") if found.rolling is None else list(_rolling(found.rolling))


def tails(found: HoldingRisk) -> Rows:
    return told("tails")(found.held)


def _rolling(found: RollingRead) -> Iterator[RollingPoint]:
    names = [name for name in RollingPoint.model_fields if name != "session"]
    columns = [getattr(found, name) for name in names]
    for session, *values in zip(found.sessions, *columns, strict=True):
        yield RollingPoint(session=session, **dict(zip(names, values, strict=True)))


def factors(found: Parts) -> Rows:
    return _why(found, "factors") if found.factors is None else found.factors.factors


def asset_classes(found: Parts) -> Rows:
    if found.asset_classes is None:
        return _why(found, "asset_classes")
    return found.asset_classes.classes


def accounts(found: Parts) -> Rows:
    """The parts of the return, account by account; of those that can be given."""
    if found.positions is None:
        return _why(found, "positions")
    return list(_accounts(found, found.positions))


def _accounts(found: Parts, positions: Sequence[PositionPart]) -> Iterator[ReturnPart]:
    named = {each.ticker: each.contribution for each in positions}
    yield from _account("positions", {**named, "cash": found.cash, "costs": found.costs})
    if found.factors is not None:
        named = {each.name: each.contribution for each in found.factors.factors}
        rest = _numbers(found.factors, ("selection", "cash", "costs"))
        yield from _account("factors", {"market": found.factors.market, **named, **rest})
    if found.asset_classes is not None:
        for each in found.asset_classes.classes:
            effects = _numbers(each, ("allocation", "selection", "interaction"))
            named = {f"{each.asset_class}: {effect}": value for effect, value in effects.items()}
            yield from _account("asset_classes", named)
        rest = _numbers(found.asset_classes, ("trading", "interest", "costs"))
        yield from _account("asset_classes", rest)


def _account(name: str, parts: Mapping[str, float | None]) -> Iterator[ReturnPart]:
    for part, value in parts.items():
        if value is not None:
            yield ReturnPart(account=name, part=part, contribution=value)


def _numbers(found: Output, names: Sequence[str]) -> dict[str, float]:
    return {name: getattr(found, name) for name in names}


def factor_exposures(found: Parts) -> Rows:
    if found.factors is None:
        return _why(found, "factors")
    return [
        FactorExposure(session=point.session, factor=name, exposure=value)
        for point in found.factors.exposures
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
