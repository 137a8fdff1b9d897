"""That the audit sees what it is there to see: each fault by itself, in a small ledger by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from tests.reliability import audit
from tests.reliability.instructions import Instruction, Kind
from tests.reliability.journal import Answer, Journal
from tests.reliability.ledger import Kept, Ledger, Order, Row

DEPOSIT = Row(1, 1, "deposit", None, None, None, Fraction(0), Fraction(100_000), None, None, None)
BUY = Row(
    *(1, 2, "buy", "AAA", Fraction(3), Fraction("40.25"), Fraction(1), Fraction("-121.75")),
    *("order of buy", "buy", None),
)
PAID_OUT = Row(1, 3, "withdrawal", None, None, None, Fraction(0), Fraction(-10), None, "out", None)
ORDER = Order("order of buy", "buy", None, "filled", "3", ["new", "accepted", "filled"])
PATH = {
    Kind.BUY: "/api/trades",
    Kind.SELL: "/api/trades",
    Kind.WITHDRAWAL: "/api/portfolios/1/cash",
}
LEDGER = (DEPOSIT, BUY, PAID_OUT)
RECEIPT = {
    "sequence": 2,
    "order_id": "order of buy",
    "quantity": "3.000000",
    "fill_price": "40.250000",
    "fee": "1.00",
    "net_amount": "-121.75",
}


@pytest.fixture
def journal() -> Journal:
    """One buy and one withdrawal acknowledged, and one sale refused."""
    journal = Journal()
    trade = {"portfolio_id": 1, "ticker": "AAA", "quantity": "3"}
    bought = journal.record(asked("buy", Kind.BUY, trade))
    journal.note(bought, answer(201, RECEIPT))
    paid_out = journal.record(asked("out", Kind.WITHDRAWAL, {"amount": "-10.00"}))
    journal.note(paid_out, answer(201, {"sequence": 3, "amount": "-10.00"}))
    journal.note(journal.record(asked("sell", Kind.SELL, trade)), answer(422, {}))
    return journal


def asked(key: str, kind: Kind, body: object) -> Instruction:
    path = "/api/portfolios/1/cash" if kind is Kind.WITHDRAWAL else "/api/trades"
    return Instruction(key, kind, 1, path, json.dumps(body).encode())


def answer(status: int, told: object) -> Answer:
    return Answer(status, json.dumps(told).encode(), None, 0.0, 0.0)


def kept(journal: Journal) -> dict[str, Kept]:
    return {
        key: Kept(key, record.answers[0].status, record.answers[0].body)
        for key, record in journal.records.items()
        if record.acknowledged
    }


def found(
    journal: Journal,
    *rows: Row,
    events: frozenset[int] = frozenset(),
    orders: tuple[Order, ...] = (ORDER,),
) -> str:
    ledger = Ledger(rows, kept(journal), events, orders)
    return "\n".join(audit.differences(journal, ledger))


def test_a_ledger_without_fault_has_no_findings(journal: Journal) -> None:
    assert found(journal, *LEDGER) == ""


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        ((DEPOSIT, PAID_OUT), "buy was acknowledged and is lost"),
        ((DEPOSIT, BUY), "out was acknowledged and is lost"),
        ((*LEDGER, replace(BUY, sequence=4)), "buy is in the ledger 2 times"),
        ((*LEDGER, replace(BUY, sequence=4, key="x")), "nobody asked for"),
        ((*LEDGER, replace(BUY, sequence=4, key="x")), "has 2 entries"),
        ((*LEDGER, replace(BUY, sequence=4, event_id=7)), "nobody asked for"),
        ((*LEDGER, replace(PAID_OUT, sequence=5, key="x")), "has gaps"),
        ((*LEDGER, replace(BUY, sequence=4, key="sell", kind="sell")), "sell was refused and is"),
        ((DEPOSIT, replace(BUY, amount=Fraction("-121.76")), PAID_OUT), "told otherwise than done"),
        ((DEPOSIT, replace(BUY, amount=Fraction("-121.76")), PAID_OUT), "is not quantity times"),
        ((DEPOSIT, replace(BUY, quantity=Fraction(4)), PAID_OUT), "as something else"),
        ((DEPOSIT, BUY, replace(PAID_OUT, amount=Fraction(-11))), "as something else"),
        ((replace(DEPOSIT, amount=Fraction(121)), BUY, PAID_OUT), "there was less than no cash"),
        ((DEPOSIT, replace(BUY, kind="sell"), PAID_OUT), "more was sold than was held"),
    ],
)
def test_every_fault_is_found(journal: Journal, faulty: tuple[Row, ...], says: str) -> None:
    assert says in found(journal, *faulty)


def test_a_rebalance_that_nobody_asked_for_is_found(journal: Journal) -> None:
    assert "event 7 belongs to no request" in found(journal, *LEDGER, events=frozenset({7}))


@pytest.mark.parametrize(
    ("orders", "says"),
    [
        ((), "the order of buy is lost"),
        ((), "order of buy is no order"),
        ((ORDER, replace(ORDER, id="other")), "buy made 2 orders"),
        ((ORDER, replace(ORDER, id="other", key="x")), "nobody asked for"),
        ((ORDER, replace(ORDER, id="other", event_id=7)), "nobody asked for"),
        ((ORDER, replace(ORDER, id="other", key="sell", filled="0")), "was refused and is an"),
        ((replace(ORDER, filled="2"),), "filled otherwise than the ledger says"),
        ((replace(ORDER, state="cancelled"),), "not in the state of its last event"),
    ],
)
def test_every_fault_of_an_order_is_found(
    journal: Journal, orders: tuple[Order, ...], says: str
) -> None:
    assert says in found(journal, *LEDGER, orders=orders)


def _unsettled(journal: Journal) -> None:
    journal.record(asked("cut", Kind.BUY, {})).unread += 1


def _contradicted(journal: Journal) -> None:
    journal.note(journal.records["buy"], answer(201, {**RECEIPT, "cash": "0.00"}))


def _crashed(journal: Journal) -> None:
    journal.note(journal.records["buy"], answer(500, {}))


def _misused(journal: Journal) -> None:
    journal.misused.append(answer(201, {}))


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (_unsettled, "cut was never settled"),
        (_contradicted, "buy was answered in two ways"),
        (_crashed, "an answer was 500"),
        (_misused, "a key took another body"),
    ],
)
def test_wrong_answers_are_found(
    journal: Journal, told: Callable[[Journal], None], says: str
) -> None:
    told(journal)
    assert says in found(journal, *LEDGER)
