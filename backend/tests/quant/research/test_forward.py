"""When a return begins, when it ends, and what becomes of an ETF on the way."""

from dataclasses import replace

import numpy as np
import pytest

from app.quant.research.forward import Entry
from tests.quant.factors.markets import panel_of
from tests.quant.research.markets import after, signals_of, walk


def test_a_return_begins_at_the_close_after_the_score() -> None:
    panel = panel_of(np.array([[1.0, 2.0, 4.0, 5.0, 8.0]]))
    found = after(signals_of(np.ones((5, 1))), panel, 1, 2)
    np.testing.assert_allclose(found.returns[0], [1.0, 0.25, 0.6, np.nan, np.nan])
    np.testing.assert_allclose(found.returns[1], [1.5, 1.0, np.nan, np.nan, np.nan])
    assert found.incomplete.tolist() == [2, 3]
    assert found.unfilled == 0


def test_or_at_the_next_open_and_ends_at_an_open() -> None:
    panel = panel_of(np.array([[1.0, 2.0, 4.0, 5.0]]))
    opens = np.array([[1.0, 1.6, 3.2, 4.8]])
    scores = signals_of(np.ones((4, 1)))
    found = after(scores, panel, 1, entry=Entry.NEXT_OPEN, opens=opens)
    np.testing.assert_allclose(found.returns[0], [1.0, 0.5, np.nan, np.nan])


def test_opens_as_traded_are_adjusted_as_their_closes_are() -> None:
    """A split of two for one between the second and the third session."""
    traded = np.array([[100.0, 100.0, 50.0, 50.0]])
    panel = replace(panel_of(traded), adjusted=np.full((1, 4), 50.0))
    opens = np.array([[100.0, 98.0, 49.0, 51.0]])
    scores = signals_of(np.ones((4, 1)))
    found = after(scores, panel, 1, entry=Entry.NEXT_OPEN, opens=opens)
    np.testing.assert_allclose(found.returns[0, :2], [0.0, 51.0 / 49.0 - 1.0])


def test_an_etf_that_ends_is_held_at_its_last_price() -> None:
    closes = np.array([[10.0, 10.0, 12.0, np.nan, np.nan, np.nan], [1.0] * 6])
    found = after(signals_of(np.ones((2, 2))), panel_of(closes), 1, 3)
    np.testing.assert_allclose(found.returns[0], [0.2, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(found.returns[1], [0.2, 0.0, 0.0, 0.0])
    assert found.ended.tolist() == [1, 2]
    assert found.incomplete.tolist() == [0, 0]


def test_an_etf_without_a_price_to_enter_at_is_counted_and_left_out() -> None:
    closes = np.array([[10.0, np.nan, 12.0, 12.0, 12.0], [1.0] * 5])
    found = after(signals_of(np.ones((2, 2))), panel_of(closes), 1)
    np.testing.assert_allclose(found.returns[0], [np.nan, 0.0, 0.0, 0.0])
    assert found.unfilled == 1
    assert found.enterable.tolist() == [False, True, True, True]


@pytest.mark.parametrize("entry", list(Entry))
def test_no_return_reads_a_price_beyond_its_horizon_or_before_its_entry(entry: Entry) -> None:
    panel = walk(6, 60)
    opens = panel.close * 1.001
    scores = signals_of(np.ones((60, 6)))
    plain = after(scores, panel, 5, entry=entry, opens=opens)
    changed = panel.close.copy()
    changed[:, 40:] *= 7.0
    changed[:, :10] *= 3.0
    other = after(
        scores, panel_of(changed), 5, entry=entry, opens=np.where(changed > 0, changed * 1.001, 0)
    )
    session = scores.session_of
    untouched = (session + 1 >= 10) & (session + 1 + 5 < 40)
    np.testing.assert_array_equal(plain.returns[0, untouched], other.returns[0, untouched])
    assert (plain.returns[0, session + 1 + 5 == 40] != other.returns[0, session + 6 == 40]).all()


def test_the_last_session_of_the_data_has_no_return_to_come() -> None:
    panel = walk(3, 30)
    found = after(signals_of(np.ones((30, 3))), panel, 1, 28, 29, 500)
    sessions_with_one = np.isfinite(found.returns).sum(axis=1) // 3
    assert sessions_with_one.tolist() == [28, 1, 0, 0]
    assert (sessions_with_one + found.incomplete).tolist() == [30] * 4
