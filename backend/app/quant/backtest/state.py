"""What a simulation knows between two instants: a book, what it has decided, and its records.

Money is in cents, shares and prices in millionths; see `exact`. Arrays named after the panel have
one entry per ETF.
"""

from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from app.quant.panel import FloatArray, IntArray

Records: TypeAlias = npt.NDArray[Any]
"""A structured array: one record per entry."""

Record: TypeAlias = Any
"""One of them, which compiled code reads and writes as an object with the fields of its type."""

FULL_EXPOSURE = -1
LONG_AGO = -(2**31)


class Phase(IntEnum):
    """Where in its session the simulation stands."""

    OPENING = 0
    TRADING = 1
    DECIDING = 2
    OVER = 3


class Wants(IntEnum):
    """Why compiled code hands control back."""

    NOTHING = 0
    EVENTS = 1
    WEIGHTS = 2
    ROOM = 3


class Why(IntEnum):
    """Why an order was made; `x`, `y` and `z` of a trade say more."""

    ENTERS = 0
    LEFT = 1
    UNDER = 2
    OVER = 3
    STOP = 4
    DIVIDEND = 5
    CLOSURE = 6


class Because(IntEnum):
    """What the rules found when they were asked; which rule called for a rebalance, if one did."""

    INSIDE = 0
    MEMBERSHIP = 1
    ABSOLUTE = 2
    RELATIVE = 3
    FIRST = 4
    NO_SCORES = 5
    SHORT_HISTORY = 6
    NO_WEIGHTS = 7


NOW = np.dtype(
    [
        ("cash", np.int64),
        ("total", np.int64),
        ("before", np.int64),
        ("index", np.float64),
        ("peak", np.float64),
        ("reduced", np.int64),
        ("column", np.int64),
        ("phase", np.int64),
        ("asking", np.int64),
        ("held", np.int64),
        ("orders", np.int64),
        ("proposed", np.int64),
        ("exits", np.int64),
        ("picks", np.int64),
        ("begun", np.int64),
        ("aims", np.int64),
        ("trades", np.int64),
        ("decisions", np.int64),
    ],
    align=True,
)
"""The scalars. `proposed` says that a rebalance waits for its session, `begun` that one was traded
before, whose targets were `aims` names; the others that sound like numbers count."""

DAY = np.dtype(
    [
        ("cash", np.int64),
        ("positions", np.int64),
        ("flow", np.int64),
        ("interest", np.int64),
        ("income", np.int64),
        ("costs", np.int64),
        ("bought", np.int64),
        ("sold", np.int64),
        ("holdings", np.int64),
        ("carried", np.int64),
        ("reduced", np.int64),
    ],
    align=True,
)
"""One session at its close, in cents; `income` is what dividends paid after tax."""

TRADE = np.dtype(
    [
        ("column", np.int64),
        ("decided", np.int64),
        ("row", np.int64),
        ("buys", np.int64),
        ("quantity", np.int64),
        ("reference", np.int64),
        ("price", np.int64),
        ("gross", np.int64),
        ("fee", np.int64),
        ("net", np.int64),
        ("cost", np.int64),
        ("ordered", np.int64),
        ("part", np.int64),
        ("why", np.int64),
        ("x", np.float64),
        ("y", np.float64),
        ("z", np.float64),
        ("of_volume", np.float64),
    ],
    align=True,
)
"""One fill. `ordered` is the quantity before cash and volume cut it, `part` the millionths of its
gap that a purchase was sized at, `of_volume` its value over the average daily value traded."""

DECISION = np.dtype(
    [
        ("column", np.int64),
        ("because", np.int64),
        ("row", np.int64),
        ("weight", np.float64),
        ("target", np.float64),
        ("max_drift", np.float64),
        ("turnover", np.float64),
        ("picks", np.int64),
        ("orders", np.int64),
    ],
    align=True,
)
"""What the rules answered; `row` is the name that drifted furthest, -1 where none did."""

ORDER = np.dtype(
    [
        ("row", np.int64),
        ("buys", np.int64),
        ("quantity", np.int64),
        ("part", np.int64),
        ("why", np.int64),
        ("x", np.float64),
        ("y", np.float64),
        ("z", np.float64),
    ],
    align=True,
)


