"""The books against what the clients know, by arithmetic of our own: SQL and GET answers alone.

Everything is exact: amounts are fractions, compared without a tolerance.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import httpx2

from tests.reliability.installation import Installation
from tests.reliability.instructions import Kind
from tests.reliability.journal import Journal, Record
from tests.reliability.ledger import TRADES, Kept, Ledger, Order, Row, read_ledger
from tests.reliability.load import CAPITAL

CASH = {Kind.DEPOSIT, Kind.WITHDRAWAL}


def findings(installation: Installation, journal: Journal) -> list[str]:
    """Every difference as a sentence; empty if nothing was lost, doubled or invented.

    Both servers run and nobody trades.
    """
    portfolio_ids = sorted({r.instruction.portfolio_id for r in journal.records.values()})
    ledger = read_ledger(installation.database.address, portfolio_ids)
    with httpx2.Client(base_url=installation.api.address, trust_env=False) as http:
        shown = [line for i in portfolio_ids for line in _shown(http, i, ledger.of(i))]
    return [*differences(journal, ledger), *shown]


def differences(journal: Journal, ledger: Ledger) -> list[str]:
    """Where the ledger is not what the clients sent and read, or cannot be."""
    portfolio_ids = {row.portfolio_id for row in ledger.rows}
    return [
        *(f"{key} was never settled" for key in journal.unsettled()),
        *(f"an answer was {answer.status}" for answer in journal.unforeseen()),
        *(f"a key took another body: {a.status}" for a in journal.misused if a.acknowledges),
        *_of_records(journal, ledger),
        *_invented(journal, ledger),
        *_of_orders(journal, ledger),
        *(line for i in portfolio_ids for line in _impossible(ledger.of(i))),
    ]


def _of_records(journal: Journal, ledger: Ledger) -> Iterator[str]:
    """Lost, doubled, or told otherwise than done."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in ledger.rows:
        rows[row.key or ""].append(row)
    for key, record in journal.records.items():
        if len({answer.body for answer in record.acknowledged}) > 1:
            yield f"{key} was answered in two ways"
        if record.instruction.kind is Kind.REBALANCE:
            yield from _of_rebalance(record, ledger)
        elif record.instruction.kind is not Kind.RESTING:
            yield from _of_one_entry(record, rows[key], ledger.kept.get(key))


def _of_one_entry(record: Record, rows: Sequence[Row], kept: Kept | None) -> Iterator[str]:
    key = record.instruction.key
    if len(rows) > 1:
        yield f"{key} is in the ledger {len(rows)} times"
    if record.acknowledged and not rows:
        yield f"{key} was acknowledged and is lost"
    if rows and record.certainly_refused:
        yield f"{key} was refused and is in the ledger"
    if rows and kept is None:
        yield f"{key} is in the ledger and its answer was not kept"
    for row in rows[:1]:
        if not _is_what_was_asked(record, row):
            yield f"{key} is in the ledger as something else: {row}"
        for answer in record.acknowledged[:1]:
            if not _is_what_was_told(json.loads(answer.body), row):
                yield f"{key} was told otherwise than done: {row}"


def _is_what_was_asked(record: Record, row: Row) -> bool:
    instruction = record.instruction
    asked = instruction.asked
    if (row.portfolio_id, row.kind) != (instruction.portfolio_id, instruction.kind.value):
        return False
    if instruction.kind in CASH:
        return row.amount == Fraction(asked["amount"])
    assert row.quantity is not None
    assert row.price is not None
    if "quantity" in asked:
        return row.ticker == asked["ticker"] and row.quantity == Fraction(asked["quantity"])
    most = row.fee - row.amount if row.kind == "sell" else -row.amount
    return row.ticker == asked["ticker"] and abs(most) <= Fraction(asked["notional"])


def _is_what_was_told(told: dict[str, Any], row: Row) -> bool:
    if "net_amount" not in told:
        return (told["sequence"], Fraction(told["amount"])) == (row.sequence, row.amount)
    return (
        told["sequence"],
        told["order_id"],
        Fraction(told["quantity"]),
        Fraction(told["fill_price"]),
        Fraction(told["fee"]),
        Fraction(told["net_amount"]),
    ) == (row.sequence, row.order_id, row.quantity, row.price, row.fee, row.amount)


def _of_rebalance(record: Record, ledger: Ledger) -> Iterator[str]:
    """Its answer names its event; the fills of the answer are the entries of the event."""
    key = record.instruction.key
    kept = ledger.kept.get(key)
    if kept is None and record.acknowledged:
        yield f"{key} was acknowledged and is lost"
    if kept is not None and record.certainly_refused:
        yield f"{key} was refused and was carried out"
    if kept is None:
        return
    told = json.loads(kept.body)
    if any(answer.body != kept.body for answer in record.acknowledged):
        yield f"{key} was answered otherwise than is kept"
    entries = [row for row in ledger.rows if row.event_id == told["id"]]
    fills = [fill for fill in told["fills"] if fill["sequence"] is not None]
    done = {(row.sequence, row.ticker, row.kind, row.quantity, row.amount) for row in entries}
    said = {
        (f["sequence"], f["ticker"], f["side"], Fraction(f["quantity"]), Fraction(f["net_amount"]))
        for f in fills
    }
    if done != said or len(entries) != len(said):
        yield f"{key}: the entries of its event are not its fills"


