"""What no rule forbids and cannot be true, judged by what came before it."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from app.market_data.files import BAR_COLUMNS
from app.market_data.plausibility import Before, sift
from app.market_data.validation import Reason, Sorted, sort_bars
from app.quant.costs import Side
from app.quant.fills import Bar, Wish, meet
from tests.shared_data import SHARED, needs_market_data

FIRST = date(2024, 6, 3)


def bars(closes: list[float], ticker: str = "AAA", **changes: list[float]) -> pl.DataFrame:
    """A bar of one percent around each close, on consecutive days."""
    close = np.array(closes)
    columns = {
        "ticker": [ticker] * len(close),
        "date": [FIRST + timedelta(days=k) for k in range(len(close))],
        "open": close,
        "high": close * 1.005,
        "low": close * 0.995,
        "close": close,
        "volume": np.full(len(close), 1e5),
    } | changes
    return pl.DataFrame(columns).select(BAR_COLUMNS)


def sifted(rows: pl.DataFrame, before: Before | None = None) -> Sorted:
    nothing = rows.clear().with_columns(reason=pl.lit("", pl.String), copy=pl.lit(0, pl.Int32))
    return sift(Sorted(rows, nothing), before or Before())


def held(rows: pl.DataFrame, before: Before | None = None) -> list[int]:
    """The days, counted from 0, of bars that were refused as a split or a unit."""
    refused = sifted(rows, before).quarantined.filter(reason=str(Reason.SPLIT_OR_UNIT))
    return [(day - FIRST).days for day in refused["date"]]


@pytest.mark.parametrize("ratio", [2.0, 0.5, 1 / 3, 10.0, 0.01, 100.0])
def test_a_jump_by_a_simple_ratio_is_refused_with_all_that_follows(ratio: float) -> None:
    assert held(bars([100, 101, 101 * ratio, 102 * ratio, 100 * ratio])) == [2, 3, 4]


def test_it_ends_where_the_price_is_back() -> None:
    assert held(bars([100, 101, 50.5, 50.6, 101, 102, 103])) == [2, 3]


def test_a_split_that_is_known_explains_it() -> None:
    known = Before(splits={("AAA", FIRST + timedelta(days=2))})
    assert held(bars([100, 101, 50.5, 50.6]), known) == []


def test_what_a_split_explains_later_is_taken_again_from_then_on() -> None:
    known = Before(splits={("AAA", FIRST + timedelta(days=3))})
    assert held(bars([100, 101, 50.5, 50.6, 50.7]), known) == [2]


@pytest.mark.parametrize("closes", [[100, 55, 56], [100, 60, 100], [100, 139, 140], [100, 41, 42]])
def test_large_moves_that_miss_the_ratios_are_taken(closes: list[float]) -> None:
    assert held(bars(closes)) == []


def test_a_fall_to_a_half_within_the_day_is_taken() -> None:
    fallen = bars([100, 50, 51], open=[100, 98, 51], high=[100.5, 99, 51.2], low=[99.5, 49, 50])
    assert held(fallen) == []


def test_an_import_goes_on_where_the_one_before_it_stopped() -> None:
    known = Before(closes={"AAA": 101.0}, held={"AAA"})
    assert held(bars([50.6, 50.7, 101.0, 102.0]), known) == [0, 1]
    assert held(bars([50.5, 50.7]), Before(closes={"AAA": 101.0})) == [0, 1]
    assert held(bars([50.6, 50.7])) == []


def test_what_is_refused_at_a_date_does_not_depend_on_what_comes_after() -> None:
    whole = bars([100, 101, 50.5, 50.6, 101, 102])
    for end in range(1, len(whole)):
        assert held(whole[:end]) == [day for day in held(whole) if day < end]


def test_other_etfs_are_left_alone_in_whatever_order_they_come() -> None:
    mixed = pl.concat([bars([100, 50, 50], "BBB"), bars([10, 10, 10], "AAA")]).sample(
        fraction=1.0, shuffle=True, seed=1
    )
    found = sifted(mixed)
    assert found.good["ticker"].to_list().count("AAA") == 3
    assert found.quarantined["ticker"].to_list() == ["BBB", "BBB"]


def test_a_low_far_below_open_and_close_sets_off_no_order() -> None:
    crash = bars([100, 100, 100], low=[99, 40, 99])
    stop = Wish(Side.SELL, stop_price=Decimal(88))
    row = crash.row(1, named=True)
    true = Bar(*(Decimal(str(row[name])) for name in ("open", "high", "low", "close")))
    assert meet(stop, true) is not None
    found = sifted(crash)
    assert found.quarantined["reason"].to_list() == [str(Reason.FAR_RANGE)]
    assert [(day - FIRST).days for day in found.good["date"]] == [0, 2]


def real(file: str) -> Sorted:
    rows = pl.read_parquet(SHARED / "data" / file)
    prices = [
        pl.col(name).cast(pl.Float64) for name in BAR_COLUMNS if name not in {"ticker", "date"}
    ]
    return sort_bars(rows.select("ticker", "date", *prices), last_completed=date(2025, 7, 1))


@needs_market_data
def test_of_the_real_bars_hardly_a_true_one_is_refused() -> None:
    before = real("etf_prices.parquet")
    after = sift(before, Before())
    refused = after.quarantined.filter(
        pl.col("reason").is_in([str(Reason.SPLIT_OR_UNIT), str(Reason.FAR_RANGE)])
    )
    by_ticker = refused.filter(reason=str(Reason.SPLIT_OR_UNIT))["ticker"].unique().to_list()
    assert by_ticker == ["SCHX"]
    assert refused.filter(ticker="SCHX")["date"].min() == date(2022, 2, 11)
    assert len(refused) - len(refused.filter(ticker="SCHX")) <= 0.001 * len(before.good)
    moves = [("KWEB", date(2022, 3, 16)), ("KSTR", date(2024, 10, 7)), ("KSTR", date(2024, 10, 8))]
    for ticker, day in moves:
        assert len(after.good.filter(ticker=ticker, date=day)) == 1


@needs_market_data
def test_the_lows_of_the_flash_crash_are_refused() -> None:
    found = sift(real("etf_prices_long.parquet"), Before()).quarantined
    far = found.filter(reason=str(Reason.FAR_RANGE), date=date(2010, 5, 6))
    assert len(far) > 100
    assert far["low"].min() < 0.4 * far["close"].max()  # type: ignore[operator]
    assert far.select((pl.col("close") > 0.85 * pl.col("open")).all()).item()
