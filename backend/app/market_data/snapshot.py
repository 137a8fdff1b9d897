"""A market as one value: everything known at one data version, ready for the arithmetic."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from uuid import UUID

import numpy as np

from app.core.errors import UnknownTicker
from app.models import ActionKind
from app.quant.factors.distributions import Distributions
from app.quant.panel import DateArray, Facts, FloatArray, Panel


@dataclass(frozen=True, slots=True)
class EtfFacts:
    """What a person reads about an ETF."""

    id: int
    ticker: str
    name: str | None
    issuer: str | None
    category: str | None
    asset_class: str | None
    region: str | None
    expense_ratio: float | None
    closed_on: date | None


@dataclass(frozen=True, slots=True)
class Action:
    """What an ETF did to its holders; `value` and `ticker` as in `models.CorporateAction`."""

    id: int
    etf_id: int
    ex_date: date
    kind: ActionKind
    value: Decimal | None
    pay_date: date | None = None
    ticker: str | None = None
    source: str = "prices"
    superseded: bool = False
    """Of a closure: the ETF goes on, or closes on another day. What was paid out stays so."""

    @property
    def ratio(self) -> Decimal:
        """Of a split: the new shares for one old."""
        assert self.value is not None
        return self.value


@dataclass(frozen=True)
class MarketSnapshot:
    """One market at one data version. `etfs`, `facts` and the rows of `panel` are aligned."""

    code: str
    name: str
    simulated: bool
    adjusted_only: bool
    currency: str
    benchmark: str
    data_version: UUID
    panel: Panel
    opens: FloatArray
    facts: Facts
    etfs: tuple[EtfFacts, ...]
    row_of: dict[str, int]
    row_of_id: dict[int, int]
    actions: tuple[Action, ...]
    vix_sessions: DateArray
    vix: FloatArray

    @property
    def latest_session(self) -> date:
        """The latest session with prices: what every "latest" means."""
        latest: date = self.panel.sessions[-1].item()
        return latest

    @cached_property
    def distributions(self) -> Distributions | None:
        """What was paid out and split, aligned to the panel; None where no dividend is known.

        Adjusted prices contain distributions, and amounts per unadjusted share say nothing
        about them: a market that has only such prices has none. An ex-date that is no session
        counts from the next.
        """
        if self.adjusted_only:
            return None
        acts = [
            (self.row_of_id[action.etf_id], action.ex_date, action.kind, action.value)
            for action in self.actions
            if action.kind in {ActionKind.DIVIDEND, ActionKind.SPLIT}
            and action.etf_id in self.row_of_id
        ]
        if not any(kind is ActionKind.DIVIDEND for _, _, kind, _ in acts):
            return None
        days = np.array([day for _, day, _, _ in acts], "datetime64[D]")
        columns = np.searchsorted(self.panel.sessions, days)
        inside = (days >= self.panel.sessions[0]) & (columns < len(self.panel))
        paid = np.array([kind is ActionKind.DIVIDEND for _, _, kind, _ in acts])
        values = np.array([value for *_, value in acts], dtype=np.float64)
        return Distributions.of(
            np.array([row for row, *_ in acts])[inside],
            columns[inside],
            np.where(paid, values, 0.0)[inside],
            np.where(paid, 1.0, values)[inside],
            etfs=len(self.etfs),
        )

    def row(self, ticker: str) -> int:
        try:
            return self.row_of[ticker]
        except KeyError:
            raise UnknownTicker from None

    def column(self, session: date) -> int:
        """The index of the last session at or before `session`; -1 before the first."""
        day = np.datetime64(session, "D")
        return int(np.searchsorted(self.panel.sessions, day, side="right")) - 1

    def vix_as_of(self, session: date) -> tuple[float, date] | None:
        """The last VIX close at or before `session` and its date; None where there is none."""
        end = int(np.searchsorted(self.vix_sessions, np.datetime64(session, "D"), side="right"))
        if end == 0:
            return None
        return float(self.vix[end - 1]), self.vix_sessions[end - 1].item()
