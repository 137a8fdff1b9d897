"""Adjusted closes against closed forms and against a shareholder who reinvests."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.market_data.adjustment import Actions, adjustment_factors
from app.quant.panel import DateArray, FloatArray

SPLIT, DIVIDEND = True, False
NAN = float("nan")


def weekdays(count: int) -> DateArray:
    """`count` days from a Monday on, weekends left out."""
    return np.busday_offset(np.datetime64("2024-01-01"), np.arange(count))


def actions(sessions: DateArray, *events: tuple[int, int, bool, float]) -> Actions:
    """Events as (row, column of the ex-date, is it a split, value)."""
    rows, columns, kinds, values = zip(*events, strict=True)
    return Actions(
        np.array(rows, dtype=np.int64),
        sessions[list(columns)],
        np.array(kinds, dtype=np.bool_),
        np.array(values, dtype=np.float64),
    )


def adjusted(close: FloatArray, *events: tuple[int, int, bool, float]) -> FloatArray:
    sessions = weekdays(close.shape[1])
    return close * adjustment_factors(sessions, close, actions(sessions, *events))


def test_a_split_leaves_no_step_in_the_adjusted_closes() -> None:
    close = np.array([[100.0, 102.0, 26.0, 25.0]])
    np.testing.assert_allclose(
        adjusted(close, (0, 2, SPLIT, 4.0)), [[25.0, 25.5, 26.0, 25.0]], rtol=1e-15
    )


def test_a_reverse_split_raises_the_closes_before_it() -> None:
    close = np.array([[2.0, 2.5, 24.0]])
    np.testing.assert_allclose(adjusted(close, (0, 2, SPLIT, 0.1)), [[20.0, 25.0, 24.0]])


def test_a_dividend_scales_the_closes_before_it_by_its_share_of_the_previous_close() -> None:
    close = np.array([[50.0, 40.0, 39.0]])
    np.testing.assert_allclose(adjusted(close, (0, 2, DIVIDEND, 1.0)), [[48.75, 39.0, 39.0]])


def test_a_dividend_is_paid_on_the_shares_after_a_split_of_the_same_day() -> None:
    close = np.array([[80.0, 19.0]])
    np.testing.assert_allclose(
        adjusted(close, (0, 1, DIVIDEND, 1.0), (0, 1, SPLIT, 4.0)), [[19.0, 19.0]]
    )


def test_two_dividends_of_one_day_add_up() -> None:
    close = np.array([[100.0, 90.0]])
    np.testing.assert_allclose(
        adjusted(close, (0, 1, DIVIDEND, 4.0), (0, 1, DIVIDEND, 6.0)), [[90.0, 90.0]]
    )


@given(
    st.lists(
        st.tuples(
            st.floats(10.0, 200.0), st.sampled_from([0.0, 0.3, 2.0]), st.sampled_from([1, 2, 0.5])
        ),
        min_size=2,
        max_size=40,
    )
)
def test_adjusted_growth_is_the_wealth_of_one_who_reinvests(
    days: list[tuple[float, float, float]],
) -> None:
    close = np.array([[price for price, _, _ in days]])
    events, shares = [], 1.0
    for day, (_, dividend, ratio) in enumerate(days[1:], start=1):
        before_the_open = close[0, day - 1] / ratio
        shares *= ratio * before_the_open / (before_the_open - dividend)
        events += [(0, day, DIVIDEND, dividend), (0, day, SPLIT, ratio)]

    series = adjusted(close, *events)[0]

    wealth = shares * close[0, -1] / close[0, 0]
    assert series[-1] == close[0, -1]
    assert series[-1] / series[0] == pytest.approx(wealth, rel=1e-12)


def test_a_missing_close_stays_missing_and_is_skipped_as_the_previous_close() -> None:
    close = np.array([[40.0, NAN, NAN, 19.0]])
    series = adjusted(close, (0, 2, SPLIT, 2.0), (0, 3, DIVIDEND, 1.0))
    np.testing.assert_allclose(series, [[19.0, NAN, NAN, 19.0]])


def test_a_dividend_before_the_first_close_changes_nothing() -> None:
    close = np.array([[NAN, NAN, 30.0, 31.0]])
    np.testing.assert_array_equal(adjusted(close, (0, 1, DIVIDEND, 1.0)), close)
    np.testing.assert_array_equal(adjusted(close, (0, 2, DIVIDEND, 1.0)), close)


def test_only_the_row_of_the_event_changes() -> None:
    close = np.full((3, 5), 50.0)
    series = adjusted(close, (1, 3, DIVIDEND, 5.0))
    np.testing.assert_array_equal(series[[0, 2]], close[[0, 2]])
    np.testing.assert_allclose(series[1], [45.0, 45.0, 45.0, 50.0, 50.0])


def test_events_outside_the_sessions_change_nothing() -> None:
    close, sessions = np.full((1, 3), 50.0), weekdays(3)
    outside = Actions(
        np.zeros(3, dtype=np.int64),
        np.array([sessions[0] - 5, sessions[0], sessions[-1] + 1]),
        np.array([SPLIT, SPLIT, SPLIT]),
        np.full(3, 2.0),
    )
    np.testing.assert_array_equal(adjustment_factors(sessions, close, outside), np.ones((1, 3)))


def test_an_ex_date_on_a_weekend_counts_from_the_next_session() -> None:
    close, sessions = np.full((1, 7), 50.0), weekdays(7)
    saturday = np.array([date(2024, 1, 1) + timedelta(5)], dtype="datetime64[D]")
    event = Actions(np.zeros(1, dtype=np.int64), saturday, np.array([SPLIT]), np.array([2.0]))
    np.testing.assert_array_equal(
        adjustment_factors(sessions, close, event), [[0.5] * 5 + [1.0] * 2]
    )


@pytest.mark.parametrize(
    "event",
    [
        (0, 2, DIVIDEND, 50.0),
        (0, 2, DIVIDEND, -1.0),
        (0, 2, DIVIDEND, NAN),
        (0, 2, SPLIT, 0.0),
        (0, 2, SPLIT, -2.0),
        (0, 2, SPLIT, NAN),
        (0, 2, SPLIT, float("inf")),
    ],
)
def test_an_impossible_event_makes_the_history_before_it_unknown(
    event: tuple[int, int, bool, float],
) -> None:
    series = adjusted(np.full((2, 4), 50.0), event)
    np.testing.assert_array_equal(series, [[NAN, NAN, 50.0, 50.0], [50.0] * 4])


def test_returns_up_to_a_day_do_not_depend_on_later_events() -> None:
    close = np.linspace(20.0, 60.0, 30)[None, :]
    known = ((0, 5, DIVIDEND, 0.4), (0, 9, SPLIT, 3.0))
    later = ((0, 20, DIVIDEND, 2.0), (0, 25, SPLIT, 0.25))
    before, after = adjusted(close, *known)[0, :20], adjusted(close, *known, *later)[0, :20]
    np.testing.assert_allclose(after[1:] / after[:-1], before[1:] / before[:-1], rtol=1e-14)


def test_without_events_nothing_is_adjusted() -> None:
    none = Actions(*(np.array([], dtype=kind) for kind in (np.int64, "datetime64[D]", bool, float)))
    close = np.array([[10.0, NAN, 11.0]])
    np.testing.assert_array_equal(adjustment_factors(weekdays(3), close, none), np.ones((1, 3)))
