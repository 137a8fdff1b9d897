"""What a simulation answers: every session, every trade, every decision."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np

from app.quant.backtest.movement import Movement
from app.quant.backtest.state import Because, Record, Records, State, Why
from app.quant.backtest.tape import Tape
from app.quant.backtest.units import SHARE
from app.quant.costs import Side
from app.quant.panel import DateArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Undecided:
    """A column at whose close the rules had no answer, and why: the book stayed as it was."""

    column: int
    reason: str


@dataclass(frozen=True, slots=True)
class SimulatedTrade:
    """One fill, in USD and shares. `decided` and `column` are columns of the panel; `ordered` is
    what was wanted before cash or volume cut it, `of_volume` its part of the average daily value
    traded, None where that is unknown."""

    column: int
    decided: int
    row: int
    side: Side
    quantity: Decimal
    ordered: Decimal
    reference: Decimal
    price: Decimal
    gross: Decimal
    fee: Decimal
    net: Decimal
    cost: Decimal
    why: Why
    reason: str
    of_volume: float | None


@dataclass(frozen=True, slots=True)
class SimulatedPosition:
    """What is held at the end, in shares and USD."""

    row: int
    quantity: Decimal
    cost_basis: Decimal
    price: Decimal
    opened: int
    target: float


@dataclass(frozen=True)
class Simulation:
    """`days`, `trades` and `decisions` are records as in `state`, in cents and millionths; `days`
    and `class_values` (cents per session and asset class) have one entry per session lived through,
    of which `sessions` are the dates. `movements` are what ETFs did to the book beside trades."""

    tape: Tape
    first: int
    sessions: DateArray
    days: Records
    trades: Records
    decisions: Records
    class_values: IntArray
    positions: tuple[SimulatedPosition, ...]
    undecided: tuple[Undecided, ...]
    movements: tuple[Movement, ...] = ()

    @classmethod
    def of(
        cls,
        tape: Tape,
        span: tuple[int, int],
        state: State,
        undecided: tuple[Undecided, ...],
        movements: tuple[Movement, ...] = (),
    ) -> "Simulation":
        """Of a life from the first to the last column of `span`."""
        now, lived = state.now[0], slice(span[0], span[1] + 1)
        return cls(
            tape=tape,
            first=span[0],
            sessions=tape.panel.sessions[lived],
            days=state.days[lived],
            trades=state.trades[: now["trades"]],
            decisions=state.decisions[: now["decisions"]],
            class_values=state.class_values[lived],
            positions=tuple(_positions(state)),
            undecided=undecided,
            movements=movements,
        )

    @cached_property
    def values(self) -> FloatArray:
        """What the book was worth at each close, in USD."""
        return (self.days["cash"] + self.days["positions"]) / 100.0

    @cached_property
    def returns(self) -> FloatArray:
        """Of each session after the first; money that came or went did so at its opening. NaN
        where there was nothing."""
        total = self.days["cash"] + self.days["positions"]
        start = total[:-1] + self.days["flow"][1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = total[1:] / start
        return np.where(start > 0, growth - 1.0, np.nan)

    def trade(self, number: int) -> SimulatedTrade:
        found = self.trades[number]
        of_volume = float(found["of_volume"])
        return SimulatedTrade(
            column=int(found["column"]),
            decided=int(found["decided"]),
            row=int(found["row"]),
            side=Side.BUY if found["buys"] else Side.SELL,
            quantity=_millionths(found["quantity"]),
            ordered=_millionths(found["ordered"]),
            reference=_millionths(found["reference"]),
            price=_millionths(found["price"]),
            gross=_cents(found["gross"]),
            fee=_cents(found["fee"]),
            net=_cents(found["net"]),
            cost=_cents(found["cost"]),
            why=Why(int(found["why"])),
            reason=_reason(found),
            of_volume=None if np.isnan(of_volume) else of_volume,
        )

    def all_trades(self) -> Iterator[SimulatedTrade]:
        return map(self.trade, range(len(self.trades)))

    @property
    def stops_fired(self) -> int:
        return int(np.count_nonzero(self.trades["why"] == Why.STOP))

    @property
    def rebalances(self) -> int:
        called_for = np.isin(self.decisions["because"], REBALANCING)
        return int(np.count_nonzero(called_for & (self.decisions["orders"] > 0)))


REBALANCING = (Because.MEMBERSHIP, Because.ABSOLUTE, Because.RELATIVE, Because.FIRST)


def _positions(state: State) -> Iterator[SimulatedPosition]:
    for row in state.held[: state.now[0]["held"]].tolist():
        yield SimulatedPosition(
            row,
            _millionths(state.etfs[row]["shares"]),
            _cents(state.etfs[row]["basis"]),
            _millionths(state.etfs[row]["last"]),
            int(state.etfs[row]["opened"]),
            float(state.etfs[row]["aim"]),
        )


def _reason(trade: Record) -> str:
    x, y, z = float(trade["x"]), float(trade["y"]), float(trade["z"])
    match Why(int(trade["why"])):
        case Why.ENTERS:
            said = f"enters the target set: rank {x:.0f}"
        case Why.LEFT:
            said = "left the target set"
        case Why.UNDER:
            said = f"{x:.1f} points under target"
        case Why.OVER:
            said = f"{x:.1f} points over target"
        case Why.STOP:
            said = (
                f"at {x / SHARE:g} it is {1 - x / y:.1%} below {y / SHARE:g}; the stop is {z:.1%}"
            )
        case Why.DIVIDEND:
            said = "its dividend is reinvested"
        case Why.CLOSURE:
            said = "the ETF was closed"
    if trade["part"] < 1_000_000:
        said += f"; reduced to {trade['part'] / 1e6:.1%} because cash is short"
    if trade["quantity"] < trade["ordered"]:
        said += f"; {trade['quantity'] / trade['ordered']:.1%} of the order was traded"
    return said


def _cents(amount: int) -> Decimal:
    return Decimal(int(amount)).scaleb(-2)


def _millionths(amount: int) -> Decimal:
    return Decimal(int(amount)).scaleb(-6)
