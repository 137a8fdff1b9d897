"""Orders that wait: which session fills them, at which price, and what ends them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import EntryKind, FillAt, OrderOrigin, OrderState
from app.quant.costs import Side
from app.quant.lots import Pick
from app.services import ledger, orders
from app.services.entry import Entry
from app.services.order_life import NotOpen
from tests.services import lives
from tests.services.scenes import Prices, Scene, scene, undone, with_facts, with_split

BUY, SELL = Side.BUY, Side.SELL
D = Decimal
STILL: Prices = (100.0, 100.0, 100.0, 100.0)
Open = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def session(resources: Resources) -> AsyncIterator[AsyncSession]:
    async with undone(resources) as session:
        yield session


@pytest.fixture
def begin(session: AsyncSession, market: MarketSnapshot, resources: Resources) -> Open:
    async def open_scene(*bars: Prices | None, **options: object) -> Scene:
        more = options.pop("more", {})
        assert isinstance(more, dict)
        return await scene(
            session, market, resources.owner_id, {"AAA": bars, **more}, **options  # type: ignore[arg-type]
        )

    return open_scene


async def test_a_limit_order_waits_for_the_first_bar_that_reaches_it(begin: Open) -> None:
    stage = await begin(STILL, (100, 101, 96.5, 97), (90, 91, 89, 90))
    placed = await stage.placed(BUY, "AAA", "10", limit_price="97.00")
    assert placed.trade is None
    (booked,) = await stage.settle(3)
    entry = booked.entry
    assert (entry.session, entry.price, entry.price_date) == (stage.day(2), D(97), stage.day(2))
    assert entry.amount == D("-970.00")
    assert entry.source == "paper"
    assert await stage.life(placed.order.id) == [("filled", 2)]
    shown = await stage.order(placed.order.id)
    assert (shown.state, shown.filled_quantity, shown.fill_price) == (
        OrderState.FILLED,
        D(10),
        D(97),
    )


async def test_a_gap_fills_at_the_open(begin: Open) -> None:
    stage = await begin((90, 92, 88, 91), (80, 81, 79, 80))
    bought = await stage.place(BUY, "AAA", "10", limit_price="97")
    await stage.settle(1)
    stopped = await stage.place(SELL, "AAA", "10", at=1, stop_price="85")
    await stage.settle(2)
    assert (await stage.order(bought)).fill_price == 90
    assert (await stage.order(stopped)).fill_price == 80
    assert await stage.life(stopped) == [("triggered", 2), ("filled", 2)]


async def test_costs_come_on_top_but_never_beyond_the_limit(begin: Open) -> None:
    stage = await begin((100, 100, 98, 99), slippage_pct=0.01, commission=D(1))
    at_open = await stage.place(BUY, "AAA", "10", fill_at=FillAt.NEXT_OPEN)
    limited = await stage.place(BUY, "AAA", "10", limit_price="99.00")
    first, second = await stage.settle(1)
    assert (first.entry.order_id, second.entry.order_id) == (at_open, limited)
    assert (first.entry.reference_price, first.entry.price) == (D(100), D(101))
    assert (second.entry.reference_price, second.entry.price) == (D(99), D(99))
    assert first.entry.amount == D("-1011.00")
    assert second.entry.amount == D("-991.00")


async def test_a_day_order_sees_one_session_and_a_gtc_order_all(begin: Open) -> None:
    stage = await begin(STILL, (95, 96, 94, 95))
    day = await stage.place(BUY, "AAA", "10", limit_price="97", gtc=False)
    gtc = await stage.place(BUY, "AAA", "10", limit_price="97")
    await stage.settle(2)
    assert await stage.life(day) == [("expired", 1)]
    assert (await stage.order(day)).state is OrderState.EXPIRED
    assert await stage.life(gtc) == [("filled", 2)]


async def test_an_order_for_the_next_open_fills_there_or_expires(begin: Open) -> None:
    stage = await begin(None, (103, 104, 102, 103))
    missed = await stage.place(BUY, "AAA", "10", fill_at=FillAt.NEXT_OPEN, gtc=False)
    await stage.settle(1)
    later = await stage.place(BUY, "AAA", "10", at=1, fill_at=FillAt.NEXT_OPEN, gtc=False)
    await stage.settle(2)
    assert await stage.life(missed) == [("expired", 1)]
    assert await stage.life(later) == [("filled", 2)]
    assert (await stage.order(later)).fill_price == 103


async def test_bars_up_to_the_session_of_the_order_never_fill_it(begin: Open) -> None:
    stage = await begin((90, 99, 80, 99), STILL)
    await stage.settle(1)
    order = await stage.place(BUY, "AAA", "10", at=1, limit_price="95")
    assert await stage.settle(2) == ()
    assert (await stage.order(order)).state is OrderState.ACCEPTED


async def test_a_sale_pays_for_a_purchase_of_the_same_session(begin: Open) -> None:
    stage = await begin((100, 100, 100, 100), more={"BBB": (STILL,)}, capital="1000")
    await stage.place(BUY, "AAA", "10")
    assert stage.portfolio.cash == 0
    await pay(stage, "1000")
    bought = await stage.place(BUY, "BBB", "10", fill_at=FillAt.NEXT_OPEN)
    await pay(stage, "-1000")
    sold = await stage.place(SELL, "AAA", "10", fill_at=FillAt.NEXT_OPEN)
    booked = await stage.settle(1)
    assert [each.entry.order_id for each in booked] == [sold, bought]
    assert stage.portfolio.cash == 0


async def pay(stage: Scene, amount: str) -> None:
    kind = "deposit" if D(amount) > 0 else "withdrawal"
    entry = Entry(
        kind=EntryKind(kind),
        session=stage.day(0),
        amount=D(amount),
        reason="test",
        source="test",
    )
    await ledger.book(stage.session, stage.portfolio, entry, now=lives.NOW)


async def test_an_order_that_cash_or_shares_do_not_reach_for_is_rejected_whole(
    begin: Open,
) -> None:
    stage = await begin((95, 95, 95, 95), capital="2000")
    await stage.place(BUY, "AAA", "10")
    rich = await stage.place(BUY, "AAA", "10", limit_price="96")
    poor = await stage.place(BUY, "AAA", "10", limit_price="95.50")
    first = await stage.place(SELL, "AAA", "10", limit_price="94", fill_at=FillAt.NEXT_OPEN)
    second = await stage.place(SELL, "AAA", "10", limit_price="94", fill_at=FillAt.NEXT_OPEN)
    await pay(stage, "-1000")
    booked = await stage.settle(1)
    assert [each.entry.order_id for each in booked] == [first, rich]
    rejected = await stage.order(second)
    assert (rejected.state, rejected.reason_code) == (OrderState.REJECTED, "insufficient_shares")
    assert rejected.message == "The order sells 10.000000 shares and 0 are held."
    rejected = await stage.order(poor)
    assert (rejected.state, rejected.reason_code) == (OrderState.REJECTED, "insufficient_cash")
    assert rejected.message is not None
    assert "950.00 USD is needed" in rejected.message
    assert stage.portfolio.cash == 0


async def test_volume_splits_an_order_over_sessions(begin: Open) -> None:
    # 500,000 shares a session at 100: a 10,000th of them is 50 shares.
    stage = await begin(STILL, None, STILL, max_volume_share=0.0001)
    placed = await stage.placed(BUY, "AAA", "120", limit_price="100")
    assert placed.order.filled_quantity == 50
    await stage.settle(1)
    assert (await stage.order(placed.order.id)).state is OrderState.PARTIALLY_FILLED
    await stage.settle(5)
    assert await stage.life(placed.order.id) == [
        ("partly_filled", 0),
        ("partly_filled", 1),
        ("filled", 3),
    ]
    events = (await stage.order(placed.order.id)).events
    assert [event.quantity for event in events if event.quantity] == [50, 50, 20]
    fills = await stage.session.execute(
        text("SELECT fill_number, quantity FROM ledger_entries WHERE order_id = :id ORDER BY 1"),
        {"id": placed.order.id},
    )
    assert [tuple(fill) for fill in fills] == [(1, 50), (2, 50), (3, 20)]


async def test_a_stop_that_was_set_off_at_once_stays_so_for_what_volume_left_over(
    begin: Open,
) -> None:
    # Set off by the close of 100; the next bar never touches the stop of 100.
    stage = await begin((90, 91, 89, 90), max_volume_share=0.0001)
    placed = await stage.placed(BUY, "AAA", "60", stop_price="100")
    assert placed.order.filled_quantity == 50
    await stage.settle(1)
    shown = await stage.order(placed.order.id)
    assert (shown.state, shown.filled_quantity) == (OrderState.FILLED, D(60))


async def test_what_is_left_of_a_day_order_expires_with_its_fills_kept(begin: Open) -> None:
    stage = await begin(STILL, STILL, max_volume_share=0.0001)
    order = await stage.place(BUY, "AAA", "200", limit_price="100", gtc=False)
    await stage.settle(2)
    assert await stage.life(order) == [("partly_filled", 0), ("partly_filled", 1), ("expired", 1)]
    assert (await stage.order(order)).filled_quantity == 100


async def test_what_cash_does_not_reach_for_any_more_is_cancelled(begin: Open) -> None:
    stage = await begin((100, 100, 100, 100), max_volume_share=0.0001, capital="10000")
    order = await stage.place(BUY, "AAA", "80", limit_price="100")
    await pay(stage, "-4000")
    await stage.settle(1)
    shown = await stage.order(order)
    assert (shown.state, shown.filled_quantity) == (OrderState.CANCELLED, D(50))
    assert shown.reason_code == "insufficient_cash"


async def test_a_fill_is_priced_by_what_was_known_the_session_before(begin: Open) -> None:
    # Up to then the price had never moved: no volatility, no impact.
    stage = await begin((110, 110, 110, 110), impact=1.0)
    order = await stage.place(BUY, "AAA", "100", fill_at=FillAt.NEXT_OPEN)
    await stage.settle(1)
    assert (await stage.order(order)).fill_price == 110


async def test_an_order_that_a_bar_fills_is_too_late_to_cancel(begin: Open) -> None:
    stage = await begin(STILL, (90, 90, 90, 90))
    early = await stage.place(BUY, "AAA", "10", limit_price="95")
    late = await stage.place(BUY, "AAA", "10", limit_price="95")
    cancelled = await orders.cancel(
        stage.session, stage.at(1), stage.portfolio, early, now=stage.now
    )
    assert cancelled.state is OrderState.CANCELLED
    assert await stage.life(early) == [("cancelled_by_user", 1)]
    with pytest.raises(NotOpen, match="filled already"):
        await orders.cancel(stage.session, stage.at(2), stage.portfolio, late, now=stage.now)
    assert await stage.settle(3) == ()
    assert await stage.life(early) == [("cancelled_by_user", 1)]


async def test_a_missing_bar_fills_nothing(begin: Open) -> None:
    stage = await begin(None, None, (90, 90, 90, 90))
    order = await stage.place(BUY, "AAA", "10", limit_price="95")
    assert await stage.settle(2) == ()
    await stage.settle(3)
    assert await stage.life(order) == [("filled", 3)]


async def test_an_order_in_an_etf_that_was_closed_is_cancelled(begin: Open) -> None:
    stage = await begin(STILL, (90, 90, 90, 90))
    order = await stage.place(BUY, "AAA", "10", limit_price="95")
    with_facts(stage, "AAA", closed_on=stage.day(2))
    assert await stage.settle(3) == ()
    shown = await stage.order(order)
    assert (shown.state, shown.reason_code) == (OrderState.CANCELLED, "etf_closed")
    assert await stage.life(order) == [("etf_closed", 2)]


async def test_a_stop_that_was_set_off_stays_so_until_its_limit_is_reached(begin: Open) -> None:
    stage = await begin((100, 100, 94, 94), (93, 93.5, 92, 93), (94, 96, 94, 95))
    await stage.place(BUY, "AAA", "10")
    order = await stage.place(SELL, "AAA", "10", stop_price="95", limit_price="94.50")
    await stage.settle(1)
    assert (await stage.order(order)).triggered_on == stage.day(1)
    await stage.settle(3)
    assert await stage.life(order) == [("triggered", 1), ("filled", 3)]
    assert (await stage.order(order)).fill_price == D("94.50")


async def test_a_split_changes_what_is_ordered_before_the_bar_of_its_ex_date(begin: Open) -> None:
    # Two for one on the second session: 46.00 of a new share is 92.00 of an old one.
    stage = await begin(STILL, (50, 51, 45.5, 46), (46, 46, 46, 46))
    await stage.place(BUY, "AAA", "11")
    bought = await stage.place(BUY, "AAA", "7", limit_price="92.00")
    stopped = await stage.place(SELL, "AAA", "11", stop_price="96.00")
    await with_split(stage, "AAA", "2", on=2)
    await stage.settle(3)
    order = await stage.order(bought)
    assert (order.quantity, order.filled_quantity, order.limit_price) == (D(14), D(14), D(46))
    assert await stage.life(bought) == [("split_adjusted", 2), ("filled", 2)]
    order = await stage.order(stopped)
    assert (order.quantity, order.stop_price, order.fill_price) == (D(22), D(48), D(48))
    assert stage.portfolio.cash == 100_000 - 1100 - 14 * 46 + 22 * 48


async def test_a_split_changes_only_what_is_left_of_an_order(begin: Open) -> None:
    stage = await begin((99, 99, 99, 99), (50, 50, 49, 49), max_volume_share=0.0001)
    order = await stage.place(BUY, "AAA", "80", limit_price="100")
    await with_split(stage, "AAA", "2", on=1)
    await stage.settle(1)
    shown = await stage.order(order)
    # 30 old shares are left and become 60 new ones, at most 50.00 each.
    assert (shown.quantity, shown.limit_price) == (D(110), D(50))
    assert shown.filled_quantity == 50
    await stage.settle(2)
    assert (await stage.order(order)).filled_quantity == 110


async def test_a_reverse_split_that_leaves_no_share_cancels_the_order(begin: Open) -> None:
    stage = await begin((1000, 1000, 900, 950))
    order = await stage.place(BUY, "AAA", "7", limit_price="95")
    await with_split(stage, "AAA", "0.1", on=1)
    assert await stage.settle(1) == ()
    shown = await stage.order(order)
    assert (shown.state, shown.reason_code) == (OrderState.CANCELLED, "split_adjusted")


async def test_a_price_that_a_split_divides_to_nothing_cancels_the_order(begin: Open) -> None:
    stage = await begin((10, 10, 10, 10))
    order = await stage.place(BUY, "AAA", "7", limit_price="0.000004")
    await with_split(stage, "AAA", "10", on=1)
    assert await stage.settle(1) == ()
    shown = await stage.order(order)
    assert (shown.state, shown.reason_code) == (OrderState.CANCELLED, "split_adjusted")


async def test_a_split_cancels_the_sale_of_chosen_lots(begin: Open) -> None:
    stage = await begin((50, 50, 50, 50))
    await stage.place(BUY, "AAA", "10")
    ((lot,),) = (await ledger.read_lots(stage.session, stage.portfolio.id)).values()
    picks = (Pick(lot.number, D(10)),)
    order = await stage.place(SELL, "AAA", "10", limit_price="120", picks=picks)
    await with_split(stage, "AAA", "2", on=1)
    (split,) = await stage.settle(1)
    assert split.entry.kind == "split"
    shown = await stage.order(order)
    assert (shown.state, shown.reason_code) == (OrderState.CANCELLED, "split_adjusted")
    assert shown.message == "A split changed the lots that were chosen: choose them again."


async def test_chosen_lots_that_are_gone_reject_the_order(begin: Open) -> None:
    stage = await begin((105, 105, 105, 105))
    await stage.place(BUY, "AAA", "10")
    await stage.place(BUY, "AAA", "10")
    lots = await ledger.read_lots(stage.session, stage.portfolio.id)
    first, second = (lot.number for lot in lots[lives.etf_id(stage.market, "AAA")])
    picked = [(Pick(first, D(10)),), (Pick(first, D(1)),), (Pick(second, D(4)),)]
    placed = [
        await stage.place(SELL, "AAA", str(picks[0].quantity), limit_price="104", picks=picks)
        for picks in picked
    ]
    await stage.settle(1)
    states = [(await stage.order(order)).state for order in placed]
    assert states == [OrderState.FILLED, OrderState.REJECTED, OrderState.FILLED]
    assert (await stage.order(placed[1])).reason_code == "insufficient_shares"
    left = await ledger.read_lots(stage.session, stage.portfolio.id)
    assert [(lot.number, lot.quantity) for lot in left[lives.etf_id(stage.market, "AAA")]] == [
        (second, D(6))
    ]


async def test_a_stop_sells_what_is_left_of_its_position(begin: Open) -> None:
    stage = await begin(STILL, STILL)
    await stage.place(BUY, "AAA", "10")
    stop = await stage.place(SELL, "AAA", "10", fill_at=FillAt.NEXT_OPEN, origin=OrderOrigin.STOP)
    await stage.place(SELL, "AAA", "4")
    await stage.settle(2)
    shown = await stage.order(stop)
    assert (shown.state, shown.filled_quantity) == (OrderState.CANCELLED, D(6))
    assert await stage.life(stop) == [("partly_filled", 1), ("insufficient_shares", 1)]
    assert await ledger.read_holdings(stage.session, stage.portfolio.id) == {}
