"""How many shares an amount of money buys, exactly, costs included."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext

from app.quant.costs import CENT, EXACT, TOO_LARGE, UNKNOWN, CostModel, Fill, Liquidity, Order, Side

WHOLE = Decimal(1)
MICRO = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Quote:
    """The price an order is sized at (at most 6 decimals), and how the ETF trades."""

    reference: Decimal
    liquidity: Liquidity = UNKNOWN

    def fill(self, side: Side, quantity: Decimal, costs: CostModel) -> Fill:
        return costs.fill(Order(side, quantity, self.reference, self.liquidity))


def rounded_down(amount: Decimal, reference: Decimal, step: Decimal) -> Decimal:
    """The most shares, in multiples of `step`, worth no more than `amount` at `reference`.

    At most as many as an order can have.
    """
    if amount <= 0:
        return Decimal(0)
    with localcontext(EXACT):
        return min(amount // (reference * step) * step, TOO_LARGE - step)


def affordable_quantity(
    cash: Decimal, quote: Quote, costs: CostModel, *, step: Decimal = WHOLE
) -> Decimal:
    """The largest quantity, in multiples of `step`, whose purchase costs at most `cash`.

    Exact in cents: cash equal to the cost is enough, one cent less is not. A purchase never costs
    less than its value at the reference, rounded to cents, so that bounds the search. No cash buys
    nothing, though a few millionths of a share may round to a value of zero.
    """
    if cash <= 0:
        return Decimal(0)
    with localcontext(EXACT):
        highest = int(rounded_down(cash + CENT, quote.reference, step) / step)

        def fits(steps: int) -> bool:
            return -quote.fill(Side.BUY, steps * step, costs).net <= cash

        return largest(highest, fits) * step


def largest(highest: int, fits: Callable[[int], bool]) -> int:
    """The largest of 0..highest that fits, where 0 does and nothing above a misfit does."""
    if highest <= 0:
        return 0
    low, high = 0, highest + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
