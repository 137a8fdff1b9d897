"""Every figure of a performance answer has a definition, and every definition a figure."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from app.quant.definitions.performance import DEFINITIONS
from app.schemas.performance import (
    BacktestPerformanceRead,
    PerformanceRead,
    SeriesPerformanceRead,
)

ANSWERS = (PerformanceRead, BacktestPerformanceRead, SeriesPerformanceRead)
NO_FIGURES = {
    *("market", "simulated", "as_of", "stale", "sessions_behind", "prices", "trace", "reasons"),
    *("portfolio_id", "backtest_id", "label", "withdrawn", "name", "ticker", "weight"),
    *("period", "start", "end", "complete", "replayed_until", "replay_note", "session"),
    *("rebalanced", "carried", "on"),
}
"""What is asked for, what it is about, and when."""

WHOLES = {
    "years": {"value", "benchmark"},
    "months": {"value", "benchmark"},
    "rolling": {"sessions"},
    **{name: {"value"} for name in ("best_day", "worst_day", "best_month", "worst_month")},
}
"""Parts that have one definition, with the fields that it speaks of."""


def fields_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every field that has no fields of its own."""
    for name, field in model.model_fields.items():
        parts = list(models_in(field.annotation))
        if not parts:
            yield (*path, name)
        for part in parts:
            yield from fields_of(part, (*path, name))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def definition_of(path: tuple[str, ...]) -> str | None:
    """The name of its definition; None for what is no figure."""
    for part, name in zip(path, (*path[1:], ""), strict=True):
        if part in NO_FIGURES:
            return None
        if name in WHOLES.get(part, ()):
            return part if part in DEFINITIONS else None
    *before, name = path
    within = f"{before[-1]}.{name}" if before else name
    return within if within in DEFINITIONS else name


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_figure_is_defined(answer: type[BaseModel]) -> None:
    undefined = {
        ".".join(path)
        for path in fields_of(answer)
        if definition_of(path) not in {None, *DEFINITIONS}
    }
    assert not undefined


def test_every_definition_is_of_a_figure() -> None:
    shown = {definition_of(path) for path in fields_of(PerformanceRead)}
    whole = {part for path in fields_of(PerformanceRead) for part in path}
    assert set(DEFINITIONS) - shown - whole == set()
