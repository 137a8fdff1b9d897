"""The largest affordable quantity is exact: its cost in cash is enough, a cent less is not."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.costs import FREE, CostModel, Liquidity, PerShare, Proportional, Side
from app.quant.sizing import MICRO, WHOLE, Quote, affordable_quantity

CENT = Decimal("0.01")
COSTS = st.sampled_from(
    [
        FREE,
        CostModel(),
        CostModel(
            (Proportional(Decimal("0.002")),),
            (PerShare(Decimal("0.005"), Decimal(1), Decimal("0.01")),),
        ),
    ]
)
QUOTES = st.builds(
    Quote,
    st.decimals(Decimal("0.01"), Decimal(5000), places=6),
    st.sampled_from([Liquidity(), Liquidity(Decimal("0.01"), Decimal(2_000_000))]),
)
STEPS = st.sampled_from([WHOLE, MICRO])


@given(
    cash=st.decimals(CENT, Decimal(10_000_000), places=2),
    quote=QUOTES,
    costs=COSTS,
    step=STEPS,
)
def test_the_quantity_fits_and_one_step_more_does_not(
    cash: Decimal, quote: Quote, costs: CostModel, step: Decimal
) -> None:
    quantity = affordable_quantity(cash, quote, costs, step=step)
    assert quantity % step == 0
    if quantity:
        assert cash + quote.fill(Side.BUY, quantity, costs).net >= 0
    assert cash + quote.fill(Side.BUY, quantity + step, costs).net < 0


@given(quantity=st.integers(1, 100_000), quote=QUOTES, costs=COSTS)
def test_cash_equal_to_the_cost_is_enough_and_one_cent_less_is_not(
    quantity: int, quote: Quote, costs: CostModel
) -> None:
    cost = -quote.fill(Side.BUY, Decimal(quantity), costs).net
    assert affordable_quantity(cost, quote, costs) >= quantity
    assert affordable_quantity(cost - CENT, quote, costs) < quantity


@pytest.mark.parametrize(("cash", "quantity"), [("100.05", 0), ("101.05", 1), ("201.10", 2)])
def test_the_default_costs_are_five_basis_points_and_a_dollar(cash: str, quantity: int) -> None:
    assert affordable_quantity(Decimal(cash), Quote(Decimal(100)), CostModel()) == quantity


def test_no_cash_buys_nothing() -> None:
    for cash in (Decimal(0), Decimal(-5)):
        assert affordable_quantity(cash, Quote(Decimal(10)), FREE, step=MICRO) == 0
