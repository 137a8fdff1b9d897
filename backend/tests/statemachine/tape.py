"""A market of three ETFs that is written session by session, as an example needs it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

import numpy as np

from app.core import calendar
from app.market_data.snapshot import Action, EtfFacts, MarketSnapshot
from app.models import ActionKind
from app.quant.panel import Facts, Panel
from tests.statemachine.exact import Bar, decimal, micros

LETTERS = ("A", "B", "C")
SESSIONS: tuple[date, ...] = tuple(
    day.item() for day in calendar.sessions(date(2024, 1, 2), date(2024, 12, 30))
)
CARRIED = 5
"""A missing close is taken from at most so many sessions before."""
MEDIAN_OF = 63

RATIOS: dict[str, Fraction] = {
    "2": Fraction(2),
    "3": Fraction(3),
    "1.5": Fraction(3, 2),
    "1.05": Fraction(21, 20),
    "0.5": Fraction(1, 2),
    "0.333333": Fraction(1, 3),
    "0.666667": Fraction(2, 3),
    "0.1": Fraction(1, 10),
}
"""New shares for one old, as six decimals say it and as it is meant."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A split or dividend of an ETF on a session; `value` as stored, `meant` as exact."""

    id: int
    etf: int
    day: int
    kind: ActionKind
    value: str
    meant: Fraction


@dataclass(frozen=True, slots=True)
class Quote:
    """`day` is the session of the close."""

    price: Fraction
    day: int


@dataclass(slots=True)
class Tape:
    """Everything known so far. Sessions are counted from 0, ETFs by their place in `LETTERS`."""

    number: int
    ids: tuple[int, ...]
    volumes: tuple[int, ...]
    bars: list[tuple[Bar | None, ...]] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    version: UUID = field(default_factory=uuid4)
    _made: MarketSnapshot | None = None

    @property
    def latest(self) -> int:
        return len(self.bars) - 1

    def ticker(self, etf: int) -> str:
        return ticker(etf, self.number)

    def etf(self, etf_id: int) -> int:
        return self.ids.index(etf_id)

    def add(self, bars: Sequence[Bar | None], happenings: Sequence[Happening] = ()) -> None:
        self.bars.append(tuple(bars))
        self.happenings += happenings
        self.version = uuid4()
        self._made = None

    def learn(self, happening: Happening) -> None:
        """Something of a past session becomes known."""
        self.happenings.append(happening)
        self.version = uuid4()
        self._made = None

    def on(self, day: int) -> list[Happening]:
        """What happens on a session, splits first."""
        return sorted(
            (each for each in self.happenings if each.day == day),
            key=lambda each: (each.kind != ActionKind.SPLIT, each.id),
        )

    def ratio(self, etf: int, after: int, until: int) -> Fraction:
        """Shares at the close of `until` for one at the close of `after`."""
        ratio = Fraction(1)
        for each in self.happenings:
            if each.kind == ActionKind.SPLIT and each.etf == etf and after < each.day <= until:
                ratio *= each.meant
        return ratio

    def last(self, etf: int, day: int) -> Quote:
        """The last close up to `day`, in shares of `day`."""
        for back in range(day, -1, -1):
            bar = self.bars[back][etf]
            if bar is not None:
                ratio = self.ratio(etf, back, day)
                return Quote(bar.close if ratio == 1 else micros(bar.close / ratio), back)
        raise AssertionError("the first session has all closes")

    def quote(self, etf: int, day: int) -> Quote | None:
        """The close to trade at; None where it is too old."""
        found = self.last(etf, day)
        return found if day - found.day <= CARRIED else None

    def median_value(self, etf: int, day: int) -> Fraction | None:
        """The median of close times volume over the last 63 sessions; None for no volume."""
        days = self.bars[max(day + 1 - MEDIAN_OF, 0) : day + 1]
        values = sorted(bar.close * self.volumes[etf] for bars in days if (bar := bars[etf]))
        if not values:
            return None
        middle = len(values) // 2
        odd = len(values) % 2
        return (values[middle] if odd else (values[middle - 1] + values[middle]) / 2) or None

    def snapshot(self) -> MarketSnapshot:
        if self._made is None:
            self._made = self._snapshot()
        return self._made

    def _snapshot(self) -> MarketSnapshot:
        tickers = tuple(self.ticker(etf) for etf in range(len(LETTERS)))
        days = np.array(SESSIONS[: len(self.bars)], dtype="datetime64[D]")
        close = np.array(
            [
                [float(bars[etf].close) if bars[etf] else np.nan for bars in self.bars]  # type: ignore[union-attr]
                for etf in range(len(LETTERS))
            ]
        )
        volume = np.array([[float(each)] * len(self.bars) for each in self.volumes])
        nothing = np.zeros(len(LETTERS), dtype=bool)
        return MarketSnapshot(
            code="us",
            name="A tape",
            simulated=False,
            adjusted_only=False,
            currency="USD",
            benchmark=tickers[0],
            data_version=self.version,
            panel=Panel(tickers, days, close, close, volume),
            opens=close,
            facts=Facts(np.full(len(LETTERS), 0.001), nothing, nothing, np.array(["Equity"] * 3)),
            etfs=tuple(
                EtfFacts(self.ids[etf], each, None, None, None, "Equity", None, 0.001, None)
                for etf, each in enumerate(tickers)
            ),
            row_of={each: etf for etf, each in enumerate(tickers)},
            row_of_id={each: etf for etf, each in enumerate(self.ids)},
            actions=tuple(
                Action(
                    each.id, self.ids[each.etf], SESSIONS[each.day], each.kind, Decimal(each.value)
                )
                for each in sorted(self.happenings, key=lambda each: each.day)
            ),
            vix_sessions=np.array([], dtype="datetime64[D]"),
            vix=np.array([]),
        )


def ticker(etf: int, number: int) -> str:
    """No two examples share an ETF."""
    return f"{LETTERS[etf]}{number}"


def rows_of(tape: Tape) -> list[dict[str, object]]:
    """The bars of the latest session as rows of `etf_prices`."""
    return [
        {
            "etf_id": tape.ids[etf],
            "session": SESSIONS[tape.latest],
            **{
                name: float(decimal(getattr(bar, name)))
                for name in ("open", "high", "low", "close")
            },
            "volume": float(tape.volumes[etf]),
        }
        for etf, bar in enumerate(tape.bars[-1])
        if bar is not None
    ]
