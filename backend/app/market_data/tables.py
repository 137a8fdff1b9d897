"""Files of rows and columns, CSV or Parquet, and their columns as checked types.

Whatever is wrong with a file is one `BadFile` sentence that names the file, the column and the way
out. CSV is read as text first, so that a cell that does not fit can be pointed at; Parquet must
bring its own types.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from app.core.errors import BadFile

_CSV = (".csv", ".csv.gz")
_PARQUET = (".parquet", ".pq")
_PARQUET_MAGIC = b"PAR1"

_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
_LONGEST_TEXT = 1000
_NO_NUMBER = ("", "NA", "N/A", "na", "n/a", "null", "NULL", "None")
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}

_ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"
_MIDNIGHT = r"[T ]00:00(:00(\.0+)?)?$"
_ZONE = r"\d{2}:\d{2}.*([zZ]|[+-]\d{2}:?\d{2})$"
_TICKER = r"^[A-Z0-9][A-Z0-9._-]{0,31}$"
_TICKER_ADVICE = "a ticker has 1 to 32 letters, digits, dots, hyphens or underscores"


@dataclass(frozen=True, slots=True)
class Table:
    """The wanted columns of a file, by lower-case name; `textual` where every cell is text."""

    path: Path
    rows: pl.DataFrame
    textual: bool

    def numbers(self, column: str) -> pl.Series:
        """Float64; empty is null, NaN and infinity stay."""
        cells = self.rows[column]
        if cells.dtype.is_numeric() or cells.dtype == pl.Null:
            return cells.cast(pl.Float64)
        if not self.textual:
            raise self._wrong_type(cells, "numbers")
        found = cells.cast(pl.Float64, strict=False)
        if found.null_count() > cells.null_count():
            cells = cells.str.strip_chars()
            found = cells.cast(pl.Float64, strict=False)
            missing = cells.is_null() | cells.is_in(_NO_NUMBER)
            self._refuse(found.is_null() & ~missing, cells, "write plain numbers such as 101.25")
        return found

    def days(self, column: str) -> pl.Series:
        """Dates, never null."""
        cells = self.rows[column]
        found = self._days(cells)
        usable = found.is_between(_FIRST_DAY, _LAST_DAY).fill_null(value=False)
        self._refuse(~usable, cells, "every row needs a session date such as 2025-06-30")
        return found

    def optional_days(self, column: str) -> pl.Series:
        """Dates, null where the cell is empty."""
        cells = self.rows[column]
        if cells.dtype == pl.String:
            cells = cells.str.strip_chars().replace("", None)
        found = self._days(cells)
        usable = found.is_between(_FIRST_DAY, _LAST_DAY).fill_null(value=False)
        self._refuse(~usable & cells.is_not_null(), cells, "write a date such as 2025-06-30")
        return found

    def flags(self, column: str) -> pl.Series:
        """Booleans, null where the cell is empty."""
        cells = self.rows[column]
        if cells.dtype in {pl.Boolean, pl.Null}:
            return cells.cast(pl.Boolean)
        text = self.words(column).str.to_lowercase()
        found = text.replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
        self._refuse(found.is_null() & text.is_not_null(), cells, "write true, false or nothing")
        return found

    def words(self, column: str) -> pl.Series:
        """Text without blanks at its ends, null where nothing is left."""
        cells = self.rows[column]
        if cells.dtype not in {pl.String, pl.Categorical, pl.Null}:
            raise self._wrong_type(cells, "text")
        text = cells.cast(pl.String).str.strip_chars().replace("", None)
        odd = text.str.contains("\0", literal=True) | (text.str.len_chars() > _LONGEST_TEXT)
        self._refuse(odd.fill_null(value=False), cells, f"use at most {_LONGEST_TEXT} characters")
        return text

    def tickers(self, column: str = "ticker") -> pl.Series:
        """Upper-case tickers, never null, as a categorical: few names, millions of rows."""
        cells = self.rows[column]
        if cells.dtype not in {pl.String, pl.Categorical, pl.Null}:
            raise self._wrong_type(cells, "text")
        coded = cells.cast(pl.Categorical)
        each = coded.unique()
        clean = each.cast(pl.String).str.strip_chars().str.to_uppercase()
        usable = clean.str.contains(_TICKER).fill_null(value=False)
        if not usable.all():
            odd = coded.is_in(each.filter(~usable).implode(), nulls_equal=True)
            self._refuse(odd, cells, _TICKER_ADVICE)
        if (clean == each.cast(pl.String)).all():
            return coded
        return coded.replace_strict(each, clean.cast(pl.Categorical), return_dtype=pl.Categorical)

    def optional_tickers(self, column: str) -> pl.Series:
        """Upper-case tickers, null where the cell is empty."""
        cells = self.words(column)
        clean = cells.str.to_uppercase()
        odd = ~clean.str.contains(_TICKER).fill_null(value=True)
        self._refuse(odd, cells, _TICKER_ADVICE)
        return clean

    def refuse(self, column: str, wrong: pl.Series, what: str) -> None:
        """Raise `BadFile` naming the first row that is `wrong`, and what is wrong with it."""
        rows = wrong.fill_null(value=False).arg_true()
        if len(rows):
            raise self.fault(column, f"{what} (row {rows[0] + 1})")

    def fault(self, column: str, what: str) -> BadFile:
        return BadFile(f"{self.path}: the column '{column}' {what}.")

    def _days(self, cells: pl.Series) -> pl.Series:
        """Dates, null where a cell is none."""
        if isinstance(cells.dtype, pl.Datetime):
            return self._days_of_instants(cells)
        if cells.dtype in {pl.Date, pl.Null}:
            return cells.cast(pl.Date)
        if cells.dtype == pl.String:
            return self._days_of_text(cells)
        raise self._wrong_type(cells, "dates")

    def _days_of_instants(self, cells: pl.Series) -> pl.Series:
        if getattr(cells.dtype, "time_zone", None) is not None:
            raise self._zoned(cells.name)
        found = cells.dt.date()
        timed = (cells != found.cast(cells.dtype)).fill_null(value=False)
        self._refuse(timed, cells, "a daily bar has a date without a time of day")
        return found

    def _days_of_text(self, cells: pl.Series) -> pl.Series:
        found = cells.str.to_date("%Y-%m-%d", strict=False)
        if found.null_count() == 0:
            return found
        if cells.str.contains(_ZONE).any():
            raise self._zoned(cells.name)
        bare = cells.str.strip_chars().str.replace(_MIDNIGHT, "")
        return bare.str.to_date("%Y-%m-%d", strict=False)

    def _zoned(self, column: str) -> BadFile:
        return self.fault(column, "has times with a zone: write session dates such as 2025-06-30")

    def _wrong_type(self, cells: pl.Series, wanted: str) -> BadFile:
        return self.fault(cells.name, f"holds {cells.dtype} where {wanted} are needed")

    def _refuse(self, wrong: pl.Series, cells: pl.Series, advice: str) -> None:
        rows = wrong.arg_true()
        if len(rows):
            cell = "empty" if cells[rows[0]] is None else "not usable"
            raise self.fault(cells.name, f"is {cell} in row {rows[0] + 1}: {advice}")


def read_table(path: Path, needed: Sequence[str], optional: Collection[str] = ()) -> Table:
    """The needed and those of the optional columns that the file has; raises `BadFile`."""
    _refuse_unreadable(path)
    textual = path.name.lower().endswith(_CSV)
    kind = "CSV" if textual else "Parquet"
    absolute = path.absolute()
    try:
        names = _csv_names(absolute) if textual else list(pl.read_parquet_schema(absolute))
        wanted = _wanted(path, names, needed, optional)
        rows = (
            pl.read_csv(absolute, columns=list(wanted), infer_schema=False, glob=False)
            if textual
            else pl.read_parquet(absolute, columns=[names[i] for i in wanted], glob=False)
        )
    except (PolarsError, OSError, UnicodeDecodeError):
        raise BadFile(
            f"{path}: this is not a readable {kind} file; is it cut short, or of another format?"
        ) from None
    rows.columns = list(wanted.values())
    if rows.is_empty():
        raise BadFile(f"{path}: the file has no rows.")
    return Table(path, rows, textual)


def _refuse_unreadable(path: Path) -> None:
    name = path.name.lower()
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise BadFile(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise BadFile(f"{path}: this is a folder; name the file in it.") from None
    except OSError as error:
        raise BadFile(f"{path}: the file cannot be read: {error.strerror}.") from None
    if not start:
        raise BadFile(f"{path}: the file is empty.")
    if not name.endswith((*_CSV, *_PARQUET)):
        raise BadFile(f"{path}: the name must end in .csv or .parquet to say what the file is.")
    if (start == _PARQUET_MAGIC) != name.endswith(_PARQUET):
        kind, other = ("Parquet", "text") if name.endswith(_PARQUET) else ("CSV", "Parquet")
        raise BadFile(f"{path}: this is not a {kind} file but {other}: rename or export it again.")


def _csv_names(path: Path) -> list[str]:
    header = pl.read_csv(path, has_header=False, n_rows=1, infer_schema=False, glob=False)
    return [name or "" for name in header.row(0)]


def _wanted(
    path: Path, names: Sequence[str], needed: Sequence[str], optional: Collection[str]
) -> dict[int, str]:
    """Position to plain name of the columns to read, in the order of the file."""
    plain = [name.strip("\ufeff \t").lower() for name in names]
    missing = [name for name in needed if name not in plain]
    if missing:
        found = ", ".join(name[:40] for name in plain[:20] if name.isprintable())
        raise BadFile(
            f"{path}: the column{'s' * (len(missing) > 1)} {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing; found: {found}."
        )
    wanted = {i: name for i, name in enumerate(plain) if name in {*needed, *optional}}
    for name in wanted.values():
        if plain.count(name) > 1:
            raise BadFile(f"{path}: the column '{name}' is there twice; keep one.")
    return wanted