ETF = np.dtype(
    [
        ("shares", np.int64),
        ("basis", np.int64),
        ("highest", np.int64),
        ("last", np.int64),
        ("opened", np.int64),
        ("seen", np.int64),
        ("stopped", np.int64),
        ("aims", np.int64),
        ("aim", np.float64),
        ("next_aims", np.int64),
        ("next_aim", np.float64),
    ],
    align=True,
)
"""What is known of one ETF: its shares and their cost basis in cents; the highest close since it
was opened (a column) and the last known one, which was seen in a column; the column of the latest
stop that sold it. Whether it is among the targets that were traded last, and its weight in them;
the same of the targets that the waiting orders are for."""

PICK = np.dtype([("row", np.int64), ("place", np.int64), ("weight", np.float64)], align=True)
"""A name to hold, best first: its place among the eligible and the weight it is given."""

SESSION = np.dtype(
    [
        ("asks", np.int64),
        ("events", np.int64),
        ("fall", np.float64),
        ("interest_days", np.int64),
        ("splits_from", np.int64),
        ("splits_to", np.int64),
    ],
    align=True,
)
"""What is settled before of a column of the panel: whether the rules are asked at its close,
whether the caller has something to do at its opening, the fall that stops a position, the days that
interest is paid for, and which entries of `split_rows` are its splits."""


NAME = np.dtype(
    [("row", np.int64), ("weight", np.float64), ("target", np.float64), ("frozen", np.int64)],
    align=True,
)
"""A name that is held or wanted; one that is frozen cannot be traded."""

GAP = np.dtype(
    [
        ("row", np.int64),
        ("amount", np.float64),
        ("target", np.float64),
        ("billionths", np.int64),
        ("held", np.int64),
        ("rest", np.int64),
        ("reference", np.int64),
        ("volatility", np.float64),
        ("daily_value", np.float64),
        ("wanted", np.int64),
    ],
    align=True,
)
"""What a name lacks to its target, in millionths of a dollar, negative where there is too much;
`held` are the millionths of a dollar that are there and `rest` the millionths of these;
`billionths` is the target where that and all values are round numbers, else -1; `wanted` says that
a purchase of it is still meant."""


class State(NamedTuple):
    """`held` are the rows that are held, ascending. `by_count` remembers the weights of optimizers
    that look at nothing but how many names there are; NaN: not asked for yet."""

    now: Records
    etfs: Records
    held: IntArray
    picks: Records
    by_count: FloatArray
    orders: Records
    exits: Records
    trades: Records
    days: Records
    class_values: IntArray
    decisions: Records
    schedule: Records
    split_rows: IntArray


TRADES_AT_FIRST = 1024


def fresh(etfs: int, sessions: int, *, positions: int, classes: int) -> State:
    """Nothing held, nothing decided; the schedules are still empty."""
    now = np.zeros(1, NOW)
    now["index"] = now["peak"] = 1.0
    now["reduced"] = FULL_EXPOSURE
    known = np.zeros(etfs, ETF)
    known["seen"] = known["stopped"] = LONG_AGO
    return State(
        now=now,
        etfs=known,
        held=np.zeros(etfs + 1, np.int64),
        picks=np.zeros(positions, PICK),
        by_count=np.full((positions + 1, positions), np.nan),
        orders=np.zeros(etfs + positions, ORDER),
        exits=np.zeros(etfs, ORDER),
        trades=np.zeros(TRADES_AT_FIRST, TRADE),
        days=np.zeros(sessions, DAY),
        class_values=np.zeros((sessions, classes), np.int64),
        decisions=np.zeros(sessions, DECISION),
        schedule=np.zeros(sessions, SESSION),
        split_rows=np.zeros(0, np.int64),
    )


def with_room(state: State) -> State:
    """The same with room for twice as many trades, and for those of one session at least."""
    most = len(state.trades) + len(state.orders) + len(state.exits)
    trades = np.zeros(len(state.trades) + most, TRADE)
    trades[: len(state.trades)] = state.trades
    return state._replace(trades=trades)


def with_positions(state: State, positions: int) -> State:
    """The same for rules that hold another number of names; weights are to be asked for anew."""
    orders = np.zeros(len(state.etfs) + positions, ORDER)
    waiting = state.now[0]["orders"]
    orders[:waiting] = state.orders[:waiting]
    return state._replace(
        picks=np.zeros(positions, PICK),
        by_count=np.full((positions + 1, positions), np.nan),
        orders=orders,
    )
