"""How a figure came to be: what it is, what went into it, and how to compute it again."""

from collections.abc import Mapping
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from app.quant.definitions import Definition, Unit
from app.schemas.base import Output


class DefinitionRead(Output):
    title: str
    formula: str = Field(description="In the notation of docs/definitions.md")
    unit: Unit
    source: str = Field(description="The paper or book the formula is from; may be empty")


class Trace(Output):
    """For the figures of one answer; `figures` are named as the fields they define."""

    inputs: dict[str, Any] = Field(
        description="What went into the figures besides prices: dates, rates, choices"
    )
    data_version: UUID | None = Field(description="Of the market's prices; null without prices")
    command: str = Field(description="Computes the same again")
    figures: dict[str, DefinitionRead]

    @classmethod
    def of(
        cls,
        definitions: Mapping[str, Definition],
        *,
        inputs: Mapping[str, Any],
        data_version: UUID | None,
        command: str,
    ) -> Self:
        figures = {name: DefinitionRead.model_validate(each) for name, each in definitions.items()}
        return cls(inputs=dict(inputs), data_version=data_version, command=command, figures=figures)
