"""Tables as Parquet: money as decimals, days as dates, text as it is."""

import io
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

DIGITS = 38
"""As many as the format's decimals have."""


def parquet_bytes(columns: Sequence[tuple[str, type]], rows: Sequence[Sequence[object]]) -> bytes:
    """Columns have a name and the type of what is in them, None aside; a decimal column has as many
    places as its longest value."""
    # It takes most of a second to import, and few ask for this.
    import polars as pl  # noqa: PLC0415

    types: dict[type, Any] = {
        bool: pl.Boolean,
        int: pl.Int64,
        float: pl.Float64,
        date: pl.Date,
        datetime: pl.Datetime("us", "UTC"),
    }
    series = []
    for place, (name, kind) in enumerate(columns):
        values = [row[place] for row in rows]
        if kind is Decimal:
            dtype: Any = pl.Decimal(DIGITS, _places(values))
        elif kind in types:
            dtype = types[kind]
        else:
            dtype = pl.String
            values = [None if value is None else str(value) for value in values]
        series.append(pl.Series(name, values, dtype))
    file = io.BytesIO()
    pl.DataFrame(series).write_parquet(file)
    return file.getvalue()


def _places(values: Sequence[object]) -> int:
    found = (value.as_tuple().exponent for value in values if isinstance(value, Decimal))
    return max((-each for each in found if isinstance(each, int) and each < 0), default=0)
