"""Tables for people, JSON for machines."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.schemas.market import AsOf

console = Console(highlight=False)

MISSING = "-"


def print_json(answer: BaseModel) -> None:
    """The same JSON that the HTTP interface gives."""
    print(answer.model_dump_json(indent=2))  # noqa: T201 - a machine reads this


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Numbers right, words left; `None` is shown as a dash, never as zero."""
    listed = [tuple(row) for row in rows]
    table = Table(title=title, title_justify="left", header_style="bold")
    for position, column in enumerate(columns):
        numeric = bool(listed) and all(
            isinstance(row[position], Decimal | int | float | None | Percent) for row in listed
        )
        table.add_column(column, justify="right" if numeric else "left")
    for row in listed:
        table.add_row(*(escape(_text(cell)) for cell in row))
    console.print(table)


class Percent(float):
    """A fraction that is shown in percent."""


def percent(value: float | None) -> Percent | None:
    return None if value is None else Percent(value)


def describe(answer: AsOf) -> str:
    """Which market and day an answer is about, and how far to trust it."""
    words = [f"market {answer.market}, close of {answer.as_of}"]
    if answer.simulated:
        words.append("simulated: no price here was ever traded")
    if answer.stale:
        words.append(f"{answer.sessions_behind} sessions behind")
    return "; ".join(words)


def _text(cell: object) -> str:
    if cell is None:
        return MISSING
    if isinstance(cell, Percent):
        return f"{cell:.2%}"
    if isinstance(cell, Decimal):
        return f"{cell:,f}"
    if isinstance(cell, float):
        return f"{cell:.3f}"
    return str(cell)
