"""What the risk of every portfolio reads from its market, made once per data version.

Indices of the asset classes, which ETFs lived through which crisis, and how well older ETFs stand
in for younger ones. Nothing of it depends on a portfolio.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from uuid import UUID

import numpy as np

from app.market_data.snapshot import MarketSnapshot
from app.quant.covariance import carried, recent_returns
from app.quant.measured import Missing
from app.quant.panel import CARRY_SESSIONS, BoolArray, FloatArray
from app.quant.risk import replays
from app.quant.risk.replays import Candidates, Crisis, Proxy
from app.quant.risk.tails import WINDOW
from app.services import blends

REMEMBERED = 4
"""Markets at a data version, or as they were at a backtest's end, that are kept at hand."""

FEWEST_MEMBERS = 3
"""ETFs with a return on a day, below which the day of an asset class is unknown."""


@dataclass(frozen=True, slots=True)
class Span:
    """The columns of a crisis in the panel; `alive` are the rows with prices throughout: a close
    of the first and of the last day themselves, and no gap between that may not be carried over."""

    first: int
    last: int
    alive: BoolArray


@dataclass(frozen=True, slots=True)
class MarketRisk:
    market: MarketSnapshot
    indices: dict[str, FloatArray]
    spans: dict[str, Span | Missing]
    _candidates: dict[int, Candidates | Missing] = field(default_factory=dict, repr=False)

    def returns_in(self, row: int, span: Span) -> FloatArray:
        """Daily returns of an ETF that is alive in `span`."""
        days = self.market.panel.sessions[span.first + 1 : span.last + 1]
        return blends.returns_of(self.market, np.array([row]), days)[:, 0]

    def proxy(self, row: int, span: Span) -> Proxy | Missing:
        """The best older ETF of the same asset class with prices throughout `span`."""
        found = self._candidates.get(row)
        if found is None:
            found = self._candidates[row] = _candidates(self.market, row)
        return found if isinstance(found, Missing) else found.best(span.alive)


_known: OrderedDict[tuple[UUID, object], MarketRisk] = OrderedDict()
_lock = Lock()


def of(market: MarketSnapshot) -> MarketRisk:
    """At the market's latest session; whoever comes first computes it for all."""
    key = (market.data_version, market.latest_session)
    with _lock:
        if key in _known:
            _known.move_to_end(key)
            return _known[key]
        found = MarketRisk(
            market, _indices(market), {each.name: _span(market, each) for each in replays.CRISES}
        )
        for old in [each for each, held in _known.items() if _is_outdated(held, market)]:
            del _known[old]
        _known[key] = found
        while len(_known) > REMEMBERED:
            _known.popitem(last=False)
        return found


def _is_outdated(held: MarketRisk, market: MarketSnapshot) -> bool:
    same = held.market.code == market.code
    return same and held.market.data_version != market.data_version


def _indices(market: MarketSnapshot) -> dict[str, FloatArray]:
    """Daily mean returns of the unleveraged ETFs of each asset class, of the last 252 sessions."""
    sessions = min(WINDOW, len(market.panel) - 1)
    plain = ~(market.facts.leveraged | market.facts.inverse)
    found: dict[str, FloatArray] = {}
    for name in sorted({label for label in market.facts.asset_class if label is not None}):
        rows = np.flatnonzero(plain & (market.facts.asset_class == name))
        if len(rows) < FEWEST_MEMBERS:
            continue
        returns = recent_returns(market.panel, rows, sessions)
        known = np.isfinite(returns)
        count = known.sum(axis=0)
        total = np.where(known, returns, 0.0).sum(axis=0)
        found[name] = np.where(count >= FEWEST_MEMBERS, total / np.maximum(count, 1), np.nan)
    return found


def _span(market: MarketSnapshot, crisis: Crisis) -> Span | Missing:
    days = market.panel.sessions
    if market.simulated:
        return Missing("the market is simulated: it did not live through this")
    if days[0] > np.datetime64(crisis.start):
        return Missing(f"the market's prices begin on {days[0]}")
    if days[-1] < np.datetime64(crisis.end):
        return Missing(f"it is later than {days[-1]}")
    first, last = market.column(crisis.start), market.column(crisis.end)
    before = max(first - CARRY_SESSIONS, 0)
    closes = carried(market.panel.adjusted[:, before : last + 1])[:, first - before :]
    ends = market.panel.adjusted[:, [first, last]]
    alive: BoolArray = np.all(np.isfinite(np.hstack((closes, ends))), axis=1)
    return Span(first, last, alive)


def _candidates(market: MarketSnapshot, row: int) -> Candidates | Missing:
    label = market.facts.asset_class[row]
    if label is None:
        return Missing("its asset class is unknown, so no proxy can be looked for")
    plain = ~(market.facts.leveraged | market.facts.inverse)
    rows = np.flatnonzero(plain & (market.facts.asset_class == label))
    rows = rows[rows != row]
    known = np.flatnonzero(np.isfinite(market.panel.adjusted[row]))
    if not len(rows) or not len(known):
        return Missing("no other ETF of its asset class")
    days = market.panel.sessions[int(known[0]) + 1 :]
    own, *others = blends.returns_of(market, np.concatenate(([row], rows)), days).T
    return replays.candidates(own, np.array(others), rows.tolist())
