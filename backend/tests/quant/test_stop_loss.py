"""Stops: the VIX decides the threshold, exact prices decide the breach, bad prices never sell."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.measured import Missing
from app.quant.stop_loss import (
    Holding,
    PriceState,
    StopPolicy,
    Threshold,
    Vix,
    VixRegime,
    assess,
    in_cooldown,
    stop_price,
    threshold,
)

POLICY = StopPolicy()
TWELVE = Threshold(0.12, VixRegime.NORMAL)


def holding(
    price: str | None, state: PriceState = PriceState.GOOD, *, highest: str = "100"
) -> Holding:
    return Holding("SPY", Decimal(100), Decimal(highest), Decimal(price) if price else None, state)


@pytest.mark.parametrize(
    ("close", "fall", "regime"),
    [
        (14.99, 0.15, VixRegime.LOW),
        (15.0, 0.12, VixRegime.NORMAL),
        (25.0, 0.12, VixRegime.NORMAL),
        (25.01, 0.10, VixRegime.HIGH),
    ],
)
def test_the_vix_sets_the_threshold(close: float, fall: float, regime: VixRegime) -> None:
    assert threshold(POLICY, Vix(close, 0)) == Threshold(fall, regime)


def test_a_vix_of_three_sessions_ago_still_counts_and_an_older_one_is_warned_of() -> None:
    assert threshold(POLICY, Vix(30.0, 3)) == Threshold(0.10, VixRegime.HIGH)
    old = threshold(POLICY, Vix(30.0, 4))
    assert (old.fall, old.regime) == (0.12, VixRegime.UNKNOWN)
    assert old.warning == "the VIX is 4 sessions old; the fixed stop of 12% applies"


@pytest.mark.parametrize("vix", [None, Vix(float("nan"), 0), Vix(0.0, 0)])
def test_an_unknown_vix_gives_the_fixed_threshold_and_a_warning(vix: Vix | None) -> None:
    found = threshold(StopPolicy(fixed=0.08), vix)
    assert (found.fall, found.regime) == (0.08, VixRegime.UNKNOWN)
    assert found.warning == "the VIX is unknown; the fixed stop of 8% applies"


def test_without_the_adjustment_the_fixed_threshold_holds_and_needs_no_warning() -> None:
    policy = StopPolicy(use_vix_adjustment=False)
    assert threshold(policy, Vix(40.0, 0)) == Threshold(0.12, VixRegime.HIGH)
    assert threshold(policy, None).warning is None


def test_the_stop_acts_at_its_price_and_not_a_cent_above() -> None:
    at, above = (assess(holding(p), POLICY, TWELVE) for p in ("88", "88.01"))
    assert at.exit is not None
    assert at.exit.reason == "SPY at 88 is 12.0% below the entry price of 100; the stop is 12.0%."
    assert (at.stop_price, at.drawdown, at.distance) == (Decimal(88), 0.12, 0.0)
    assert above.exit is None


def test_at_risk_begins_within_a_fifth_of_the_threshold() -> None:
    inside, outside = (assess(holding(p), POLICY, TWELVE) for p in ("90.40", "90.41"))
    assert inside.at_risk
    assert inside.distance == pytest.approx(0.024)
    assert not outside.at_risk


def test_trailing_measures_from_the_highest_close() -> None:
    trailing = StopPolicy(trailing=True)
    status = assess(holding("105", highest="120"), trailing, TWELVE)
    assert status.exit is not None
    assert status.stop_price == Decimal("105.6")
    assert assess(holding("105", highest="120"), POLICY, TWELVE).exit is None


@pytest.mark.parametrize("state", [PriceState.STALE, PriceState.QUARANTINED])
def test_a_price_that_is_not_good_never_sells(state: PriceState) -> None:
    status = assess(holding("1", state), POLICY, TWELVE)
    assert status.exit is None
    assert status.note == f"the price is {state}, so the stop does not act"


def test_a_stale_price_is_measured_and_a_missing_one_is_not() -> None:
    assert assess(holding("88", PriceState.STALE), POLICY, TWELVE).drawdown == 0.12
    unknown = assess(holding(None, PriceState.MISSING), POLICY, TWELVE)
    assert unknown.drawdown == unknown.distance == Missing("the price is missing")
    assert not unknown.at_risk


def test_a_name_stopped_out_is_barred_for_21_sessions() -> None:
    assert [in_cooldown(k, POLICY) for k in (0, 1, 21, 22)] == [True, True, True, False]


PRICES = st.decimals(Decimal("0.01"), Decimal(10_000), places=4)


@given(entry=PRICES, price=PRICES, fall=st.sampled_from([0.10, 0.12, 0.15, 0.075]))
def test_distance_breach_and_risk_agree_with_exact_fractions(
    entry: Decimal, price: Decimal, fall: float
) -> None:
    status = assess(Holding("X", entry, entry, price), POLICY, Threshold(fall, VixRegime.NORMAL))
    limit = Fraction(str(fall))
    drawdown = 1 - Fraction(price) / Fraction(entry)
    assert (status.exit is not None) == (drawdown >= limit)
    assert status.at_risk == (limit - drawdown <= limit / 5)
    assert status.drawdown == pytest.approx(float(drawdown))
    assert status.distance == pytest.approx(float(limit - drawdown))
    assert Fraction(stop_price(entry, fall)) == Fraction(entry) * (1 - limit)


def test_a_position_that_cost_next_to_nothing_is_not_measured_and_never_sold() -> None:
    gift = Holding("AAA", Decimal(0), Decimal(0), Decimal(100))
    status = assess(gift, StopPolicy(), threshold(StopPolicy(), None))
    assert status.exit is None
    assert not status.at_risk
    assert isinstance(status.drawdown, Missing)
    assert "rounds to nothing" in status.drawdown.reason
