"""A series in a CSV file, as `POST /api/performance/series` takes one."""

import csv
from decimal import Decimal, InvalidOperation
from pathlib import Path

from app.cli.failing import failures_in_one_sentence
from app.core.errors import BadFile

COLUMNS = {"date": "dates", "value": "values", "return": "returns", "flow": "flows"}


def columns_of(file: Path) -> dict[str, list[object]]:
    """Its columns by the names of the interface: date, and value (with or without flow) or return.

    Other columns are passed over. Ends the command where the file is no such table.
    """
    with failures_in_one_sentence():
        try:
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise BadFile(f"{file} is no UTF-8 text: save it as CSV in UTF-8.") from None
        except OSError as error:
            raise BadFile(f"{file} cannot be read: {(error.strerror or '').lower()}.") from None
        try:
            return _columns(file, text)
        except csv.Error as error:
            raise BadFile(f"{file} is no table: {error}.") from None


def _columns(file: Path, text: str) -> dict[str, list[object]]:
    rows = csv.DictReader(text.splitlines())
    names = [name for name in rows.fieldnames or () if name in COLUMNS]
    if "date" not in names or not {"value", "return"} & set(names):
        raise BadFile(f"{file}: the first line must name the columns date, and value or return.")
    found: dict[str, list[object]] = {COLUMNS[name]: [] for name in names}
    for number, row in enumerate(rows, start=2):
        for name in names:
            try:
                found[COLUMNS[name]].append(_cell(name, (row[name] or "").strip()))
            except (InvalidOperation, ValueError):
                raise BadFile(f"{file}, line {number}: the {name} is not a number.") from None
    return found


def _cell(name: str, text: str) -> object:
    if name == "date":
        return text
    number = Decimal(text or 0) if name == "flow" else Decimal(text)
    return float(number) if name == "return" else number
