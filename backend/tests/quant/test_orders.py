"""Orders from target weights: exact cash, sales first, nothing too small, and a reason for each."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.book import Book, Market, Proposal, total_value, weights_of
from app.quant.costs import FREE, CostModel, Liquidity, Side
from app.quant.errors import QuantError
from app.quant.orders import OrderSettings, deploy, propose
from app.quant.sizing import Quote

WHOLE, FRACTIONAL = OrderSettings(), OrderSettings(fractional=True)
ANY_SIZE = OrderSettings(min_trade=Decimal(0))
D = Decimal


def market(costs: CostModel = FREE, **prices: str) -> Market:
    return Market({ticker: Quote(D(price)) for ticker, price in prices.items()}, costs)


def quantities(proposal: Proposal) -> dict[str, Decimal]:
    signs = {Side.BUY: 1, Side.SELL: -1}
    return {order.ticker: signs[order.side] * order.quantity for order in proposal.orders}


def reasons(proposal: Proposal) -> dict[str, str]:
    made = {order.ticker: order.reason for order in proposal.orders}
    return made | {order.ticker: order.reason for order in proposal.dropped}


def test_cash_becomes_the_targets_in_whole_shares() -> None:
    found = propose({"A": 0.5, "B": 0.45}, Book(D(10_000)), market(A="30", B="70"), WHOLE)
    assert quantities(found) == {"A": 166, "B": 64}
    assert found.after == Book(D("540.00"), {"A": D(166), "B": D(64)})


def test_fractional_shares_are_rounded_down_to_six_decimals() -> None:
    found = propose({"A": 0.5}, Book(D(1000)), market(A="30"), FRACTIONAL)
    assert quantities(found) == {"A": D("16.666666")}


def test_sales_come_first_and_pay_for_purchases() -> None:
    book = Book(D(0), {"OLD": D(100), "KEPT": D(100)})
    found = propose({"KEPT": 0.4, "NEW": 0.6}, book, market(OLD="50", KEPT="50", NEW="20"), WHOLE)
    assert [(o.side, o.ticker, o.quantity) for o in found.orders] == [
        (Side.SELL, "OLD", D(100)),
        (Side.SELL, "KEPT", D(20)),
        (Side.BUY, "NEW", D(300)),
    ]
    assert found.after.cash == 0


def test_every_order_says_why() -> None:
    book = Book(D(2000), {"GONE": D(10), "OVER": D(50), "UNDER": D(20)})
    prices = market(GONE="100", OVER="100", UNDER="100", NEW="100")
    noted = Market(prices.quotes, FREE, notes={"NEW": "rank 3 of 766"})
    found = propose({"OVER": 0.4, "UNDER": 0.3, "NEW": 0.3}, book, noted, WHOLE)
    assert reasons(found) == {
        "GONE": "left the target set",
        "OVER": "10.0 points over target",
        "UNDER": "10.0 points under target",
        "NEW": "enters the target set: rank 3 of 766",
    }


def test_a_small_order_is_dropped_unless_it_closes_a_position() -> None:
    book = Book(D(98_500), {"DUST": D("0.5"), "NEAR": D(10)})
    found = propose({"NEAR": 0.0149}, book, market(DUST="1000", NEAR="100"), WHOLE)
    assert quantities(found) == {"DUST": D("-0.5")}
    assert found.dropped[0].reason == "worth 400.00, under the minimum trade of 500.00"


def test_less_than_a_share_is_no_order() -> None:
    found = propose({"A": 0.5}, Book(D(1000)), market(A="501"), ANY_SIZE)
    assert found.orders == ()
    assert reasons(found) == {"A": "one share is worth more than the gap"}


@pytest.mark.parametrize("targets", [{}, {"A": 1e-9}])
def test_what_is_worth_no_more_than_a_cent_is_not_traded(targets: dict[str, float]) -> None:
    rules = OrderSettings(min_trade=D(0), fractional=True)
    held = Book(D(100), {"A": D("0.000100")})
    found = propose(targets, held, market(CostModel(), A="100"), rules)
    assert found.orders == ()
    assert reasons(found) == {"A": "worth no more than a cent"}
    tiny = propose({"A": 0.00005}, Book(D(100)), market(A="100"), rules)
    assert reasons(tiny) == {"A": "worth no more than a cent"}


def test_when_costs_leave_too_little_cash_all_purchases_shrink_alike() -> None:
    found = propose(
        {"A": 0.5, "B": 0.5}, Book(D(100_000)), market(CostModel(), A="10", B="10"), FRACTIONAL
    )
    assert quantities(found)["A"] == quantities(found)["B"]
    assert 0 <= found.after.cash < D("0.11")
    assert "reduced to 99.9% because cash is short" in reasons(found)["A"]


def test_the_smallest_purchases_are_given_up_when_money_is_too_thin() -> None:
    book = Book(D(1000), {"HELD": D(99)})
    blocked = Market(
        market(HELD="1000", A="1", B="1", C="1").quotes,
        FREE,
        blocked={"HELD": "its price is stale"},
    )
    found = propose({"A": 0.03, "B": 0.02, "C": 0.01}, book, blocked, WHOLE)
    # all three would get 500, 333, 167; without C 600 and 400; without B too
    assert quantities(found) == {"A": 1000}
    assert reasons(found)["HELD"] == "its price is stale"
    assert "because cash is short, under the minimum trade of 500.00" in reasons(found)["C"]


def test_a_blocked_name_is_neither_bought_nor_sold() -> None:
    book = Book(D(1000), {"A": D(10)})
    halted = Market(
        market(A="100", B="100").quotes, FREE, blocked={"A": "it is delisted", "B": "it is halted"}
    )
    found = propose({"B": 0.5}, book, halted, WHOLE)
    assert found.orders == ()
    assert reasons(found) == {"A": "it is delisted", "B": "it is halted"}


def test_a_wanted_name_without_a_price_is_dropped_and_a_held_one_is_an_error() -> None:
    found = propose({"A": 0.5}, Book(D(1000)), market(), WHOLE)
    assert reasons(found) == {"A": "there is no price"}
    with pytest.raises(QuantError, match="There is no price for A"):
        propose({}, Book(D(0), {"A": D(1)}), market(), WHOLE)


def test_a_sale_whose_fee_cash_cannot_cover_waits() -> None:
    book = Book(D("0.10"), {"A": D("0.01")})
    found = propose({}, book, market(CostModel(), A="50"), FRACTIONAL)
    assert found.orders == ()
    assert reasons(found) == {"A": "selling it costs 0.50 more than it brings, which cash lacks"}


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"A": -0.1}, "zero or more"),
        ({"A": float("nan")}, "zero or more"),
        ({"A": 0.7, "B": 0.5}, "add up to 1.2000"),
    ],
)
def test_targets_that_are_no_weights_are_refused(targets: dict[str, float], message: str) -> None:
    with pytest.raises(QuantError, match=message):
        propose(targets, Book(D(1000)), market(A="1", B="1"), WHOLE)


def test_new_cash_goes_to_what_names_lack_and_nothing_is_sold() -> None:
    book = Book(D(2000), {"OVER": D(60), "UNDER": D(20)})
    prices = market(OVER="100", UNDER="100", NEW="100")
    found = deploy(
        D(1000), {"OVER": 0.3, "UNDER": 0.4, "NEW": 0.2}, book, prices, settings=FRACTIONAL
    )
    # UNDER and NEW each lack 2,000; a thousand is a quarter of that
    assert quantities(found) == {"UNDER": 5, "NEW": 5}
    assert found.after.cash == 1000
    assert reasons(found)["UNDER"] == (
        "20.0 points under target; reduced to 25.0% by the amount to invest"
    )


def test_new_cash_beyond_what_names_lack_stays_cash() -> None:
    found = deploy(D(900), {"A": 0.5}, Book(D(1000)), market(A="10"), settings=WHOLE)
    assert found.after.cash == 500


def test_more_than_the_cash_cannot_be_invested() -> None:
    with pytest.raises(QuantError, match=r"needs 0.50 more than the cash of 100"):
        deploy(D("100.50"), {}, Book(D("100.00")), market(), settings=WHOLE)
    with pytest.raises(QuantError, match="must be positive"):
        deploy(D(0), {}, Book(D(100)), market(), settings=WHOLE)


def test_weights_are_fractions_of_the_whole_book() -> None:
    book = Book(D(250), {"B": D(5), "A": D(10)})
    assert weights_of(book, market(A="50", B="50").quotes) == {"A": 0.5, "B": 0.25}
    assert weights_of(Book(D(0)), {}) == {}


TICKERS = "ABCDEFGH"
WEIGHTS = st.dictionaries(st.sampled_from(TICKERS), st.floats(0.0, 0.25), max_size=4)
PRICES = st.decimals(D("0.5"), D(900), places=4)
SHARES = st.dictionaries(
    st.sampled_from(TICKERS), st.decimals(D("0.000001"), D(5000), places=6), max_size=5
)


@dataclass(frozen=True)
class Case:
    weights: dict[str, float]
    book: Book
    market: Market
    rules: OrderSettings


@st.composite
def cases(draw: st.DrawFn) -> Case:
    prices = draw(st.lists(PRICES, min_size=8, max_size=8))
    liquidity = draw(st.sampled_from([Liquidity(), Liquidity(D("0.02"), D(1_000_000))]))
    quotes = {t: Quote(p, liquidity) for t, p in zip(TICKERS, prices, strict=True)}
    return Case(
        draw(WEIGHTS),
        Book(draw(st.decimals(D(0), D(200_000), places=2)), draw(SHARES)),
        Market(quotes, draw(st.sampled_from([FREE, CostModel()]))),
        draw(st.sampled_from([WHOLE, FRACTIONAL, ANY_SIZE])),
    )


@settings(max_examples=200)
@given(case=cases())
def test_no_prefix_of_a_proposal_overdraws_or_oversells(case: Case) -> None:
    book, quotes = case.book, case.market.quotes
    found = propose(case.weights, book, case.market, case.rules)
    minimum = Fraction(case.rules.min_trade) * Fraction(total_value(book, quotes))
    money, held = Fraction(book.cash), {t: Fraction(q) for t, q in book.shares.items()}
    sides = [order.side for order in found.orders]
    assert sides == sorted(sides, key=lambda side: side is Side.BUY)
    for order in found.orders:
        sign = 1 if order.side is Side.BUY else -1
        fill = quotes[order.ticker].fill(order.side, order.quantity, case.market.costs)
        assert (order.net, order.estimated_cost) == (fill.net, fill.cost)
        money += Fraction(order.net)
        held[order.ticker] = held.get(order.ticker, Fraction(0)) + sign * Fraction(order.quantity)
        closes = order.side is Side.SELL and held[order.ticker] == 0
        exact = Fraction(order.quantity) * Fraction(order.reference_price)
        assert money >= 0
        assert held[order.ticker] >= 0
        assert closes or exact >= minimum
        assert fill.gross > 0
        assert closes or order.quantity % case.rules.step == 0
    assert Fraction(found.after.cash) == money
    assert found.after.cash == found.after.cash.quantize(D("0.01"))
    assert {t: Fraction(q) for t, q in found.after.shares.items()} == {
        t: q for t, q in held.items() if q
    }


def test_a_weight_too_small_to_see_does_not_sell_what_holds_it() -> None:
    book = Book(D(0), {"A": D("2.000000")})
    found = propose({"A": 3e-227}, book, market(A="10"), FRACTIONAL)
    assert quantities(found) == {"A": D("-1.999999")}


@given(case=cases())
def test_trading_never_overshoots_a_target(case: Case) -> None:
    book, quotes = case.book, case.market.quotes
    total = Fraction(total_value(book, quotes))
    found = propose(case.weights, book, case.market, case.rules)
    for order in found.orders:
        target = Fraction(repr(case.weights.get(order.ticker, 0.0))) * total
        value = Fraction(found.after.shares.get(order.ticker, D(0))) * Fraction(
            quotes[order.ticker].reference
        )
        assert value <= target if order.side is Side.BUY else value >= target
    assert {t for t in book.shares if not case.weights.get(t)} <= set(reasons(found))


@given(case=cases())
def test_the_same_question_gets_the_same_answer_in_any_order(case: Case) -> None:
    first = propose(case.weights, case.book, case.market, case.rules)
    book = Book(case.book.cash, dict(reversed(list(case.book.shares.items()))))
    again = propose(dict(reversed(case.weights.items())), book, case.market, case.rules)
    assert (first.orders, first.dropped) == (again.orders, again.dropped)
