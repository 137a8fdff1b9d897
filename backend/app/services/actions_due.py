"""Which entries corporate actions bring to one portfolio, from what its ledger says: pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.core.money import ZERO
from app.market_data.snapshot import Action, MarketSnapshot
from app.models import ActionKind, EntryKind
from app.schemas.settings import PortfolioSettings
from app.services import cash_history
from app.services.action_entries import ActionDesk, CannotBook, counts_on, place_in_time
from app.services.cash_history import Flow, NotThereThen
from app.services.entitlements import EtfHistory
from app.services.entry import Entry
from app.services.projection import MAX_CASH, MAX_SHARES

MOST_AT_ONCE = MAX_CASH / 100
"""USD of one action; more is a mistyped value rather than a payment."""


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """An action that is due and not booked, and why."""

    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be booked, in this order, and what cannot be."""

    entries: tuple[Entry, ...] = ()
    left_open: tuple[LeftOpen, ...] = ()


class NeedsFlows(Exception):
    """Something is to be taken back: whether it was there needs the cash of every day."""


def decide(
    market: MarketSnapshot,
    rules: PortfolioSettings,
    histories: Mapping[int, EtfHistory],
    span: tuple[date, date],
    *,
    only: Collection[int] | None = None,
    flows: Sequence[Flow] | None = None,
) -> Due:
    """What of the histories' actions counts from after the first day of `span` up to its last and
    is not booked yet, or not as it is known now; of the actions `only`, where they are given.

    What is decided is added to the histories. `flows` are those of the whole ledger; raises
    NeedsFlows where they are needed and left out.
    """
    desk = ActionDesk(market, rules)
    happened = [
        action
        for history in histories.values()
        for action in history.actions
        if (only is None or action.id in only) and _counts(action, rules, span)
    ]
    entries: list[Entry] = []
    left_open: list[LeftOpen] = []
    for action in sorted(happened, key=place_in_time):
        history = histories[action.etf_id]
        try:
            made = desk.entries(action, history)
            _require_room(made, history)
            if sum(entry.amount for entry in made) < 0:
                if flows is None:
                    raise NeedsFlows
                cash_history.require_enough([*flows, *entries], made)
        except CannotBook as error:
            left_open.append(LeftOpen(action, str(error)))
            continue
        except NotThereThen as error:
            left_open.append(LeftOpen(action, error.way_out))
            continue
        for entry in made:
            history.add(entry)
        entries += made
    entries, stuck = _in_bookable_order(entries, histories)
    left_open += [
        LeftOpen(action, "its splits cannot be booked one after the other")
        for action in happened
        if action.etf_id in stuck
    ]
    return Due(tuple(entries), tuple(left_open))


def _counts(action: Action, rules: PortfolioSettings, span: tuple[date, date]) -> bool:
    """Whether it is to be booked after the first day of `span` and up to its last: a closure pays
    out whatever is held, also what was bought after it because nobody knew of it."""
    first, last = span
    day = counts_on(action, rules)
    return day <= last and (action.kind is ActionKind.CLOSURE or first < day)


def _require_room(made: Sequence[Entry], history: EtfHistory) -> None:
    held = history.held()
    for entry in made:
        if entry.kind is EntryKind.SPLIT and held + (entry.quantity or ZERO) >= MAX_SHARES:
            raise CannotBook("it would leave more shares than a portfolio can hold")
        if abs(entry.amount) >= MOST_AT_ONCE:
            raise CannotBook("it would pay more money than a portfolio can hold")


def _in_bookable_order(
    entries: list[Entry], histories: Mapping[int, EtfHistory]
) -> tuple[list[Entry], set[int]]:
    """The entries so that no shares are missing on the way, and the ETFs of which none can be.

    Where corrected splits of one ETF would take away what a later one brings, that comes first.
    """
    stuck: set[int] = set()
    for etf_id in {entry.etf_id for entry in entries if entry.kind is EntryKind.SPLIT}:
        if etf_id is None or not _runs_out(entries, etf_id, histories[etf_id]):
            continue
        gains = [entry for entry in entries if entry.etf_id == etf_id and _adds_shares(entry)]
        entries = [*gains, *(entry for entry in entries if entry not in gains)]
        if _runs_out(entries, etf_id, histories[etf_id]):
            entries = [entry for entry in entries if entry.etf_id != etf_id]
            stuck.add(etf_id)
    return entries, stuck


def _adds_shares(entry: Entry) -> bool:
    adds = entry.quantity is not None and entry.quantity > 0
    return entry.kind is EntryKind.SPLIT and adds and entry.amount >= 0


def _runs_out(entries: Sequence[Entry], etf_id: int, history: EtfHistory) -> bool:
    """Whether the shares get below zero on the way, or to zero before the last entry."""
    held = history.held_in_ledger()
    splits = [e for e in entries if e.etf_id == etf_id and e.kind is EntryKind.SPLIT]
    for number, entry in enumerate(splits, 1):
        held += entry.quantity or ZERO
        if held < 0 or (not held and number < len(splits)):
            return True
    return False
