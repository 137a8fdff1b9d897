"""Whether a position's stop acts at a session, and why not.

All of it is pure: a valuation, the portfolio's rules, what holds for its market and what its stops
have done go in, a verdict on every position comes out. `stopping` reads what is needed, and acts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from uuid import UUID

from app.core import calendar
from app.core.money import CENT
from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind
from app.quant.costs import Side
from app.quant.stop_loss import Exit, PriceState, Threshold
from app.schemas.settings import PortfolioSettings, StopAction
from app.services import freshness, order_life, stops, strategy
from app.services.stops import NOBODY, WatchedLine, closes_since
from app.services.valuation import Line, Valuation, actions_between


class Block(StrEnum):
    """Why a stop does not act on a position."""

    ETF_CLOSED = "etf_closed"
    PRICE_MISSING = "price_missing"
    PRICE_QUARANTINED = "price_quarantined"
    PRICE_STALE = "price_stale"
    WORTHLESS = "worthless"
    SPLIT = "split"
    ORDERED = "ordered"
    FIRED = "fired"
    ALERTED = "alerted"
    MARKET_STALE = "market_stale"


_BY_STATE = {
    PriceState.MISSING: Block.PRICE_MISSING,
    PriceState.QUARANTINED: Block.PRICE_QUARANTINED,
    PriceState.STALE: Block.PRICE_STALE,
}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What holds at one session for every portfolio of a market, by ETF id.

    `sessions_behind` is how far the market is behind the clock where nobody is there to look at it,
    and 0 for a person who asks.
    """

    market: MarketSnapshot
    session: date
    quarantined: frozenset[int] = NOBODY
    splitting: frozenset[int] = NOBODY
    sessions_behind: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """What the stops of one portfolio have done.

    `ordered` gives the open stop order of an ETF, `order_ids` are the stop orders of the session in
    whatever state, `alerted` gives the session of the latest alert of each position.
    """

    ordered: Mapping[int, UUID] = field(default_factory=dict)
    order_ids: frozenset[UUID] = frozenset()
    alerted: Mapping[str, date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One position, and why its stop would not act. `order_id` is the order that sells it: the one
    that is open already, or the one that this session makes."""

    watched: WatchedLine
    block: Block | None
    order_id: UUID

    @property
    def line(self) -> Line:
        return self.watched.line

    @property
    def exit(self) -> Exit:
        """The sale, of a position whose stop is breached."""
        assert self.watched.status.exit is not None
        return self.watched.status.exit

    @property
    def fires(self) -> bool:
        return self.watched.breached and self.block is None


@dataclass(frozen=True, slots=True)
class Judged:
    threshold: Threshold
    verdicts: tuple[Verdict, ...]

    @property
    def firing(self) -> tuple[Verdict, ...]:
        return tuple(each for each in self.verdicts if each.fires)


def splitting_on(market: MarketSnapshot, session: date) -> frozenset[int]:
    """ETFs with a split on that session: a price of new shares may meet a book of old ones."""
    span = calendar.previous_session(session), session
    actions = actions_between(market, span)
    return frozenset(each.etf_id for each in actions if each.kind == ActionKind.SPLIT)


def judge(
    occasion: Occasion,
    portfolio_id: int,
    valuation: Valuation,
    settings: PortfolioSettings,
    done: Done,
) -> Judged:
    """Every position of a book, valued at the occasion's session, against its stop."""
    policy = strategy.stop_policy(settings)
    seen = stops.watch(occasion.market, valuation, policy, quarantined=occasion.quarantined)
    alerts = settings.stop_action is StopAction.ALERT
    verdicts = []
    for each in seen.lines:
        order_id = order_id_of(portfolio_id, each.line, occasion.session)
        block = _standing_block(occasion, each)
        if block is None:
            block = (
                _alert_block(occasion, each, done) if alerts else _order_block(each, done, order_id)
            )
        if block is None and freshness.is_too_old_to_act(occasion.sessions_behind):
            block = Block.MARKET_STALE
        waiting = done.ordered.get(each.line.etf_id)
        verdicts.append(Verdict(each, block, waiting or order_id))
    return Judged(seen.threshold, tuple(verdicts))


def source_of(portfolio_id: int, line: Line, session: date) -> str:
    """What the stop of one position at one session is known by, however often it is looked at."""
    return f"{portfolio_id}:{position_key(line)}:{session}"


def order_id_of(portfolio_id: int, line: Line, session: date) -> UUID:
    return order_life.id_of(source_of(portfolio_id, line, session), Side.SELL, line.etf_id)


def _standing_block(occasion: Occasion, watched: WatchedLine) -> Block | None:
    closed_on = occasion.market.etfs[watched.line.row].closed_on
    if closed_on is not None and closed_on <= occasion.session:
        return Block.ETF_CLOSED
    if watched.state is not PriceState.GOOD:
        return _BY_STATE[watched.state]
    if watched.line.value <= CENT:
        return Block.WORTHLESS
    return Block.SPLIT if watched.line.etf_id in occasion.splitting else None


def _order_block(watched: WatchedLine, done: Done, order_id: UUID) -> Block | None:
    if watched.line.etf_id in done.ordered:
        return Block.ORDERED
    return Block.FIRED if order_id in done.order_ids else None


def _alert_block(occasion: Occasion, watched: WatchedLine, done: Done) -> Block | None:
    """An alert is repeated only if a close since the last one stood above today's stop."""
    last = done.alerted.get(position_key(watched.line))
    if last is None:
        return None
    market, line = occasion.market, watched.line
    since = closes_since(market, line, (market.column(last) + 1, occasion.session))
    recovered = (since[:-1] > float(watched.status.stop_price)).any()
    return None if recovered else Block.ALERTED


def position_key(line: Line) -> str:
    """What all alerts about one position's stop begin with."""
    return f"stop:{line.etf_id}:{line.opened_on}"
