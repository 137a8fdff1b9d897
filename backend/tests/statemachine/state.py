"""What the database says of a portfolio, and whether it is what it must be."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from tests.statemachine.book import Row
from tests.statemachine.exact import NONE
from tests.statemachine.model import Model
from tests.statemachine.tape import SESSIONS
from tests.statemachine.world import World

STATE = """
    SELECT cash::text, last_sequence, status,
        (SELECT array_agg(array[etf_id::text, quantity::text, cost_basis::text,
                                opened_on::text])
         FROM positions WHERE portfolio_id = p.id),
        (SELECT array_agg(array[etf_id::text, number::text, acquired_on::text, quantity::text,
                                cost::text])
         FROM tax_lots WHERE portfolio_id = p.id),
        (SELECT array_agg(array[id::text, etf_id::text, state, quantity::text,
                                filled_quantity::text, limit_price::text, stop_price::text])
         FROM orders WHERE portfolio_id = p.id AND (id = ANY(%(changed)s::uuid[]))),
        (SELECT count(*) FROM orders WHERE portfolio_id = p.id),
        (SELECT count(*) FROM orders WHERE portfolio_id = p.id
            AND state IN ('new', 'accepted', 'partially_filled'))
    FROM portfolios p WHERE id = %(portfolio_id)s
    """
LEDGER = """
    SELECT sequence, kind, etf_id, quantity::text, price::text, fee::text, amount::text,
        session::text, order_id::text, idempotency_key, fill_number
    FROM ledger_entries WHERE portfolio_id = %(portfolio_id)s AND sequence > %(seen)s
    ORDER BY sequence
    """
WRONG = """
    WITH ledger AS (SELECT * FROM ledger_entries WHERE portfolio_id = %(portfolio_id)s),
    running AS (SELECT sum(amount) OVER (ORDER BY sequence) AS cash FROM ledger),
    filled AS (
        SELECT o.id, o.filled_quantity,
            (SELECT coalesce(sum(quantity), 0) FROM order_events WHERE order_id = o.id) AS told,
            (SELECT count(DISTINCT state) FROM order_events
             WHERE order_id = o.id AND state = o.state) AS ends_in_it
        FROM orders o WHERE portfolio_id = %(portfolio_id)s)
    SELECT 'cash below zero' FROM running WHERE cash < 0
    UNION ALL SELECT 'a gap in the sequence' FROM ledger
        HAVING count(*) <> coalesce(max(sequence), 0) OR count(DISTINCT sequence) <> count(*)
    UNION ALL SELECT 'cash is not its ledger' FROM portfolios
        WHERE id = %(portfolio_id)s AND cash <> (SELECT coalesce(sum(amount), 0) FROM ledger)
    UNION ALL SELECT 'a trade without its order' FROM ledger l
        LEFT JOIN orders o ON o.id = l.order_id AND o.portfolio_id = l.portfolio_id
            AND o.side = l.kind AND o.etf_id = l.etf_id
        WHERE l.kind IN ('buy', 'sell') AND o.id IS NULL
    UNION ALL SELECT 'a key with two orders' FROM orders
        WHERE portfolio_id = %(portfolio_id)s AND origin = 'user' AND idempotency_key IS NOT NULL
        GROUP BY idempotency_key HAVING count(*) > 1
    UNION ALL SELECT 'an order whose life tells otherwise' FROM filled
        WHERE told <> filled_quantity OR ends_in_it = 0
    """

VALUES = """
    SELECT session, (cash + positions_value)::text FROM portfolio_values
    WHERE portfolio_id = %(portfolio_id)s ORDER BY session
    """


def compare(world: World, model: Model, *, seen: int) -> None:
    """P1 to P5 after a step: everything there is equals the model; of the ledger what is new."""
    changed = [str(order_id) for order_id in model.orders]
    ((cash, last, status, positions, lots, orders, total, waiting),) = world.rows(
        STATE, changed=changed
    )
    _same("cash", Fraction(cash), model.cash)
    _same("entries", last, len(model.rows))
    _same("closed", status == "closed", model.closed)
    _same("positions", _positions(positions), _model_positions(model))
    _same("lots", _lots(lots), _model_lots(model))
    _same("orders", (total, waiting), (len(model.orders), _waiting(model)))
    _same("orders", _orders(orders), _model_orders(model))
    written = [_row(row) for row in world.rows(LEDGER, seen=seen)]
    _same("ledger", written, [_model_row(model, each) for each in range(seen, len(model.rows))])


def _same(what: str, has: object, must: object) -> None:
    assert has == must, f"{what}\n  has  {said(has)}\n  must {said(must)}"


def said(value: object) -> object:
    """Fractions as people read them."""
    match value:
        case Fraction():
            return float(value)
        case list() | tuple():
            return [said(each) for each in value]
        case dict():
            return {key: said(each) for key, each in value.items()}
        case _:
            return value


def _waiting(model: Model) -> int:
    return sum(order.is_open for order in model.orders.values())


def compare_values(world: World, model: Model, *, since: int) -> None:
    """P1 at every close: the stored value is cash and positions by what counts for that day."""
    stored = {day: Fraction(total) for day, total in world.rows(VALUES)}
    days = range(since, model.tape.latest + 1)
    _same("values", stored, {SESSIONS[day]: model.worth(day) for day in days})


def require_sound(world: World) -> None:
    """What must hold of any ledger and its orders, in one query."""
    assert world.rows(WRONG) == []


def _positions(found: Sequence[Any] | None) -> dict[int, tuple[object, ...]]:
    return {
        int(etf): (Fraction(quantity), Fraction(basis), opened)
        for etf, quantity, basis, opened in found or ()
    }


def _model_positions(model: Model) -> dict[int, tuple[object, ...]]:
    return {
        model.tape.ids[etf]: (held.quantity, held.basis, str(SESSIONS[held.opened_on]))
        for etf, held in model.holdings.items()
    }


def _lots(found: Sequence[Any] | None) -> dict[int, tuple[object, ...]]:
    return {
        int(number): (int(etf), acquired, Fraction(quantity), Fraction(cost))
        for etf, number, acquired, quantity, cost in found or ()
    }


def _model_lots(model: Model) -> dict[int, tuple[object, ...]]:
    return {
        lot.number: (model.tape.ids[etf], str(lot.acquired_on), lot.quantity, lot.cost)
        for etf, lots in model.lots.items()
        for lot in lots
    }


def _orders(found: Sequence[Any] | None) -> dict[str, tuple[object, ...]]:
    return {
        order_id: (int(etf), state, *map(Fraction, filled), *map(_maybe, prices))
        for order_id, etf, state, *numbers in found or ()
        for filled, prices in [(numbers[:2], numbers[2:])]
    }


def _model_orders(model: Model) -> dict[str, tuple[object, ...]]:
    return {
        str(order.id): (
            model.tape.ids[order.etf],
            order.state,
            order.quantity,
            order.filled,
            order.limit,
            order.stop,
        )
        for order in model.orders.values()
    }


def _row(row: Any) -> tuple[object, ...]:
    sequence, kind, etf, quantity, price, fee, amount, session, order, key, number = row
    assert (number is None) == (order is None)
    return (
        sequence,
        kind,
        etf,
        _maybe(quantity),
        _maybe(price),
        Fraction(fee),
        Fraction(amount),
        session,
        order,
        key,
    )


def _model_row(model: Model, number: int) -> tuple[object, ...]:
    row: Row = model.rows[number]
    return (
        number + 1,
        row.kind,
        None if row.etf is None else model.tape.ids[row.etf],
        row.quantity,
        row.price,
        row.fee or NONE,
        row.amount,
        str(SESSIONS[row.day]),
        None if row.order is None else str(row.order),
        row.key,
    )


def _maybe(value: str | None) -> Fraction | None:
    return None if value is None else Fraction(value)
