"""The cost model: exact fills, and the float form that agrees with them."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.costs import (
    FREE,
    MAX_MOVE,
    CostModel,
    Fill,
    Liquidity,
    Order,
    PerOrder,
    PerShare,
    Proportional,
    SaleFee,
    Side,
    SquareRootImpact,
    Trades,
)

CENT = Fraction(1, 100)
MICRO = Fraction(1, 10**6)

sides = st.sampled_from(Side)
quantities = st.decimals("0.000001", "100000000", places=6)
prices = st.decimals("0.000001", "1000000", places=6)
fractions = st.decimals("0", "0.05", places=6)
volatilities = st.decimals("0.0001", "0.2", places=10)
daily_values = st.decimals("1", "1000000000000", places=2)


def half_even(value: Fraction, step: Fraction) -> Fraction:
    return round(value / step) * step


def root(value: Fraction) -> Fraction:
    scale = 10**60
    return Fraction(isqrt(value.numerator * scale**2 // value.denominator), scale)


def trades(value: float, price: float = 50.0, sigma: float = np.nan, adv: float = np.nan) -> Trades:
    return Trades(np.array([value]), np.array([sigma]), np.array([adv]), np.array([price]))


def test_a_default_buy_pays_five_basis_points_above_the_reference_and_one_dollar() -> None:
    fill = CostModel().fill(Order(Side.BUY, Decimal(100), Decimal(50)))
    assert fill == Fill(
        Side.BUY,
        Decimal(100),
        Decimal(50),
        price=Decimal("50.025"),
        gross=Decimal("5002.50"),
        fee=Decimal("1.00"),
        net=Decimal("-5003.50"),
    )
    assert fill.cost == Decimal("3.50")


def test_a_default_sale_fills_below_the_reference_and_brings_the_rest_less_the_fee() -> None:
    fill = CostModel().fill(Order(Side.SELL, Decimal(100), Decimal(50)))
    assert (fill.price, fill.net) == (Decimal("49.975"), Decimal("4996.50"))


@settings(deadline=None)
@given(side=sides, quantity=quantities, reference=prices, spread=fractions, sale_fee=fractions)
def test_a_fill_is_the_exact_fraction_rounded_half_even(
    side: Side, quantity: Decimal, reference: Decimal, spread: Decimal, sale_fee: Decimal
) -> None:
    model = CostModel((Proportional(spread),), (PerOrder(Decimal("1.25")), SaleFee(sale_fee)))
    fill = model.fill(Order(side, quantity, reference))

    sign = 1 if side is Side.BUY else -1
    price = max(half_even(Fraction(reference) * (1 + sign * Fraction(spread)), MICRO), MICRO)
    gross = half_even(Fraction(quantity) * price, CENT)
    fee = Fraction(5, 4) + (Fraction(sale_fee) * gross if side is Side.SELL else 0)
    fee = half_even(fee, CENT)
    assert (Fraction(fill.price), Fraction(fill.gross)) == (price, gross)
    assert (Fraction(fill.fee), Fraction(fill.net)) == (fee, -sign * gross - fee)


@settings(deadline=None)
@given(
    side=sides, quantity=quantities, reference=prices, sigma=volatilities, daily_value=daily_values
)
def test_impact_is_the_square_root_law_bounded_at_half_the_price(
    side: Side, quantity: Decimal, reference: Decimal, sigma: Decimal, daily_value: Decimal
) -> None:
    model = CostModel((SquareRootImpact(Decimal("0.1")),), ())
    fill = model.fill(Order(side, quantity, reference, Liquidity(sigma, daily_value)))

    share = Fraction(quantity) * Fraction(reference) / Fraction(daily_value)
    move = min(Fraction(sigma) / 10 * root(share), Fraction(MAX_MOVE))
    price = Fraction(reference) * (1 + move if side is Side.BUY else 1 - move)
    assert abs(Fraction(fill.price) - price) <= MICRO / 2 + Fraction(1, 10**40) or (
        fill.price == Decimal("0.000001") and price < MICRO
    )


@settings(deadline=None)
@given(side=sides, quantity=quantities, reference=prices, sigma=volatilities)
def test_no_fill_is_better_than_the_reference_or_free_of_a_price(
    side: Side, quantity: Decimal, reference: Decimal, sigma: Decimal
) -> None:
    fill = CostModel().fill(Order(side, quantity, reference, Liquidity(sigma, Decimal("0.01"))))
    assert fill.price > 0
    assert fill.price >= reference if side is Side.BUY else fill.price <= reference
    assert fill.net == fill.net.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


@settings(deadline=None)
@given(
    side=sides,
    quantity=st.decimals("1", "100000", places=6),
    reference=st.decimals("1", "1000", places=6),
    sigma=volatilities,
    daily_value=st.decimals("1000000", "1000000000", places=2),
)
def test_the_expected_cost_agrees_with_the_fill_but_for_rounding(
    side: Side, quantity: Decimal, reference: Decimal, sigma: Decimal, daily_value: Decimal
) -> None:
    per_share = PerShare(Decimal("0.005"), Decimal(1), Decimal("0.01"))
    model = CostModel(fees=(PerOrder(), per_share, SaleFee(Decimal("0.00002"))))
    fill = model.fill(Order(side, quantity, reference, Liquidity(sigma, daily_value)))

    value = float(quantity * reference) * (1 if side is Side.BUY else -1)
    expected = model.expected(trades(value, float(reference), float(sigma), float(daily_value)))
    # Fees follow the value filled, the expectation the value at the reference: 1 % of the slippage.
    slack = (
        0.02 + 1e-6 * float(quantity) + 0.011 * abs(float(fill.price / reference) - 1) * abs(value)
    )
    assert float(fill.cost) == pytest.approx(expected[0], abs=slack)


def test_commission_per_share_has_a_minimum_and_a_cap_and_the_cap_wins() -> None:
    model = CostModel((), (PerShare(Decimal("0.005"), Decimal(1), Decimal("0.01")),))
    cases = {"1000": "5.00", "10": "1.00", "1": "0.50"}
    fees = {n: model.fill(Order(Side.BUY, Decimal(n), Decimal(50))).fee for n in cases}
    assert fees == {n: Decimal(fee) for n, fee in cases.items()}


def test_impact_is_off_where_volume_or_volatility_is_unknown() -> None:
    impact = CostModel((SquareRootImpact(),), ())
    for liquidity in (Liquidity(), Liquidity(Decimal("0.01")), Liquidity.measured(0.01, np.nan)):
        order = Order(Side.BUY, Decimal(10**6), Decimal(50), liquidity)
        assert impact.fill(order).price == Decimal(50)
    assert impact.expected(trades(1e9, sigma=0.01))[0] == 0.0


def test_a_statistic_that_says_nothing_is_unknown() -> None:
    for nothing in (np.nan, np.inf, 0.0, -1.0, 1e-30):
        assert Liquidity.measured(nothing, nothing) == Liquidity()


def test_trading_nothing_is_expected_to_cost_nothing() -> None:
    model = CostModel(fees=(PerOrder(), PerShare(Decimal("0.01"), Decimal(1))))
    assert model.expected(trades(0.0, sigma=0.01, adv=1e6))[0] == 0.0


def test_without_bricks_trading_is_free() -> None:
    fill = FREE.fill(Order(Side.SELL, Decimal(3), Decimal("7.77")))
    assert (fill.price, fill.net, fill.fee) == (Decimal("7.77"), Decimal("23.31"), Decimal(0))
    assert FREE.expected(trades(1e6))[0] == FREE.proportional(trades(1e6))[0] == 0.0


def test_the_proportional_part_leaves_out_what_is_fixed_and_charges_sales_their_fee() -> None:
    model = CostModel(fees=(PerOrder(), PerShare(Decimal("0.005")), SaleFee(Decimal("0.0001"))))
    bought, sold = (model.proportional(trades(v, sigma=0.01, adv=1e6))[0] for v in (1e4, -1e4))
    assert bought == pytest.approx(0.0005 + 0.1 * 0.01 * 0.1 + 0.0001)
    assert sold == pytest.approx(bought + 0.0001)


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "Infinity", "1.0000001", "1E+12", "1E+100"])
def test_an_order_without_a_clean_quantity_and_price_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        Order(Side.BUY, Decimal(bad), Decimal(1))
    with pytest.raises(ValueError, match="reference"):
        Order(Side.BUY, Decimal(1), Decimal(bad))


@pytest.mark.parametrize(
    ("price", "gross"),
    [("0.125", "0.12"), ("0.135", "0.14"), ("2.354999", "2.35"), ("2.345001", "2.35")],
)
def test_the_value_of_a_fill_is_rounded_half_even_and_once(price: str, gross: str) -> None:
    fill = FREE.fill(Order(Side.BUY, Decimal(1), Decimal(price)))
    assert fill.gross == -fill.net == Decimal(gross)
