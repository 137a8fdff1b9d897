"""Files of corporate actions: what they say, and what is refused with the row at fault."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from app.core.errors import BadFile
from app.market_data.action_files import ACTION_COLUMNS, read_actions

HEADER = "ticker,ex_date,kind,value,pay_date,new_ticker,source"
SPLIT = "AAA,2025-06-02,split,2,,,"


def csv(folder: Path, *lines: str, name: str = "actions.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_every_kind_is_read_with_what_it_has(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        HEADER,
        SPLIT,
        "bbb,2025-06-03,Dividend,0.52,2025-06-10,,issuer",
        "CCC,2025-06-04,ticker_change,,,ddd,",
        "EEE,2025-06-05,closure,,,,",
        "FFF,2025-06-05,closure,0,,,",
    )
    nothing = (None, None)
    assert read_actions(path).rows() == [
        ("AAA", date(2025, 6, 2), "split", 2.0, *nothing, "actions.csv"),
        ("BBB", date(2025, 6, 3), "dividend", 0.52, date(2025, 6, 10), None, "issuer"),
        ("CCC", date(2025, 6, 4), "ticker_change", None, None, "DDD", "actions.csv"),
        ("EEE", date(2025, 6, 5), "closure", None, *nothing, "actions.csv"),
        ("FFF", date(2025, 6, 5), "closure", 0.0, *nothing, "actions.csv"),
    ]


def test_parquet_of_the_same_actions_reads_the_same(tmp_path: Path) -> None:
    text = csv(tmp_path, HEADER, SPLIT, "BBB,2025-06-03,dividend,0.52,2025-06-10,,issuer")
    from_csv = read_actions(text)
    from_csv.with_columns(source=pl.Series([None, "issuer"])).write_parquet(
        tmp_path / "actions.parquet"
    )
    from_parquet = read_actions(tmp_path / "actions.parquet")
    assert from_parquet.drop("source").equals(from_csv.drop("source"))
    assert from_parquet["source"].to_list() == ["actions.parquet", "issuer"]
    assert dict(from_parquet.schema) == ACTION_COLUMNS


def test_what_no_row_needs_may_be_left_out(tmp_path: Path) -> None:
    path = csv(tmp_path, "kind,ticker,ex_date", "closure,AAA,2025-06-02")
    assert read_actions(path).row(0)[3:6] == (None, None, None)


def test_a_dividend_of_0_and_a_split_of_1_are_withdrawals(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER, "AAA,2025-06-02,split,1,,,", "BBB,2025-06-03,dividend,0,,,")
    assert read_actions(path)["value"].to_list() == [1.0, 0.0]


def test_a_row_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    assert len(read_actions(csv(tmp_path, HEADER, SPLIT, SPLIT))) == 1


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("AAA,2025-06-02,merger,2,,,", "'kind' must be one of split, dividend"),
        ("AAA,2025-06-02,,2,,,", "'kind' must be one of"),
        ("A B,2025-06-02,split,2,,,", "a ticker has 1 to 32"),
        (",2025-06-02,split,2,,,", "'ticker' is empty"),
        ("AAA,02.06.2025,split,2,,,", "'ex_date' is not usable"),
        ("AAA,,split,2,,,", "'ex_date' is empty"),
        ("AAA,2025-06-02,split,two,,,", "'value' is not usable"),
        ("AAA,2025-06-02,split,,,,", "'value' must be a number from"),
        ("AAA,2025-06-02,split,0,,,", "'value' must be a number from"),
        ("AAA,2025-06-02,split,-2,,,", "'value' must be a number from"),
        ("AAA,2025-06-02,split,nan,,,", "'value' must be a number from"),
        ("AAA,2025-06-02,dividend,inf,,,", "'value' must be a number from"),
        ("AAA,2025-06-02,dividend,-0.1,,,", "'value' must be a number from"),
        ("AAA,2025-06-02,dividend,,,,", "or 0 where none was paid"),
        ("AAA,2025-06-02,dividend,0.0000001,,,", "or 0 where none was paid"),
        ("AAA,2025-06-02,closure,-1,,,", "of a closure must be empty or"),
        ("AAA,2025-06-02,ticker_change,1,,BBB,", "must be empty for a ticker_change"),
        ("AAA,2025-06-02,ticker_change,,,,", "new_ticker is empty"),
        ("AAA,2025-06-02,ticker_change,,,aaa,", "is the old ticker"),
        ("AAA,2025-06-02,ticker_change,,,B B,", "a ticker has 1 to 32"),
        ("AAA,2025-06-02,dividend,1,,BBB,", "only for a ticker_change"),
        ("AAA,2025-06-02,dividend,1,2025-06-01,,", "before the ex-date"),
        ("AAA,2025-06-02,dividend,1,soon,,", "'pay_date' is not usable"),
    ],
)
def test_a_bad_row_is_named_with_its_fault(tmp_path: Path, row: str, why: str) -> None:
    path = csv(tmp_path, HEADER, "BBB,2025-06-03,dividend,0.52,,,", row)
    with pytest.raises(BadFile, match=why) as fault:
        read_actions(path)
    assert "row 2" in str(fault.value)


def test_two_rows_that_disagree_are_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER, SPLIT, "AAA,2025-06-02,split,3,,,")
    with pytest.raises(BadFile, match="AAA has two rows of kind split on 2025-06-02 that differ"):
        read_actions(path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="the column ex_date is missing"):
        read_actions(csv(tmp_path, "ticker,kind", "AAA,split"))
