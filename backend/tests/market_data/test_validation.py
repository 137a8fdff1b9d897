"""What becomes of each bar of small and of real files."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.market_data.files import BAR_COLUMNS, read_bars, read_index
from app.market_data.validation import Reason, sort_bars, sort_index
from tests.shared_data import SHARED, needs_market_data

LAST = date(2025, 6, 30)
GOOD = (100.0, 102.0, 99.0, 101.0, 1000.0)

Bar = tuple[str, date, float | None, float | None, float | None, float | None, float | None]


def table(*bars: Bar) -> pl.DataFrame:
    return pl.DataFrame(
        bars,
        schema=dict(zip(BAR_COLUMNS, (pl.String, pl.Date, *[pl.Float64] * 5), strict=True)),
        orient="row",
    )


def bar(
    ticker: str = "SPY",
    day: date = LAST,
    values: tuple[float | None, ...] = GOOD,
    **other: float | None,
) -> Bar:
    named = dict(zip(BAR_COLUMNS[2:], values, strict=True)) | other
    return (ticker, day, *named.values())  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (bar(day=date(2025, 6, 28)), Reason.NOT_A_SESSION),
        (bar(day=date(2025, 1, 9)), Reason.NOT_A_SESSION),
        (bar(day=date(1901, 1, 2)), Reason.NOT_A_SESSION),
        (bar(day=date(2025, 7, 1)), Reason.FUTURE_SESSION),
        (bar(close=None), Reason.MISSING_VALUE),
        (bar(volume=None), Reason.MISSING_VALUE),
        (bar(open=float("nan")), Reason.MISSING_VALUE),
        (bar(high=float("inf")), Reason.MISSING_VALUE),
        (bar(close=-101.0), Reason.NEGATIVE_PRICE),
        (bar(close=0.0), Reason.ZERO_PRICE),
        (bar(low=0.0), Reason.ZERO_PRICE),
        (bar(low=4e-7), Reason.ZERO_PRICE),
        (bar(high=1e12), Reason.HUGE_PRICE),
        (bar(volume=-1.0), Reason.NEGATIVE_VOLUME),
        (bar(high=98.0), Reason.HIGH_BELOW_LOW),
        (bar(close=102.5), Reason.CLOSE_OUTSIDE_RANGE),
        (bar(close=98.9), Reason.CLOSE_OUTSIDE_RANGE),
    ],
)
def test_a_bad_bar_among_good_ones_is_refused_with_its_reason(bad: Bar, reason: Reason) -> None:
    good = [bar(ticker) for ticker in ("AAA", "BBB", "CCC", "DDD", "EEE")]
    sorted_ = sort_bars(table(*good[:3], bad, *good[3:]), last_completed=LAST)
    assert sorted_.good.rows() == good
    assert sorted_.quarantined["reason"].to_list() == [reason]
    assert sorted_.quarantined.select(BAR_COLUMNS).rows(named=False)[0][:2] == bad[:2]
    assert reason.sentence.endswith(".")


def test_of_equal_copies_one_is_kept_and_the_others_are_counted() -> None:
    sorted_ = sort_bars(table(bar(), bar("AAA"), bar(), bar()), last_completed=LAST)
    assert sorted(sorted_.good.rows()) == [bar("AAA"), bar()]
    assert sorted_.quarantined.select("reason", "copy").rows() == [
        ("duplicate", 0),
        ("duplicate", 1),
    ]


def test_copies_that_disagree_are_all_refused() -> None:
    sorted_ = sort_bars(table(bar(), bar("AAA"), bar(close=100.5)), last_completed=LAST)
    assert sorted_.good.rows() == [bar("AAA")]
    assert sorted_.quarantined.select("reason", "copy").rows() == [("conflict", 0), ("conflict", 1)]


def test_a_bad_copy_does_not_take_the_good_one_with_it() -> None:
    sorted_ = sort_bars(table(bar(close=0.0), bar()), last_completed=LAST)
    assert sorted_.good.rows() == [bar()]
    assert sorted_.quarantined["reason"].to_list() == [Reason.ZERO_PRICE]


def test_a_close_may_leave_the_range_by_rounding() -> None:
    narrow = bar(values=(10.1, 10.1, 10.1, float(pl.Series([10.1], dtype=pl.Float32)[0]), 5.0))
    assert narrow[5] != narrow[3]
    assert sort_bars(table(narrow), last_completed=LAST).good.height == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["AAA", "BBB"]),
            st.integers(0, 6).map(lambda days: LAST - timedelta(days)),
            st.sampled_from([None, -1.0, 0.0, 99.0, 100.0, 103.0]),
        ),
        max_size=12,
    )
)
def test_every_bar_is_either_good_once_or_refused(
    rows: list[tuple[str, date, float | None]],
) -> None:
    bars = table(*(bar(ticker, day, close=close) for ticker, day, close in rows))
    sorted_ = sort_bars(bars, last_completed=LAST)
    assert sorted_.good.height + sorted_.quarantined.height == bars.height
    assert not sorted_.good.select("ticker", "date").is_duplicated().any()
    assert not sorted_.quarantined.select("ticker", "date", "reason", "copy").is_duplicated().any()
    assert set(sorted_.good["close"]) <= {99.0, 100.0}


def test_an_index_is_refused_on_closed_days_and_without_a_level() -> None:
    closes = pl.DataFrame(
        {
            "date": [date(2025, 6, 27), date(2025, 6, 28), date(2025, 6, 30), date(2025, 7, 1)],
            "close": [16.0, 16.0, None, 16.0],
        }
    )
    sorted_ = sort_index(closes, last_completed=LAST)
    assert sorted_.good.rows() == [(date(2025, 6, 27), 16.0)]
    assert sorted_.quarantined["reason"].to_list() == [
        Reason.NOT_A_SESSION,
        Reason.MISSING_VALUE,
        Reason.FUTURE_SESSION,
    ]


@needs_market_data
@pytest.mark.parametrize(
    ("file", "refused"),
    [
        ("etf_prices.parquet", {"missing_value": 1087, "zero_price": 2}),
        ("etf_prices_long.parquet", {}),
        ("demo_candidate_etfs.parquet", {"close_outside_range": 2}),
    ],
)
def test_of_the_real_bars_exactly_the_known_bad_ones_are_refused(
    file: str, refused: dict[str, int]
) -> None:
    bars = read_bars(Path(SHARED / "data" / file))
    found = sort_bars(bars, last_completed=LAST).quarantined
    assert dict(found["reason"].value_counts().rows()) == refused


@needs_market_data
def test_the_volatility_index_is_refused_on_holidays_only() -> None:
    found = sort_index(read_index(SHARED / "data" / "vix.csv"), last_completed=LAST).quarantined
    assert set(found["reason"]) == {Reason.NOT_A_SESSION, Reason.FUTURE_SESSION}
    assert date(2004, 6, 11) in found["date"].to_list()
