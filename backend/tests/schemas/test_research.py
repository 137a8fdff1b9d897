"""Every figure of factor research says what it is."""

from collections.abc import Iterator

from pydantic import BaseModel

from app.quant.definitions.research import DEFINITIONS
from app.schemas import research
from app.schemas.research import FactorQuestion, FactorResearchRead

CHOICES = {"horizon", "number", "lag", "quantiles", "sessions_behind"}


def figures(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if (
            field.annotation in {int, float, float | None}
            or field.annotation is research.AverageRead
        ):
            yield name


def test_each_is_defined_by_the_name_of_its_field() -> None:
    models = [
        model
        for model in vars(research).values()
        if isinstance(model, type)
        and issubclass(model, BaseModel)
        and model.__module__ == research.__name__
        and model is not FactorQuestion
    ]
    assert FactorResearchRead in models
    named = {name for model in models for name in figures(model)} - CHOICES
    assert named <= DEFINITIONS.keys()


def test_horizons_are_asked_in_order_and_once() -> None:
    asked = FactorQuestion.model_validate({"horizons": ["21", "1", "21"], "others": ["value"] * 2})
    assert asked.horizons == (1, 21)
    assert [each.value for each in asked.others] == ["value"]