def _invented(journal: Journal, ledger: Ledger) -> Iterator[str]:
    """Entries, events and orders that nobody asked for."""
    rebalances = {
        json.loads(kept.body)["id"]
        for key, kept in ledger.kept.items()
        if key in journal.records and journal.records[key].instruction.kind is Kind.REBALANCE
    }
    for event_id in ledger.events - rebalances:
        yield f"the rebalance event {event_id} belongs to no request"
    everything: tuple[Row | Order, ...] = (*ledger.rows, *ledger.orders)
    for entry in everything:
        asked = entry.event_id in rebalances if entry.event_id else entry.key in journal.records
        if not (asked or _opens(entry)):
            yield f"nobody asked for {entry}"


def _opens(entry: Row | Order) -> bool:
    return isinstance(entry, Row) and (entry.sequence, entry.amount) == (1, Fraction(CAPITAL))


def _of_orders(journal: Journal, ledger: Ledger) -> Iterator[str]:
    """Orders that are lost, doubled, or filled otherwise than the ledger says."""
    filled = defaultdict[str | None, Fraction](Fraction)
    for row in ledger.rows:
        filled[row.order_id] += row.quantity or 0
    for order in ledger.orders:
        if Fraction(order.filled) != filled[order.id]:
            yield f"{order} is filled otherwise than the ledger says"
        if order.states[-1] != order.state:
            yield f"{order} is not in the state of its last event"
    orders = {order.id for order in ledger.orders}
    yield from (f"{i} is no order" for i in filled.keys() - orders - {None})
    doubled = Counter(order.key for order in ledger.orders if order.event_id is None)
    yield from (f"{key} made {number} orders" for key, number in doubled.items() if number > 1)
    entries = Counter(row.order_id for row in ledger.rows if row.order_id)
    yield from (f"the order {order} has {n} entries" for order, n in entries.items() if n > 1)
    for key, record in journal.records.items():
        if record.instruction.path == "/api/trades":
            told = {json.loads(answer.body)["order_id"] for answer in record.acknowledged}
            yield from (f"the order of {key} is lost" for _ in told - orders)
            if key in doubled and record.certainly_refused:
                yield f"{key} was refused and is an order"


def _impossible(rows: Sequence[Row]) -> Iterator[str]:
    """Gaps, wrong sums, and less than nothing after any entry."""
    if [row.sequence for row in rows] != list(range(1, len(rows) + 1)):
        yield f"the sequence of portfolio {rows[0].portfolio_id} has gaps"
    cash, shares = Fraction(0), defaultdict[str, Fraction](Fraction)
    for row in rows:
        cash += row.amount
        if row.kind in TRADES:
            assert row.ticker is not None
            assert row.quantity is not None
            assert row.price is not None
            sign = -1 if row.kind == "buy" else 1
            shares[row.ticker] -= sign * row.quantity
            if row.amount != sign * _cents(row.quantity * row.price) - row.fee:
                yield f"the amount is not quantity times price and fee: {row}"
            if shares[row.ticker] < 0:
                yield f"more was sold than was held: {row}"
        if cash < 0:
            yield f"there was less than no cash: {row}"


def _shown(http: httpx2.Client, portfolio_id: int, rows: Sequence[Row]) -> Iterator[str]:
    """Where the answers of the API differ from the sums of the ledger."""
    cash = sum((row.amount for row in rows), Fraction(0))
    portfolio = http.get(f"/api/portfolios/{portfolio_id}").raise_for_status().json()
    positions = http.get(f"/api/positions/{portfolio_id}").raise_for_status().json()
    values = Fraction(0)
    held = _held(rows)
    for position in positions["positions"]:
        quantity, price = Fraction(position["quantity"]), Fraction(position["price"])
        values += Fraction(position["market_value"])
        if quantity != held.pop(position["ticker"], None):
            yield f"portfolio {portfolio_id}: {position['ticker']} is not what its ledger says"
        if _cents(quantity * price) != Fraction(position["market_value"]):
            yield f"portfolio {portfolio_id}: {position['ticker']} has the wrong value"
    yield from (f"portfolio {portfolio_id}: {ticker} is not shown" for ticker in held)
    if not cash == Fraction(positions["cash"]) == Fraction(portfolio["cash"]):
        yield f"portfolio {portfolio_id}: its cash is not the sum of its ledger"
    totals = {Fraction(shown["total_value"]) for shown in (positions, portfolio)}
    if totals != {cash + values}:
        yield f"portfolio {portfolio_id}: its value is not cash and positions"
    if _listed(http, portfolio_id) != [row.sequence for row in rows if row.kind in TRADES]:
        yield f"portfolio {portfolio_id}: its trades are not those of its ledger"


def _held(rows: Sequence[Row]) -> dict[str, Fraction]:
    shares = defaultdict[str, Fraction](Fraction)
    for row in rows:
        if row.kind in TRADES and row.ticker and row.quantity:
            shares[row.ticker] += row.quantity if row.kind == "buy" else -row.quantity
    return {ticker: quantity for ticker, quantity in shares.items() if quantity}


def _listed(http: httpx2.Client, portfolio_id: int) -> list[int]:
    """The sequence numbers of all trades, page after page."""
    sequences: list[int] = []
    page: list[dict[str, Any]] = [{}]
    while page:
        about = {"limit": 1000, "offset": len(sequences)}
        page = http.get(f"/api/trades/{portfolio_id}", params=about).raise_for_status().json()
        sequences += [trade["sequence"] for trade in page]
    return sequences


def _cents(amount: Fraction) -> Fraction:
    """Rounded once, half to even, as `round` does for fractions."""
    return Fraction(round(amount * 100), 100)
