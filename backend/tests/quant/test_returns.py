"""Time-weighted and money-weighted returns against closed forms and constructed roots."""

import math
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.measured import Missing
from app.quant.returns import Flow, Outcome, growth, money_weighted, time_weighted

START = date(2021, 1, 1)
CENTS = st.decimals(Decimal("0.01"), Decimal(1_000_000), places=2)


def after(days: int) -> date:
    return START + timedelta(days=days)


def test_flows_at_the_start_of_the_day_do_not_count_as_return() -> None:
    values = [Decimal(100), Decimal(110), Decimal(165)]
    flows = [Flow(Decimal(0)), Flow(Decimal(40))]
    np.testing.assert_allclose(time_weighted(values, flows), [0.10, 0.10])


def test_money_that_moves_after_the_close_leaves_the_return_of_the_session_alone() -> None:
    values = [Decimal(100), Decimal(70) - Decimal(60), Decimal(11), Decimal(211)]
    flows = [Flow(Decimal(-60), Decimal(-60)), Flow(Decimal(0)), Flow(Decimal(200), Decimal(200))]
    np.testing.assert_allclose(time_weighted(values, flows), [-0.30, 0.10, 0.0])


def test_where_nothing_was_before_money_counts_from_the_start_whenever_it_came() -> None:
    values = [Decimal(0), Decimal(99), Decimal(0)]
    flows = [Flow(Decimal(100), Decimal(100)), Flow(Decimal(-99), Decimal(-99))]
    np.testing.assert_allclose(time_weighted(values, flows), [-0.01, 0.0])


def test_a_session_without_capital_has_no_return() -> None:
    values = [Decimal(100), Decimal(0), Decimal(0), Decimal(51)]
    flows = [Flow(Decimal(flow)) for flow in (-100, 0, 50)]
    returns = time_weighted(values, flows)
    assert np.isnan(returns[:2]).all()
    assert returns[2] == pytest.approx(0.02)


def test_growth_stands_still_where_there_is_no_return() -> None:
    np.testing.assert_allclose(growth(np.array([0.1, np.nan, -0.5])), [1.1, 1.1, 0.55])


def test_values_and_flows_must_fit_together() -> None:
    with pytest.raises(ValueError, match="2 values need 1 flows, got 2"):
        time_weighted([Decimal(1), Decimal(1)], [Flow(Decimal(0)), Flow(Decimal(0))])


@given(st.lists(st.tuples(CENTS, CENTS), min_size=2, max_size=30))
def test_each_return_is_the_exact_quotient(days: list[tuple[Decimal, Decimal]]) -> None:
    values, flows = [v for v, _ in days], [f for _, f in days[1:]]
    exact = [
        float(Fraction(end) / (Fraction(start) + Fraction(flow)) - 1)
        for start, end, flow in zip(values, values[1:], flows, strict=False)
    ]
    found = time_weighted(values, [Flow(flow) for flow in flows])
    np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-15)


def test_ten_percent_in_a_year_is_ten_percent() -> None:
    found = money_weighted([(START, Decimal(-100)), (after(365), Decimal(110))])
    assert found.rate == pytest.approx(0.10, abs=1e-12)


def test_a_year_is_365_calendar_days() -> None:
    found = money_weighted([(START, Decimal(-100)), (after(73), Decimal(110))])
    assert found.rate == pytest.approx(1.1**5 - 1, rel=1e-12)


@pytest.mark.parametrize(
    "flows",
    [
        [],
        [(START, Decimal(-100))],
        [(START, Decimal(-100)), (START, Decimal(100))],
        [(START, Decimal(-100)), (START, Decimal(0))],
        # 1 - x + x^2 has no real root
        [(START, Decimal(1)), (after(365), Decimal(-1)), (after(730), Decimal(1))],
    ],
)
def test_flows_that_no_rate_explains_say_so(flows: list[tuple[date, Decimal]]) -> None:
    assert money_weighted(flows).rate == Missing("no rate of return explains the flows")


@pytest.mark.parametrize(
    "flows",
    [
        [(START, Decimal(-100)), (after(365), Decimal(0))],
        [(START, Decimal(-100)), (after(30), Decimal(-50)), (after(31), Decimal(0))],
        [(START, Decimal(0)), (after(1), Decimal(-100)), (after(2), Decimal(0))],
        [(START, Decimal(-100)), (after(365), Decimal(-5))],
    ],
)
def test_money_of_which_nothing_came_back_lost_all_of_itself(
    flows: list[tuple[date, Decimal]],
) -> None:
    found = money_weighted(flows)
    assert (found.rate, found.rates, found.outcome) == (-1.0, (-1.0,), Outcome.TOTAL_LOSS)


def test_what_was_taken_out_before_the_rest_was_lost_came_back() -> None:
    # 100 = 50 / (1 + r)
    flows = [
        (START, Decimal(-100)),
        (after(365), Decimal(50)),
        (after(730), Decimal(0)),
    ]
    found = money_weighted(flows)
    assert (found.rate, found.outcome) == (pytest.approx(-0.5), Outcome.ONE)


def test_a_loss_of_nearly_everything_within_a_day_is_not_a_total_one() -> None:
    """Its yearly rate rounds to -1."""
    found = money_weighted([(START, Decimal(-100)), (after(1), Decimal("0.01"))])
    assert (found.rate, found.outcome) == (-1.0, Outcome.ONE)


