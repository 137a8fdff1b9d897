"""What a person typed becomes what the HTTP interface takes, checked by the same models."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from app.schemas.settings import PortfolioSettings

Model = TypeVar("Model", bound=BaseModel)

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any other setting, as often as needed: max_weight=0.1, factor_weights.value=0, "
        "universe.excluded=GLD,SLV.",
    ),
]


def given(model: type[Model], values: Mapping[str, object]) -> Model:
    """The model of what was typed. Exit code 2 where it does not fit."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(f"{place}: {message}" if place else message) from None


def typed(**options: object) -> dict[str, object]:
    """The options that were not left out."""
    return {name: value for name, value in options.items() if value is not None}


def settings_from(pairs: Sequence[str]) -> dict[str, Any]:
    """The settings that `--set` names; a dot leads into a group of settings."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        name, dot, part = key.partition(".")
        if not equals:
            raise typer.BadParameter("write it as KEY=VALUE", param_hint="--set")
        if name not in PortfolioSettings.model_fields:
            raise typer.BadParameter(
                f"no such setting; there are {', '.join(sorted(PortfolioSettings.model_fields))}",
                param_hint="--set",
            )
        if not dot:
            found[name] = value_of(text)
        elif isinstance(found.setdefault(name, {}), dict):
            found[name][part] = _list(text) if name in _LISTS else value_of(text)
    return found


_LISTS = frozenset({"universe"})
"""Groups whose every setting is a list."""


def value_of(text: str) -> Any:
    """JSON where it is JSON (numbers, true, null, lists), otherwise the text itself."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=str)
    except json.JSONDecodeError:
        return text


def _list(text: str) -> Any:
    value = value_of(text)
    return value if isinstance(value, list) else [part for part in text.split(",") if part]
