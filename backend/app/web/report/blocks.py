"""What a report is made of: sections of charts, tables, and reasons for what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

import plotly.graph_objects as go


class Defined(Protocol):
    """A definition of the code, or as an answer brings it."""

    @property
    def title(self) -> str: ...
    @property
    def formula(self) -> str: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Chart:
    """`name` is unique in a report; `shows` tells its content to who cannot see it."""

    kind: ClassVar[str] = "chart"
    name: str
    definition: Defined
    figure: go.Figure
    shows: str


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` as it is read; `is_number` stands to the right, `is_whole` is not broken."""

    text: str
    is_number: bool = False
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """`definitions` say what its figures are, where its last column does not say it of each."""

    kind: ClassVar[str] = "table"
    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    definitions: tuple[Defined, ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """What is not there, and why."""

    kind: ClassVar[str] = "absent"
    name: str
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sentences:
    kind: ClassVar[str] = "sentences"
    name: str
    lines: tuple[str, ...]


Block: TypeAlias = Chart | Table | Absent | Sentences


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure; `beside` is the benchmark's, or what qualifies it."""

    label: str
    value: str
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    title: str
    subtitle: str
    warnings: tuple[str, ...]
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]


def number(text: str) -> Cell:
    return Cell(text, is_number=True)


def whole(text: str) -> Cell:
    return Cell(text, is_whole=True)


def rows(listed: Sequence[Sequence[Cell | str]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in listed
    )
