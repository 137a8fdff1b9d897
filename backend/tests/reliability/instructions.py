"""What clients ask for: buys, sells, cash in and out, rebalances, and bodies that are wrong."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from random import Random

from tests.small_market import TICKERS


class Kind(StrEnum):
    BUY = "buy"
    SELL = "sell"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    RESTING = "resting"
    """A limit order that no price meets: an order, and nothing in the ledger."""
    REBALANCE = "rebalance"
    FAULTY = "faulty"


SHARE = {
    Kind.BUY: 40,
    Kind.SELL: 25,
    Kind.RESTING: 5,
    Kind.DEPOSIT: 8,
    Kind.WITHDRAWAL: 9,
    Kind.REBALANCE: 6,
    Kind.FAULTY: 7,
}
"""Of a hundred instructions."""

FAULTY_TRADES = (
    '{"portfolio_id": %d, "ticker": "AAA", "side": "buy"',
    '{"portfolio_id": %d, "ticker": "AAA", "side": "buy", "quantity": "-1"}',
    '{"portfolio_id": %d, "ticker": "AAA", "side": "buy", "quantity": NaN}',
    '{"portfolio_id": %d, "ticker": "AAA", "side": "buy", "quantity": 1e999999999}',
    '{"portfolio_id": %d, "ticker": "AAA", "side": "buy", "quantity": "0.0000001"}',
    '{"portfolio_id": %d, "ticker": "AAA", "side": "buy", "quantity": 1, "notional": 1}',
    '{"portfolio_id": %d, "ticker": "AAA", "side": "hold", "quantity": 1}',
    '{"portfolio_id": %d, "ticker": "\\ud800", "side": "buy", "quantity": 1}',
    '{"portfolio_id": %d, "ticker": "ZZZZ", "side": "buy", "quantity": 1}',
    '{"portfolio_id": %d, "ticker": "GONE", "side": "buy", "quantity": 1}',
    '{"portfolio_id": %d, "ticker": "AAA", "side": "buy", "quantity": 1, "price": "0.01"}',
    "[%d]",
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One unsafe request; sent any number of times, it is still the one with this key.

    Money is moved with the key as its note, so that the ledger shows it for cash as for trades.
    """

    key: str
    kind: Kind
    portfolio_id: int
    path: str
    body: bytes

    @property
    def asked(self) -> dict[str, str]:
        """The fields of a body that is not faulty."""
        fields: dict[str, str] = json.loads(self.body)
        return fields

    @property
    def otherwise(self) -> bytes:
        """A body that asks for something else."""
        if self.kind is Kind.REBALANCE:
            return b'{"execute": true}'
        name = next(each for each in ("amount", "quantity", "notional") if each in self.asked)
        digits = self.asked[name].removeprefix("-")
        sign = "-" if digits != self.asked[name] else ""
        return _json(self.asked | {name: f"{sign}1{digits}"})


def instructions(portfolio_ids: Sequence[int], seed: int) -> Iterator[Instruction]:
    """Without end; the same ones for the same seed."""
    random = Random(seed)
    for number in count():
        kind = random.choices(tuple(SHARE), tuple(SHARE.values()))[0]
        yield one(kind, random.choice(portfolio_ids), f"{seed}-{number}", random)


def one(kind: Kind, portfolio_id: int, key: str, random: Random) -> Instruction:
    """An instruction of this kind; its amounts are random, and some are more than there is."""
    if kind is Kind.REBALANCE:
        path = f"/api/positions/{portfolio_id}/rebalance"
        return Instruction(key, kind, portfolio_id, path, b'{"execute": true, "force": true}')
    if kind in {Kind.DEPOSIT, Kind.WITHDRAWAL}:
        amount = random.randint(1, 100_000) * (1 if kind is Kind.DEPOSIT else -1)
        body = {"amount": _decimal(amount, 2), "note": key}
        return Instruction(
            key, kind, portfolio_id, f"/api/portfolios/{portfolio_id}/cash", _json(body)
        )
    if kind is Kind.FAULTY:
        faulty = (random.choice(FAULTY_TRADES) % portfolio_id).encode()
        return Instruction(key, kind, portfolio_id, "/api/trades", faulty)
    trade = {"portfolio_id": portfolio_id, "ticker": random.choice(TICKERS)}
    if kind is Kind.RESTING:
        limit = {"order_type": "limit", "limit_price": "1.00", "time_in_force": "gtc"}
        trade |= {"side": "buy", "quantity": "1.5", **limit}
    else:
        trade |= {"side": kind.value, **_size(random)}
    return Instruction(key, kind, portfolio_id, "/api/trades", _json(trade))


def _size(random: Random) -> dict[str, str]:
    if random.random() < 0.2:
        return {"notional": _decimal(random.randint(1_000, 100_000), 2)}
    return {"quantity": _decimal(random.randint(1, 10_000_000), 6)}


def _decimal(units: int, places: int) -> str:
    whole, rest = divmod(abs(units), 10**places)
    return f"{'-' if units < 0 else ''}{whole}.{rest:0{places}}"


def _json(body: object) -> bytes:
    return json.dumps(body).encode()
