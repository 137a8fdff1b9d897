"""Whether a factor says anything about the returns to come: everything that is measured of it.

`study` takes scores as they were known and answers, for each horizon, how well they ranked the
returns that followed, what their quantiles returned and cost, and whether it was the same in
every asset class and in calm and troubled markets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.quant.costs import CostModel
from app.quant.measured import Measured, Missing
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray, Panel
from app.quant.research import persistence as lasting
from app.quant.research import together
from app.quant.research.averages import Average, average
from app.quant.research.forward import Entry, Forward, forward
from app.quant.research.monotonicity import Monotonicity, monotonicity
from app.quant.research.persistence import Persistence
from app.quant.research.signals import Arranged, Signals, arrange, fewest, kernels
from app.quant.research.together import Coefficient, Correlations, Interaction
from app.quant.research.trading import Liquid, NetOfCost, liquidity, net_of_cost

HORIZONS = (1, 5, 21, 63, 126)
QUANTILES = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """`capital` is on each side of the spread."""

    horizons: tuple[int, ...] = HORIZONS
    quantiles: int = QUANTILES
    entry: Entry = Entry.NEXT_CLOSE
    costs: CostModel = field(default_factory=CostModel)
    capital: float = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Compared:
    """Scores against the returns of one horizon, by session: rank correlation [T], the mean return
    of all [T] and of each quantile [T, Q]."""

    ic: FloatArray
    everyone: FloatArray
    quantiles: FloatArray

    @property
    def spread(self) -> FloatArray:
        """The highest less the lowest quantile."""
        return self.quantiles[:, -1] - self.quantiles[:, 0]


@dataclass(frozen=True, slots=True)
class Quantile:
    """`number` 1 has the lowest scores. `excess` is over the mean of all that were scored."""

    number: int
    etfs: Measured
    mean: Average
    excess: Average


@dataclass(frozen=True, slots=True)
class AtHorizon:
    """Everything about one horizon. `incomplete` sessions have no return yet; `ended` counts ETFs
    that were held at their last price, by session."""

    horizon: int
    sessions: int
    incomplete: int
    too_few: int
    ended: int
    ic: Average
    ic_positive: Measured
    quantiles: tuple[Quantile, ...]
    spread: Average
    spread_yearly: Measured
    monotonicity: Monotonicity
    after_costs: NetOfCost
    coefficients: tuple[Coefficient, ...]
    interactions: tuple[Interaction, ...]


@dataclass(frozen=True, slots=True)
class PartAtHorizon:
    horizon: int
    ic: Average
    spread: Average


@dataclass(frozen=True, slots=True)
class Part:
    """The same of a part: an asset class, whose ETFs are ranked among themselves, or the sessions
    of a regime. `etfs` is the mean number scored on a session, `spells` how many times in a row of
    sessions a regime came."""

    name: str
    sessions: int
    etfs: Measured
    spells: int
    horizons: tuple[PartAtHorizon, ...]


@dataclass(frozen=True, slots=True)
class Study:
    sessions: int
    entries: int
    etfs: Measured
    unfilled: int
    horizons: tuple[AtHorizon, ...]
    persistence: Persistence
    correlations: Correlations
    classes: tuple[Part, ...]
    regimes: tuple[Part, ...]
    ic_by_session: FloatArray
    spread_by_session: FloatArray


def study(
    found: Signals,
    panel: Panel,
    opens: FloatArray,
    settings: Settings,
    *,
    regimes: Sequence[str],
    joined: bool,
) -> Study:
    """`regimes` name that of each session. `joined`: see `together.coefficients`."""
    after = forward(found, panel, opens, settings.horizons, settings.entry)
    everyone = np.zeros(len(found.rows), np.int64)
    arranged = arrange(found, everyone, 1, quantiles=settings.quantiles)
    case = _Case(found, after, arranged, settings, joined)
    orders = [kernels().by_return(returns, found.starts) for returns in after.returns]
    compared = [each[0] for each in _compare(found, after, orders, arranged, settings)]
    return Study(
        sessions=len(found),
        entries=len(found.rows),
        etfs=float(arranged.counts[0].mean()),
        unfilled=after.unfilled,
        horizons=_horizons(case, liquidity(found, panel), compared),
        persistence=lasting.persistence(
            found, arranged, settings.horizons, quantiles=settings.quantiles
        ),
        correlations=together.correlations(found),
        classes=_classes(found, after, orders, settings),
        regimes=_regimes(regimes, after, arranged, compared),
        ic_by_session=np.stack([each.ic for each in compared]),
        spread_by_session=np.stack([each.spread for each in compared]),
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """`arranged`: the whole market as one group."""

    found: Signals
    after: Forward
    arranged: Arranged
    settings: Settings
    joined: bool


def _compare(
    found: Signals, after: Forward, orders: Sequence[Any], arranged: Arranged, settings: Settings
) -> list[list[Compared]]:
    """By horizon and group. `orders`: the entries in order of their returns, by horizon."""
    asked = (arranged.many, settings.quantiles, fewest(settings.quantiles))
    sorting = (found.starts, arranged.groups, arranged.ordered, arranged.codes)
    compared = []
    for returns, order in zip(after.returns, orders, strict=True):
        parts = kernels().compared(found.scores, returns, order, sorting, asked)
        compared.append([Compared(*each) for each in zip(*parts, strict=True)])
    return compared


def _horizons(case: _Case, liquid: Liquid, compared: Sequence[Compared]) -> tuple[AtHorizon, ...]:
    found, after = case.found, case.after
    least = fewest(case.settings.quantiles)
    pairs = together.interactions(found, case.arranged, after, fewest=least)
    return tuple(
        AtHorizon(
            **_returns(case.arranged, each, after.horizons[which]),
            incomplete=int(after.incomplete[which]),
            too_few=len(found) - int(after.incomplete[which] + np.isfinite(each.everyone).sum()),
            ended=int(after.ended[which]),
            after_costs=_net(case, liquid, which, each.spread),
            coefficients=together.coefficients(found, after, which, joined=case.joined),
            interactions=pairs[which],
        )
        for which, each in enumerate(compared)
    )


def _returns(arranged: Arranged, each: Compared, horizon: int) -> dict[str, Any]:
    known = each.ic[np.isfinite(each.ic)]
    spread = average(each.spread, horizon)
    return {
        "horizon": horizon,
        "sessions": int(np.isfinite(each.everyone).sum()),
        "ic": average(each.ic, horizon),
        "ic_positive": float((known > 0).mean()) if len(known) else Missing("there is no session"),
        "quantiles": _quantiles(arranged, each, horizon),
        "spread": spread,
        "spread_yearly": (
            spread.mean * SESSIONS_PER_YEAR / horizon
            if isinstance(spread.mean, float)
            else spread.mean
        ),
        "monotonicity": monotonicity(each.quantiles, horizon),
    }


def _net(case: _Case, liquid: Liquid, which: int, spread: FloatArray) -> NetOfCost:
    return net_of_cost(
        case.found,
        case.arranged,
        case.after,
        which,
        spread,
        liquid=liquid,
        quantiles=case.settings.quantiles,
        costs=case.settings.costs,
        capital=case.settings.capital,
    )


def _quantiles(arranged: Arranged, each: Compared, horizon: int) -> tuple[Quantile, ...]:
    held = np.bincount(arranged.codes[arranged.codes >= 0], minlength=each.quantiles.shape[1])
    divided = np.count_nonzero(arranged.counts[0])
    return tuple(
        Quantile(
            number=place + 1,
            etfs=float(held[place] / divided) if divided else Missing("there is no session"),
            mean=average(each.quantiles[:, place], horizon),
            excess=average(each.quantiles[:, place] - each.everyone, horizon),
        )
        for place in range(each.quantiles.shape[1])
    )


def _classes(
    found: Signals, after: Forward, orders: Sequence[Any], settings: Settings
) -> tuple[Part, ...]:
    """By asset class, its ETFs ranked among themselves."""
    many = len(found.class_names)
    arranged = arrange(found, found.classes, many, quantiles=settings.quantiles)
    compared = _compare(found, after, orders, arranged, settings)
    parts = []
    for number, name in enumerate(found.class_names):
        counts = arranged.counts[number]
        if not counts.any():
            continue
        horizons = tuple(
            PartAtHorizon(
                horizon, average(each[number].ic, horizon), average(each[number].spread, horizon)
            )
            for horizon, each in zip(after.horizons, compared, strict=True)
        )
        enough = int((counts >= fewest(settings.quantiles)).sum())
        parts.append(Part(name, enough, float(counts.mean()), 1, horizons))
    return tuple(parts)


def _regimes(
    regimes: Sequence[str], after: Forward, arranged: Arranged, compared: Sequence[Compared]
) -> tuple[Part, ...]:
    """By what was known at the close of the score's session."""
    names = np.array(regimes)
    parts = []
    for name in dict.fromkeys(regimes):
        where = names == name
        horizons = tuple(
            PartAtHorizon(
                horizon, average(each.ic, horizon, where), average(each.spread, horizon, where)
            )
            for horizon, each in zip(after.horizons, compared, strict=True)
        )
        spells = int((np.diff(where.astype(np.int8), prepend=0) == 1).sum())
        etfs = float(arranged.counts[0][where].mean())
        parts.append(Part(name, int(where.sum()), etfs, spells, horizons))
    return tuple(parts)
