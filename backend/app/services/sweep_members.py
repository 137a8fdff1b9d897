"""The members of a sweep, each a run of its own, and how they are shared out among workers.

A member is known by its number: its place in `variants`, or among the combinations of a grid, of
which the last setting by name changes first.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from app.core.errors import Refused
from app.market_data.snapshot import MarketSnapshot
from app.quant.errors import QuantError
from app.schemas.backtest import BacktestSpec
from app.schemas.settings import OptimizerName, PortfolioSettings
from app.schemas.sweep import SweepSpec
from app.services import backtesting, portfolios

CHUNK_COST = 60.0
"""About a second of work on a market of some thousand ETFs over some years."""
RISK_COST = 6.0
"""What an optimizer that reads risk takes, in runs of one that does not."""
MOST_PER_CHUNK = 50
EXACT = frozenset(
    name for name, field in PortfolioSettings.model_fields.items() if field.annotation is Decimal
)


@dataclass(frozen=True, slots=True)
class Member:
    """`changes` is what it differs in from the sweep's own settings."""

    number: int
    changes: Mapping[str, Any]
    spec: BacktestSpec


def member(sweep: SweepSpec, base: Mapping[str, Any], number: int) -> Member:
    """`base` is what all members have, as JSON. Raises Refused for a value that does not fit."""
    differing = changes(sweep, number)
    body = dict(base)
    for name, value in differing.items():
        group, dot, part = name.partition(".")
        if group in EXACT and isinstance(value, float):
            value = repr(value)  # noqa: PLW2901 - JSON has no decimals
        body[group] = {**body[group], part: value} if dot else value
    try:
        spec = BacktestSpec.model_validate_json(json.dumps(body))
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise Refused(f"Member {number}: {place}: {fault['msg']}") from None
    return Member(number, differing, spec)


def base_of(sweep: SweepSpec) -> dict[str, Any]:
    return sweep.model_dump(mode="json", include=set(BacktestSpec.model_fields))


def all_members(market: MarketSnapshot, sweep: SweepSpec) -> tuple[Member, ...]:
    """Raises Refused for rules that nobody can follow, and for two members that are the same."""
    base, known = base_of(sweep), dict[bytes, int]()
    found = []
    for number in range(sweep.members):
        each = member(sweep, base, number)
        try:
            portfolios.check_settings(market, each.spec)
        except (Refused, QuantError) as error:
            raise Refused(f"Member {number}: {error}") from error
        twin = known.setdefault(backtesting.settings_hash(each.spec), number)
        if twin != number:
            raise Refused(f"Members {twin} and {number} are the same run.")
        found.append(each)
    return tuple(found)


def chunks(members: Sequence[Member]) -> tuple[tuple[int, ...], ...]:
    """Numbers of members for each worker to take at a time: those with the same scores together."""
    return tuple(_filled(sorted(members, key=_alike)))


def _filled(members: Sequence[Member]) -> Iterator[tuple[int, ...]]:
    chunk: list[int] = []
    cost = 0.0
    for each in members:
        own = _cost(each)
        if chunk and (cost + own > CHUNK_COST or len(chunk) == MOST_PER_CHUNK):
            yield tuple(chunk)
            chunk, cost = [], 0.0
        chunk.append(each.number)
        cost += own
    if chunk:
        yield tuple(chunk)


def _alike(each: Member) -> tuple[str, int]:
    """Factors are computed once per universe and risk-free rate, combined once per weights."""
    spec = each.spec
    scored = spec.model_dump_json(
        include={"universe", "score_within", "factor_weights", "score_method"}
    )
    return scored, each.number


def _cost(each: Member) -> float:
    cheap = each.spec.optimizer in {OptimizerName.SIMPLE, OptimizerName.RANK_BASED}
    return 1.0 if cheap and not each.spec.asset_class_caps else RISK_COST


def changes(sweep: SweepSpec, number: int) -> Mapping[str, Any]:
    if sweep.grid is None:
        assert sweep.variants is not None
        return sweep.variants[number]
    rest, chosen = number, {}
    for name, values in reversed(sweep.axes):
        rest, place = divmod(rest, len(values))
        chosen[name] = values[place]
    return {name: chosen[name] for name, _ in sweep.axes}
