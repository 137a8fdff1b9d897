"""Bulk rows in PostgreSQL's binary formats: built and taken apart as whole arrays."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg

from app.core.errors import Unavailable
from app.quant.panel import DateArray, FloatArray

ROWS_PER_CHUNK = 65_536
"""Large enough that Python's share vanishes, small enough that progress moves."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_DAY_ZERO = np.datetime64("2000-01-01", "D")

Column = npt.NDArray[Any]


def binary_rows(columns: Sequence[Column]) -> Iterator[bytes]:
    """The input of COPY ... (FORMAT binary) for columns without nulls, chunk by chunk.

    Integers become int4, datetime64[D] date and floats float8; the table's columns must be these.
    """
    plain = [_as_postgres(column) for column in columns]
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for position, column in enumerate(plain):
        layout += [(f"length_{position}", ">i4"), (f"value_{position}", column.dtype.str)]

    rows = np.empty(min(ROWS_PER_CHUNK, len(plain[0])), dtype=np.dtype(layout))
    rows["fields"] = len(plain)
    for position, column in enumerate(plain):
        rows[f"length_{position}"] = column.itemsize

    yield _HEADER
    for start in range(0, len(plain[0]), ROWS_PER_CHUNK):
        chunk = rows[: len(plain[0]) - start]
        for position, column in enumerate(plain):
            chunk[f"value_{position}"] = column[start : start + len(chunk)]
        yield chunk.tobytes()
    yield _TRAILER


def _as_postgres(column: Column) -> Column:
    if np.issubdtype(column.dtype, np.datetime64):
        return (column - _DAY_ZERO).astype(">i4")
    return column.astype(">f8" if np.issubdtype(column.dtype, np.floating) else ">i4")


def unpack_days(packed: bytes) -> DateArray:
    """From the bytes of `string_agg(date_send(...), '')` to datetime64[D]."""
    return _DAY_ZERO + np.frombuffer(packed, dtype=">i4").astype("timedelta64[D]")


def unpack_floats(packed: bytes) -> FloatArray:
    """From the bytes of `string_agg(float8send(...), '')` to float64."""
    return np.frombuffer(packed, dtype=">f8").astype(np.float64)


@contextmanager
def driver_faults() -> Iterator[None]:
    """A lost database as `Unavailable`, for statements that go past SQLAlchemy."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise Unavailable("The database does not answer: try again in a moment.") from error
