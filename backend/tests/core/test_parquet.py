import io
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from app.core.parquet import parquet_bytes

amounts = st.none() | st.decimals(
    min_value=Decimal(-(10**18)), max_value=Decimal(10**18), places=6, allow_nan=False
)


def read(content: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(content))


@given(values=st.lists(amounts, max_size=20))
def test_money_comes_back_to_the_last_digit(values: list[Decimal | None]) -> None:
    table = read(parquet_bytes([("value", Decimal)], [[each] for each in values]))
    assert isinstance(table.schema["value"], pl.Decimal)
    assert table["value"].to_list() == values


@given(values=st.lists(st.none() | st.floats(allow_nan=False), max_size=20))
def test_numbers_come_back_to_the_last_bit(values: list[float | None]) -> None:
    table = read(parquet_bytes([("value", float)], [[each] for each in values]))
    assert table["value"].to_list() == values


def test_days_moments_words_and_truths_keep_their_types() -> None:
    row = [date(2025, 6, 30), datetime(2025, 6, 30, 20, tzinfo=UTC), "=1+1", True, 7]
    columns = [("day", date), ("moment", datetime), ("word", str), ("truth", bool), ("count", int)]
    assert read(parquet_bytes(columns, [row, [None] * 5])).rows() == [tuple(row), (None,) * 5]


def test_a_table_without_rows_has_its_columns() -> None:
    table = read(parquet_bytes([("day", date), ("value", Decimal)], []))
    assert table.shape == (0, 2)
    assert table.columns == ["day", "value"]