def test_a_total_loss_is_the_limit_of_ever_larger_losses() -> None:
    rates = [
        money_weighted([(START, Decimal(-100)), (after(365), Decimal(left))]).rate
        for left in ("1", "0.01", "0.0001", "0")
    ]
    assert rates == pytest.approx([-0.99, -0.9999, -0.999999, -1.0], abs=1e-12)


def test_it_is_what_the_documentation_of_xirr_gives_as_its_example() -> None:
    """Microsoft Support, "XIRR function": "The internal rate of return (0.373362535 or 37.34%)"."""
    flows = [
        (date(2008, 1, 1), Decimal(-10_000)),
        (date(2008, 3, 1), Decimal(2_750)),
        (date(2008, 10, 30), Decimal(4_250)),
        (date(2009, 2, 15), Decimal(3_250)),
        (date(2009, 4, 1), Decimal(2_750)),
    ]
    assert money_weighted(flows).rate == pytest.approx(0.373362535, abs=1e-8)


@pytest.mark.parametrize(
    ("amounts", "outcome"),
    [
        ([-100, 110], Outcome.ONE),
        ([100, 110], Outcome.NONE),
        ([-100, 230, -132], Outcome.SEVERAL),
        # (x - 1/1.1)(x - 1/1.2)(x - 1/1.3), scaled: three rates
        ([-1000, 3600, -4310, 1716], Outcome.SEVERAL),
    ],
)
def test_none_one_and_several_rates_are_told_apart(amounts: list[int], outcome: Outcome) -> None:
    flows = [(after(365 * year), Decimal(amount)) for year, amount in enumerate(amounts)]
    found = money_weighted(flows)
    assert found.outcome is outcome
    for rate in found.rates:
        worth = sum(amount / (1 + rate) ** year for year, amount in enumerate(amounts))
        assert worth == pytest.approx(0.0, abs=1e-7)
    if len(amounts) == 4:
        assert found.rates == pytest.approx((0.1, 0.2, 0.3), abs=1e-6)


def test_the_textbook_example_with_two_rates_gives_both_and_no_single_one() -> None:
    # -100 + 230 x - 132 x^2 = 0 at x = 1/1.1 and 1/1.2
    flows = [(START, Decimal(-100)), (after(365), Decimal(230)), (after(730), Decimal(-132))]
    found = money_weighted(flows)
    assert found.rates == pytest.approx((0.10, 0.20), abs=1e-10)
    assert found.rate == Missing("several rates of return explain the flows: 10.0%, 20.0%")


def test_a_double_root_is_one_rate() -> None:
    # (1 - 1.1 x)^2
    flows = [(START, Decimal(100)), (after(365), Decimal(-220)), (after(730), Decimal(121))]
    assert money_weighted(flows).rate == pytest.approx(0.10, abs=1e-6)


def test_a_rate_too_large_to_write_down_is_missing() -> None:
    flows = [(START, Decimal(-1)), (after(1), Decimal(10))]
    assert money_weighted(flows).rate == Missing("the flows span too few days for a yearly rate")


@given(
    rates=st.lists(st.integers(-60, 300), min_size=1, max_size=4, unique_by=lambda r: r // 12),
    sign=st.sampled_from([1, -1]),
)
def test_every_constructed_root_is_found(rates: list[int], sign: int) -> None:
    polynomial = np.poly1d([float(sign)])
    for rate in rates:
        polynomial *= np.poly1d([-(1.0 + rate / 100), 1.0])
    coefficients = polynomial.coeffs[::-1]
    flows = [(after(365 * k), Decimal(repr(float(c)))) for k, c in enumerate(coefficients)]
    expected = sorted(rate / 100 for rate in rates)
    assert money_weighted(flows).rates == pytest.approx(expected, abs=1e-4)


@given(
    deposits=st.lists(st.tuples(st.integers(0, 1600), CENTS), min_size=1, max_size=40),
    growth=st.decimals(Decimal("0.5"), Decimal(3), places=2),
)
def test_deposits_and_one_final_value_have_exactly_one_rate(
    deposits: list[tuple[int, Decimal]], growth: Decimal
) -> None:
    flows = [(after(day), -amount) for day, amount in deposits]
    final = -growth * sum((amount for _, amount in flows), Decimal(0))
    (rate,) = money_weighted([*flows, (after(2001), final)]).rates
    grown = [float(-a) * (1.0 + rate) ** ((2001 - (d - START).days) / 365) for d, a in flows]
    assert math.fsum(grown) == pytest.approx(float(final), rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_the_rates_are_those_a_fine_scan_of_the_present_value_finds(seed: int) -> None:
    generator = np.random.default_rng(seed)
    days = np.sort(generator.choice(3000, size=int(generator.integers(3, 12)), replace=False))
    amounts = generator.uniform(-1000, 1000, len(days)).round(2)
    flows = [(after(int(d)), Decimal(repr(float(a)))) for d, a in zip(days, amounts, strict=True)]
    scan = np.linspace(-8.0, 8.0, 80_001)
    worth = np.exp(-np.outer(scan, (days - days[0]) / 365)) @ amounts
    crossings = scan[:-1][np.diff(np.sign(worth)) != 0]
    found = [math.log1p(rate) for rate in money_weighted(flows).rates if -1 < rate < math.inf]
    np.testing.assert_allclose([u for u in found if abs(u) < 8], crossings, atol=2e-4)
