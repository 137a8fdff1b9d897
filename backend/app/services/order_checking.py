"""Whether orders, their fills in the ledger and their events tell the same story."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

# A trade without an order of its own portfolio, ETF and side.
_STRAY = text("""
    SELECT entry.portfolio_id, entry.sequence
    FROM ledger_entries AS entry LEFT JOIN orders ON orders.id = entry.order_id
        AND orders.portfolio_id = entry.portfolio_id AND orders.etf_id = entry.etf_id
        AND orders.side = entry.kind
    WHERE entry.kind IN ('buy', 'sell') AND orders.id IS NULL
    ORDER BY entry.portfolio_id, entry.sequence
    """)

_STORIES = """
    WITH fills AS (
        SELECT order_id, count(*) AS fills, max(fill_number) AS last_fill, sum(quantity) AS filled
        FROM ledger_entries WHERE order_id IS NOT NULL GROUP BY order_id
    ), events AS (
        SELECT order_id, count(*) AS events, max(number) AS last_event, sum(quantity) AS told,
            count(quantity) AS fills_told,
            (array_agg(state ORDER BY number DESC))[1] AS last_state,
            (array_agg(reason_code ORDER BY number DESC))[1] AS last_code
        FROM order_events GROUP BY order_id
    ), stories AS (
        SELECT orders.id, orders.portfolio_id, orders.state, orders.reason_code,
            orders.quantity, orders.filled_quantity,
            coalesce(fills.fills, 0) AS fills, coalesce(fills.last_fill, 0) AS last_fill,
            coalesce(fills.filled, 0) AS filled,
            coalesce(events.events, 0) AS events, coalesce(events.last_event, 0) AS last_event,
            coalesce(events.told, 0) AS told, coalesce(events.fills_told, 0) AS fills_told,
            events.last_state, events.last_code
        FROM orders LEFT JOIN fills ON fills.order_id = orders.id
            LEFT JOIN events ON events.order_id = orders.id
    )
    """
_WRONG = text(f"""
    {_STORIES}
    SELECT * FROM stories
    WHERE filled_quantity <> filled OR fills <> last_fill
        OR filled <> told OR fills <> fills_told
        OR events = 0 OR events <> last_event
        OR last_state <> state OR last_code <> reason_code
        OR (state IN ('new', 'accepted', 'rejected') AND filled_quantity <> 0)
        OR (state = 'partially_filled' AND filled_quantity = 0)
        OR (state = 'filled') <> (filled_quantity = quantity)
    ORDER BY portfolio_id, id
    """)  # noqa: S608 - nothing in it comes from outside


async def check(session: AsyncSession) -> tuple[int, list[tuple[int, str]]]:
    """How many orders there are, and each difference with the portfolio it is in."""
    wrong: list[tuple[int, str]] = [
        (row.portfolio_id, f"entry {row.sequence} is the fill of no order of its ETF and side")
        for row in await session.execute(_STRAY)
    ]
    for row in await session.execute(_WRONG):
        wrong += [(row.portfolio_id, f"order {row.id} {said}") for said in _differences(row)]
    count = await session.scalar(text("SELECT count(*) FROM orders"))
    return int(count or 0), wrong


def _differences(order: Row[Any]) -> Iterator[str]:
    if order.filled_quantity != order.filled:
        yield (f"has {order.filled_quantity} shares filled, its fills in the ledger {order.filled}")
    if order.filled != order.told or order.fills != order.fills_told:
        yield (
            f"has {order.fills} fills of {order.filled} shares in the ledger, its events tell of "
            f"{order.fills_told} of {order.told}"
        )
    if order.fills != order.last_fill:
        yield "has fills whose numbers do not count from 1 without a gap"
    if order.events == 0 or order.events != order.last_event:
        yield "has events whose numbers do not count from 1 without a gap"
    elif (order.last_state, order.last_code) != (order.state, order.reason_code):
        yield (
            f"is {order.state} ({order.reason_code}), its last event says {order.last_state} "
            f"({order.last_code})"
        )
    none, part = order.filled_quantity == 0, order.filled_quantity < order.quantity
    if (
        (order.state in {"new", "accepted", "rejected"} and not none)
        or (order.state == "partially_filled" and (none or not part))
        or (order.state == "filled" and part)
    ):
        yield f"is {order.state} with {order.filled_quantity} of {order.quantity} shares filled"
