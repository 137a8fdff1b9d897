"""Tables for people, JSON for machines."""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, TypeAdapter

from app.schemas.data import DataAge
from app.schemas.market import AsOf

MISSING = "-"
GAP = "  "
NARROWEST_TEXT = 6
NARROWEST_WRAPPED = 24
NARROWEST_NAME = 10


class Figure(str):
    """A number that is written out already; it stands to the right like other numbers."""

    __slots__ = ()


def percent(value: float | None) -> Figure | None:
    return None if value is None else Figure(f"{value:z.2%}")


def shares(value: Decimal | None) -> Figure | None:
    """Without the zeros that a quantity ends with."""
    return None if value is None else Figure(_trimmed(value, least_places=0))


def plainly(value: float | None) -> Figure | None:
    """As many digits as it came with."""
    return None if value is None else Figure(f"{value:,.15g}")


def print_json(answer: BaseModel) -> None:
    """The same JSON that the HTTP interface gives."""
    print_exactly(answer.model_dump_json(indent=2))


def print_json_of(kind: Any, answer: object) -> None:
    """The same for what is no model by itself, such as a list of them."""
    print_exactly(TypeAdapter(kind).dump_json(answer, indent=2).decode())


def print_json_text(text: str | bytes) -> None:
    """JSON that was made elsewhere, indented."""
    print_exactly(json.dumps(json.loads(text), indent=2, ensure_ascii=False))


def print_exactly(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is where commands print


def print_line(text: str = "", *, indent: str = "") -> None:
    """A sentence, broken between words where the terminal ends."""
    room = _room()
    if room is None or len(text) <= room:
        print_exactly(text)
    else:
        print_exactly(
            textwrap.fill(
                text,
                room,
                subsequent_indent=indent,
                break_on_hyphens=False,
                break_long_words=False,
            )
        )


def print_reasons(reasons: Mapping[str, str]) -> None:
    """What is missing, together with everything that is missing for the same reason."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name.replace("_", " "))
    for reason, missing in names.items():
        print_line(f"No {', '.join(missing)}: {reason}")


def print_facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values in two columns."""
    listed = [(name, _text(value)) for name, value in pairs]
    width = max(len(name) for name, _ in listed)
    for name, value in listed:
        print_line(f"{name:<{width}}{GAP}{value}", indent=" " * (width + len(GAP)))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, wrapped: str = ""
) -> None:
    """Numbers right and always whole; words left, cut to what fits, except the `wrapped` column.

    `None` is shown as a dash, never as zero.
    """
    listed = [tuple(row) for row in rows]
    table = [_column(name, [row[place] for row in listed]) for place, name in enumerate(columns)]
    table, widths = _fitted(table, wrapped, _room())
    print_line(title)
    print_exactly(_joined([column.title for column in table], table, widths))
    print_exactly(GAP.join("─" * width for width in widths))
    for number in range(len(listed)):
        cells = [column.cells[number] for column in table]
        _print_row(cells, table, widths, wrapped)


def describe(answer: AsOf) -> str:
    """Which market and day an answer is about, and how far to trust it."""
    words = [f"market {answer.market}, close of {answer.as_of}"]
    if answer.simulated:
        words.append("simulated: no price here was ever traded")
    if answer.stale:
        words.append(f"{answer.sessions_behind} sessions behind")
    return "; ".join(words)


def describe_age(answer: DataAge) -> str:
    """The same for a market that may be without prices."""
    words = [f"market {answer.market}"]
    if answer.as_of is None:
        words.append(answer.reason or "no prices")
    else:
        words[0] += f", until {answer.as_of}"
    if answer.simulated:
        words.append("simulated: no price here was ever traded")
    if answer.stale:
        words.append(f"{answer.sessions_behind} sessions behind")
    return "; ".join(words)


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cells: list[str]
    numeric: bool

    @property
    def width(self) -> int:
        return max(len(self.title), *(len(cell) for cell in self.cells), 1)


def _column(title: str, values: list[object]) -> _Column:
    numeric = bool(values) and all(
        isinstance(value, Decimal | int | float | Figure | None) and not isinstance(value, bool)
        for value in values
    )
    return _Column(title, [_text(value) for value in values], numeric)


def _room() -> int | None:
    """How wide a line may be; None where it goes to a file or a pipe."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:  # noqa: TID251 - as terminals do
        return None
    return shutil.get_terminal_size().columns


COPIED = frozenset({"order"})
"""Columns of what is typed again in the next command: never cut."""


def _fitted(
    table: list[_Column], wrapped: str, room: int | None
) -> tuple[list[_Column], list[int]]:
    """What is shown, and how wide: words give way until the line fits, at last the names."""
    widths = _shrunk(table, wrapped, room)
    for column, width in zip(table, widths, strict=True):
        if column.title == "name" and width < min(column.width, NARROWEST_NAME):
            shown = [other for other in table if other is not column]
            return shown, _shrunk(shown, wrapped, room)
    return table, widths


def _shrunk(table: list[_Column], wrapped: str, room: int | None) -> list[int]:
    """Take from the widest words, one by one, until the line fits or nothing more can go."""
    widths = [column.width for column in table]
    if room is None:
        return widths
    least = [min(column.width, _least(column, wrapped)) for column in table]
    while sum(widths) + len(GAP) * (len(widths) - 1) > room:
        cuttable = [place for place, width in enumerate(widths) if width > least[place]]
        if not cuttable:
            break
        widths[max(cuttable, key=lambda place: widths[place])] -= 1
    return widths


def _least(column: _Column, wrapped: str) -> int:
    if column.numeric or column.title in COPIED:
        return column.width
    return NARROWEST_WRAPPED if column.title == wrapped else NARROWEST_TEXT


def _print_row(cells: list[str], table: list[_Column], widths: list[int], wrapped: str) -> None:
    parts = [
        textwrap.wrap(cell, width) or [""] if column.title == wrapped else [_cut(cell, width)]
        for cell, column, width in zip(cells, table, widths, strict=True)
    ]
    for number in range(max(len(part) for part in parts)):
        line = [part[number] if number < len(part) else "" for part in parts]
        print_exactly(_joined(line, table, widths))


def _joined(cells: list[str], table: list[_Column], widths: list[int]) -> str:
    aligned = (
        cell.rjust(width) if column.numeric else _cut(cell, width).ljust(width)
        for cell, column, width in zip(cells, table, widths, strict=True)
    )
    return GAP.join(aligned).rstrip()


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1].rstrip()}…"


def _text(value: object) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return _trimmed(value, least_places=2)
    if isinstance(value, float):
        return f"{value:.3f}"
    return "".join(sign if sign.isprintable() else "?" for sign in str(value))


def _trimmed(value: Decimal, *, least_places: int) -> str:
    whole, _, places = f"{value:,f}".partition(".")
    kept = places.rstrip("0").ljust(min(least_places, len(places)), "0")
    return f"{whole}.{kept}" if kept else whole
