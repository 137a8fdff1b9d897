"""What a figure is, for the last column of a table; and why it has no value, where it has none."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.schemas.trace import DefinitionRead
from app.web import formats


@dataclass(frozen=True, slots=True)
class Explained:
    title: str
    text: str


def explained(
    name: str, definitions: Mapping[str, DefinitionRead], reasons: Mapping[str, str] | None = None
) -> Explained:
    """`name` is the field's, after the part of the answer and a dot where the answer has parts."""
    about = definitions.get(name)
    missing = (reasons or {}).get(name) or (reasons or {}).get(name.rpartition(".")[2])
    if about is None:
        text = f"No value: {missing}." if missing else ""
        return Explained(formats.words(name.rpartition(".")[2]), text)
    formula = f"{about.formula} ({about.source})" if about.source else about.formula
    text = f"No value: {missing}. {formula}" if missing else formula
    return Explained(about.title, text)


def defined(definitions: Mapping[str, DefinitionRead], *names: str) -> tuple[DefinitionRead, ...]:
    """Of those that an answer brings."""
    return tuple(definitions[name] for name in names if name in definitions)
