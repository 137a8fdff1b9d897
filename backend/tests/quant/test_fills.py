"""Which bars fill which orders, against paths of prices through the bar walked step by step."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quant.costs import (
    FREE,
    CostModel,
    Liquidity,
    Order,
    PerOrder,
    PerShare,
    Proportional,
    SaleFee,
    Side,
)
from app.quant.fills import Bar, Met, Wish, fill_within, meet, volume_cap
from app.quant.sizing import MICRO, WHOLE

BUY, SELL = Side.BUY, Side.SELL
CENT = Decimal("0.01")
MIRROR = Decimal(1000)
"""Above every price drawn: p becomes 1000 - p, and a buyer a seller."""

PRICES = st.decimals(Decimal(90), Decimal(110), places=2)
SIDES = st.sampled_from(Side)


def bar(*prices: str) -> Bar:
    """Open, high, low, close."""
    first, high, low, last = map(Decimal, prices)
    return Bar(first, high, low, last)


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    first, one, other, last = (draw(PRICES) for _ in range(4))
    return Bar(first, max(first, one, other, last), min(first, one, other, last), last)


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    stop = draw(st.none() | PRICES)
    triggered = stop is not None and draw(st.booleans())
    return Wish(draw(SIDES), draw(st.none() | PRICES), stop, triggered)


@pytest.mark.parametrize(
    ("wish", "reference"),
    [
        (Wish(BUY), "100"),
        (Wish(SELL), "100"),
        (Wish(BUY, limit_price=Decimal(101)), "100"),
        (Wish(BUY, limit_price=Decimal(98)), "98"),
        (Wish(BUY, limit_price=Decimal(97)), "97"),
        (Wish(BUY, limit_price=Decimal("96.99")), None),
        (Wish(SELL, limit_price=Decimal(99)), "100"),
        (Wish(SELL, limit_price=Decimal(103)), "103"),
        (Wish(SELL, limit_price=Decimal("103.01")), None),
        (Wish(BUY, stop_price=Decimal(99)), "100"),
        (Wish(BUY, stop_price=Decimal(102)), "102"),
        (Wish(BUY, stop_price=Decimal("103.01")), None),
        (Wish(SELL, stop_price=Decimal(101)), "100"),
        (Wish(SELL, stop_price=Decimal(98)), "98"),
        (Wish(SELL, stop_price=Decimal("96.99")), None),
        # Set off before: a market order, or a limit order.
        (Wish(SELL, stop_price=Decimal(90), triggered=True), "100"),
        (Wish(SELL, Decimal(102), Decimal(90), triggered=True), "102"),
        (Wish(SELL, Decimal(104), Decimal(90), triggered=True), None),
        # Opened beyond its stop: a limit order in the same bar.
        (Wish(SELL, Decimal(99), Decimal(101)), "100"),
        (Wish(SELL, Decimal(102), Decimal(101)), "102"),
        (Wish(BUY, Decimal(98), Decimal(99)), "98"),
    ],
)
def test_the_reference_price_of_a_bar_from_100_up_to_103_and_down_to_97(
    wish: Wish, reference: str | None
) -> None:
    met = meet(wish, bar("100", "103", "97", "99"))
    assert (met.reference if met else None) == (Decimal(reference) if reference else None)


def test_a_stop_limit_touched_inside_a_bar_is_set_off_and_waits_for_the_next_one() -> None:
    wish = Wish(SELL, limit_price=Decimal(97), stop_price=Decimal(98))
    touched = bar("100", "101", "96", "99")
    assert meet(wish, touched) == Met(None, Decimal(97), triggered=True)
    assert meet(replace(wish, triggered=True), touched) == Met(Decimal(100), Decimal(97))


def test_a_gap_through_the_stop_fills_at_the_open_however_bad() -> None:
    gap = bar("80", "82", "79", "81")
    assert meet(Wish(SELL, stop_price=Decimal(98)), gap) == Met(Decimal(80), None, triggered=True)
    # With a limit it does not: the range stays below.
    limited = Wish(SELL, limit_price=Decimal(97), stop_price=Decimal(98))
    assert meet(limited, gap) == Met(None, Decimal(97), triggered=True)


def walk(wish: Wish, path: Sequence[Decimal]) -> Met | None:
    """What happens to the order while the price moves along the path in steps of a cent."""
    limit, stop = wish.limit_price, wish.stop_price
    waiting = stop is not None and not wish.triggered
    set_off = False
    for start, end in pairwise(path):
        step = CENT if end > start else -CENT
        for count in range(int(abs(end - start) / CENT) + 1):
            price = start + count * step
            if waiting and stop is not None:
                if price < stop if wish.side is BUY else price > stop:
                    continue
                waiting, set_off = False, True
            if limit is None or (price <= limit if wish.side is BUY else price >= limit):
                return Met(price, limit, set_off)
    return Met(None, limit, set_off) if set_off else None


@given(wish=wishes(), bar=bars())
def test_every_path_through_the_bar_gives_the_same_fill(wish: Wish, bar: Bar) -> None:
    met = meet(wish, bar)
    up_first = [bar.open, bar.high, bar.low, bar.close]
    down_first = [bar.open, bar.low, bar.high, bar.close]
    for walked in (walk(wish, up_first), walk(wish, down_first)):
        if met and met.triggered and met.reference is None:
            # The range does not say whether the limit was reached after the stop.
            assert walked is not None
            assert walked.triggered
        else:
            assert walked == met


@given(wish=wishes(), bar=bars())
def test_a_reference_lies_inside_the_range_and_is_never_worse_than_the_limit(
    wish: Wish, bar: Bar
) -> None:
    met = meet(wish, bar)
    if met is None or met.reference is None:
        return
    assert bar.low <= met.reference <= bar.high
    assert met.limit == wish.limit_price
    if met.limit is not None:
        assert met.reference <= met.limit if wish.side is BUY else met.reference >= met.limit


@given(wish=wishes(), bar=bars())
def test_buying_is_the_mirror_image_of_selling(wish: Wish, bar: Bar) -> None:
    def mirrored(price: Decimal | None) -> Decimal | None:
        return None if price is None else MIRROR - price

    other = SELL if wish.side is BUY else BUY
    image = Wish(other, mirrored(wish.limit_price), mirrored(wish.stop_price), wish.triggered)
    seen = Bar(MIRROR - bar.open, MIRROR - bar.low, MIRROR - bar.high, MIRROR - bar.close)
    met = meet(wish, bar)
    expected = met and Met(mirrored(met.reference), mirrored(met.limit), met.triggered)
    assert meet(image, seen) == expected


@given(wish=wishes(), bar=bars(), better=st.decimals(0, 5, places=2))
def test_who_takes_a_worse_price_is_not_filled_less_often(
    wish: Wish, bar: Bar, better: Decimal
) -> None:
    if wish.limit_price is None:
        return
    worse = wish.limit_price + better if wish.side is BUY else wish.limit_price - better
    met, eager = meet(wish, bar), meet(replace(wish, limit_price=worse), bar)
    if met and met.reference is not None:
        assert eager is not None
        assert eager.reference is not None


@given(wish=wishes(), bar=bars(), wider=st.decimals(0, 5, places=2))
def test_a_wider_range_does_not_fill_less_often(wish: Wish, bar: Bar, wider: Decimal) -> None:
    met = meet(wish, bar)
    if met and met.reference is not None:
        wide = meet(wish, replace(bar, high=bar.high + wider, low=bar.low - wider))
        assert wide is not None
        assert wide.reference == met.reference


@given(wish=wishes(), price=PRICES)
def test_at_one_price_an_order_fills_there_or_not_at_all(wish: Wish, price: Decimal) -> None:
    met = meet(wish, Bar.at(price))
    assert met is None or met.reference in {None, price}


COSTS = st.sampled_from(
    [
        FREE,
        CostModel(),
        CostModel((Proportional(Decimal("0.03")),), (SaleFee(Decimal("0.0001")), PerOrder())),
        CostModel(
            (Proportional(Decimal("0.002")),),
            (PerShare(Decimal("0.005"), Decimal(1), Decimal("0.01")),),
        ),
    ]
)
LIQUIDITY = st.sampled_from([Liquidity(), Liquidity(Decimal("0.02"), Decimal(50_000))])


@given(wish=wishes(), bar=bars(), quantity=st.integers(1, 5000), costs=COSTS, liquidity=LIQUIDITY)
def test_no_fill_is_worse_than_its_limit_whatever_trading_costs(
    wish: Wish, bar: Bar, quantity: int, costs: CostModel, liquidity: Liquidity
) -> None:
    met = meet(wish, bar)
    if met is None or met.reference is None:
        return
    order = Order(wish.side, Decimal(quantity), met.reference, liquidity)
    fill, free = fill_within(order, costs, met.limit), costs.fill(order)
    if met.limit is None:
        assert fill == free
        return
    worst = min if wish.side is BUY else max
    assert fill.price == worst(free.price, met.limit)
    assert fill.reference == met.reference
    assert fill.gross == round(fill.price * quantity, 2)
    assert fill.fee == round(sum(fee.charge(order, fill.gross) for fee in costs.fees), 2)
    assert fill.net == (-fill.gross - fill.fee if wish.side is BUY else fill.gross - fill.fee)


def test_a_limit_caps_the_price_and_the_commission_stays() -> None:
    # 100 shares at 50 with 1 % of slippage would cost 50.50 each; the limit is 50.20.
    costs = CostModel((Proportional(Decimal("0.01")),), (PerOrder(Decimal(1)),))
    order = Order(BUY, Decimal(100), Decimal(50))
    fill = fill_within(order, costs, Decimal("50.20"))
    assert (fill.price, fill.gross, fill.fee) == (Decimal("50.20"), Decimal(5020), Decimal(1))
    assert fill.net == Decimal(-5021)
    assert fill.cost == Decimal(21)


def test_a_reference_beyond_the_limit_is_no_fill() -> None:
    with pytest.raises(ValueError, match="worse than the limit"):
        fill_within(Order(SELL, Decimal(1), Decimal(10)), CostModel(), Decimal("10.01"))


@pytest.mark.parametrize(
    ("median", "step", "most"),
    [
        # A tenth of 12,345 USD a session at 100 USD: 12 shares, or 12.345 of them.
        (Decimal(12_345), WHOLE, Decimal(12)),
        (Decimal(12_345), MICRO, Decimal("12.345")),
        (Decimal(900), WHOLE, Decimal(0)),
        (Decimal(0), WHOLE, None),
        (None, WHOLE, None),
    ],
)
def test_an_order_trades_at_most_a_share_of_the_median_value(
    median: Decimal | None, step: Decimal, most: Decimal | None
) -> None:
    assert volume_cap(median, Decimal(100), Decimal("0.1"), step) == most


@given(
    median=st.decimals(1, 10**9, places=2),
    reference=st.decimals(CENT, 5000, places=6),
    share=st.decimals(CENT, 1, places=2),
    step=st.sampled_from([WHOLE, MICRO]),
)
def test_the_most_shares_fit_and_one_step_more_does_not(
    median: Decimal, reference: Decimal, share: Decimal, step: Decimal
) -> None:
    most = volume_cap(median, reference, share, step)
    assert most is not None
    assert most % step == 0
    assert most * reference <= median * share
    assert (most + step) * reference > median * share


def test_an_open_or_close_outside_the_range_is_moved_to_its_edge() -> None:
    printed = Bar.printed((Decimal(105), Decimal(103), Decimal(97), Decimal(96)))
    assert printed == bar("103", "103", "97", "97")


@pytest.mark.parametrize(
    "prices", [("1", "1", "0", "1"), ("2", "3", "2.5", "3"), ("4", "3", "2", "3")]
)
def test_a_bar_has_its_prices_in_order(prices: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"of a bar|a bar needs"):
        bar(*prices)
