"""The files that somebody names become one arrival."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from app.market_data import action_files, files
from app.services import merging_actions
from app.services.arrivals import Arrival, Delivery


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """The files that one import reads; each may be missing."""

    prices: Path | None
    metadata: Path | None
    vix: Path | None
    actions: Path | None


def read(named: NamedFiles, *, traded: bool) -> Arrival:
    """What is in the files, not yet validated; raises `BadFile`.

    `traded`: prices are as traded, with what dividends and splits they name.
    """
    bars, actions = None, []
    if named.actions:
        actions.append(_read_as(named.actions, action_files.read_actions))
    if named.prices and traded:
        rows, said = files.read_traded(named.prices)
        bars = Delivery(rows, named.prices.name)
        actions.append(Delivery(said, named.prices.name))
    elif named.prices:
        bars = _read_as(named.prices, files.read_bars)
    return Arrival(
        bars=bars,
        facts=_read_as(named.metadata, files.read_facts) if named.metadata else None,
        actions=_together(actions),
        index=_read_as(named.vix, files.read_index) if named.vix else None,
    )


def _read_as(path: Path, read: Callable[[Path], pl.DataFrame]) -> Delivery:
    return Delivery(read(path), path.name)


def _together(deliveries: Sequence[Delivery]) -> Delivery | None:
    """One delivery of actions; the first has the last word."""
    if not deliveries:
        return None
    rows = [merging_actions.completed(each.rows, each.source) for each in deliveries]
    return Delivery(pl.concat(rows), deliveries[0].source)
