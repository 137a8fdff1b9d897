"""Files that are not what they should be, each answered with one sentence."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.core.errors import BadFile
from app.market_data.files import read_bars, read_facts, read_index, read_traded
from tests.shared_data import SHARED, needs_market_data

HEADER = "ticker,date,open,high,low,close,volume"
LINE = "SPY,2025-06-30,100,102,99,101.5,1000"

Cells = dict[str, list[object]]


def csv(folder: Path, *lines: str, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def cells() -> Cells:
    return {
        "ticker": ["SPY"],
        "date": [date(2025, 6, 30)],
        **{name: [101.5] for name in ("open", "high", "low", "close")},
        "volume": [1000.0],
    }


def parquet(folder: Path, columns: Cells) -> Path:
    path = folder / "prices.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_csv_and_parquet_of_the_same_bars_read_the_same(tmp_path: Path) -> None:
    from_csv = read_bars(csv(tmp_path, HEADER, "SPY,2025-06-30,101.5,101.5,101.5,101.5,1000"))
    assert from_csv.rows() == read_bars(parquet(tmp_path, cells())).rows()
    assert from_csv.rows() == [("SPY", date(2025, 6, 30), 101.5, 101.5, 101.5, 101.5, 1000.0)]


def test_names_of_columns_and_tickers_may_be_in_any_case_and_other_columns_are_ignored(
    tmp_path: Path,
) -> None:
    path = csv(
        tmp_path, "Note,Date,Ticker,Open,High,Low,Close,Volume", "x,2025-06-30, spy,1,1,1,1,"
    )
    assert read_bars(path).row(0) == ("SPY", date(2025, 6, 30), 1.0, 1.0, 1.0, 1.0, None)


def test_integers_single_precision_and_midnights_are_understood(tmp_path: Path) -> None:
    frame = pl.DataFrame(cells()).with_columns(
        pl.col("volume").cast(pl.Int64),
        pl.col("close").cast(pl.Float32),
        pl.col("date").cast(pl.Datetime),
    )
    frame.write_parquet(tmp_path / "prices.parquet")
    assert read_bars(tmp_path / "prices.parquet").row(0)[1:] == (
        date(2025, 6, 30), 101.5, 101.5, 101.5, 101.5, 1000.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["ticker,date,open,close", "A,2025-06-30,1,1"], "columns high, low, volume are missing"),
        (["ticker;date;close", "A;2025-06-30;1"], "found: ticker;date;close"),
        ([HEADER + ",close", LINE + ",3"], "'close' is there twice"),
        ([HEADER], "no rows"),
        ([HEADER, LINE, LINE.replace("101.5", "abc")], "'close' is not usable in row 2"),
        ([HEADER, LINE.replace("101.5", '"1,000"')], "plain numbers"),
        ([HEADER, LINE.replace("2025-06-30", "30/06/2025")], "'date' is not usable in row 1"),
        ([HEADER, LINE.replace("2025-06-30", "")], "'date' is empty in row 1"),
        ([HEADER, LINE.replace("2025-06-30", "1025-06-30")], "'date' is not usable in row 1"),
        ([HEADER, LINE.replace("2025-06-30", "2025-06-30 00:00:00-04:00")], "zone"),
        ([HEADER, LINE.replace("2025-06-30", "2025-06-30 15:30:00")], "'date'"),
        ([HEADER, LINE.replace("SPY", "")], "'ticker' is empty in row 1"),
        ([HEADER, LINE, LINE.replace("SPY", "S" * 33)], "'ticker' is not usable in row 2"),
        ([HEADER, LINE.replace("SPY", "S/Y")], "letters, digits"),
        ([HEADER, LINE.replace("SPY", "S\0Y")], "letters, digits"),
        ([HEADER, LINE + ",1,2,3"], "not a readable CSV"),
    ],
)  # fmt: skip
def test_a_faulty_csv_is_named_with_its_column(tmp_path: Path, lines: list[str], says: str) -> None:
    path = csv(tmp_path, *lines)
    with pytest.raises(BadFile) as raised:
        read_bars(path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("close", ["101.5"], "'close' holds String where numbers are needed"),
        ("close", [True], "'close' holds Boolean where numbers"),
        ("ticker", [5], "'ticker' holds Int64 where text"),
        ("ticker", [None], "'ticker' is empty in row 1"),
        ("date", [20250630], "'date' holds Int64 where dates"),
        ("date", [datetime(2025, 6, 30, tzinfo=UTC)], "zone"),
        ("date", [datetime(2025, 6, 30, 9, 30)], "without a time of day"),  # noqa: DTZ001
        ("date", [None], "'date' is empty in row 1"),
    ],
)
def test_a_parquet_file_must_bring_its_types(
    tmp_path: Path, column: str, values: list[object], says: str
) -> None:
    with pytest.raises(BadFile, match=says):
        read_bars(parquet(tmp_path, cells() | {column: values}))


def test_a_parquet_file_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    table = pl.DataFrame(cells()).to_arrow()
    again = pa.Table.from_arrays(
        [*table.columns, table["close"]], names=[*table.column_names, "close"]
    )
    pq.write_table(again, tmp_path / "prices.parquet")
    with pytest.raises(BadFile):
        read_bars(tmp_path / "prices.parquet")


def test_what_is_no_table_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "text.parquet").write_text(f"{HEADER}\n{LINE}\n")
    (tmp_path / "cut.parquet").write_bytes(parquet(tmp_path, cells()).read_bytes()[:200])
    (tmp_path / "prices.parquet").rename(tmp_path / "really_parquet.csv")
    (tmp_path / "latin.csv").write_bytes(
        f"{HEADER}\n{LINE}\n".replace("SPY", "SÜY").encode("latin1")
    )
    (tmp_path / "prices.xlsx").write_text("x")
    for name, says in {
        "absent.csv": "no such file",
        "": "this is a folder",
        "empty.csv": "is empty",
        "text.parquet": "not a Parquet file but text",
        "cut.parquet": "not a readable Parquet file",
        "really_parquet.csv": "not a CSV file but Parquet",
        "latin.csv": "not a readable CSV",
        "prices.xlsx": "must end in .csv or .parquet",
    }.items():
        with pytest.raises(BadFile, match=says):
            read_bars(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER, LINE)
    path.chmod(0)
    with pytest.raises(BadFile, match="Permission denied"):
        read_bars(path)


def test_dividends_and_splits_are_read_with_traded_prices(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        HEADER + ",dividend,split_ratio",
        LINE + ",0,1",
        LINE.replace("2025-06-30", "2025-06-27") + ",0.25,2",
        LINE.replace("2025-06-30", "2025-06-26") + ",,0",
    )
    _, actions = read_traded(path)
    assert actions.rows() == [
        ("SPY", date(2025, 6, 27), "dividend", 0.25),
        ("SPY", date(2025, 6, 27), "split", 2.0),
    ]
    with pytest.raises(BadFile, match="'split_ratio' has a value outside"):
        read_traded(csv(tmp_path, HEADER + ",split_ratio", LINE + ",-2"))


def test_facts_leave_empty_cells_unknown(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        "ticker,name,expense_ratio,is_inverse,inception_date,aum_usd",
        "AAA,First fund,0.0009,FALSE,2020-01-02,12",
        "BBB,,,,,",
    )
    assert read_facts(path).rows() == [
        ("AAA", "First fund", 0.0009, False, date(2020, 1, 2)),
        ("BBB", None, None, None, None),
    ]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["name", "x"], "column ticker is missing"),
        (["ticker,name", "A,x", "A,y"], "A has two rows that disagree"),
        (["ticker,expense_ratio", "A,-0.1"], "'expense_ratio' is negative"),
        (["ticker,leverage", "A,inf"], "'leverage' has a number without end"),
        (["ticker,is_inverse", "A,perhaps"], "'is_inverse' is not usable in row 1"),
        (["ticker,name", f"A,{'x' * 1001}"], "'name' is not usable in row 1"),
        (["ticker,inception_date", "A,soon"], "'inception_date'"),
    ],
)
def test_faulty_facts_are_refused(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(BadFile, match=says):
        read_facts(csv(tmp_path, *lines))


def test_an_index_needs_a_date_and_a_close_only(tmp_path: Path) -> None:
    path = csv(tmp_path, "date,close", "2025-06-30,16.7", "2025-07-01,")
    assert read_index(path).rows() == [(date(2025, 6, 30), 16.7), (date(2025, 7, 1), None)]


@needs_market_data
def test_the_real_files_are_read_whole() -> None:
    folder = SHARED / "data"
    assert read_bars(folder / "demo_candidate_etfs.parquet").height == 103_341
    assert read_facts(folder / "etf_metadata.csv").height == 3_311
    assert read_index(folder / "vix.csv").height == 9_235
