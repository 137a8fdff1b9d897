"""The series of a performance answer as JSON text, column by column.

Five years are 15,000 numbers. Making an object of each session and writing it takes three times as
long as writing each column at once and joining the columns' parts; both give the same JSON.
"""

from collections.abc import Sequence

from pydantic_core import to_json

from app.core.money import plain
from app.quant.benchmarks import SameFlows
from app.quant.measured import Missing
from app.quant.panel import FloatArray
from app.quant.performance import Against, Path, Performance
from app.services.performance_answers import Closes

Parts = Sequence[bytes]
"""One piece of JSON per session."""


def heads_of(days: Sequence[object], closes: Closes) -> Parts:
    """What a point says of its session and its money: the same in every answer about a life."""
    money = zip(closes.values, closes.cash, closes.paid, closes.carried, strict=True)
    return [
        b'"session":%b,"value":%b,"cash":%b,"external_flow":%b,"carried":%b'
        % (to_json(day), *(to_json(None if a is None else plain(a)) for a in amounts), to_json(old))
        for day, (*amounts, old) in zip(days, money, strict=True)
    ]


def series_json(found: Performance, heads: Parts) -> bytes:
    """The points of `schemas.performance.PerformancePoint`, which begin with `heads`."""
    nothing = [b"null"] * len(heads)
    theirs: Sequence[Parts] = [nothing] * 4
    if isinstance(found.against, Against):
        theirs = [*_path(found.against.path), _money(found.against.same_flows, nothing)]
    rows = zip(heads, *_path(found.path), *theirs, strict=True)
    return b"[%b]" % b",".join([_POINT % row for row in rows])


_POINT = (
    b'{%b,"daily_return":%b,"growth":%b,"drawdown":%b,"benchmark_return":%b,'
    b'"benchmark_growth":%b,"benchmark_drawdown":%b,"benchmark_value":%b}'
)


def _path(path: Path) -> list[Parts]:
    return [_numbers(path.returns), _numbers(path.growth), _numbers(path.drawdown)]


def _numbers(values: FloatArray) -> Parts:
    """JSON has no NaN: it is null."""
    if not len(values):
        return ()
    return to_json(values.tolist(), inf_nan_mode="null")[1:-1].split(b",")


def _money(found: SameFlows | Missing, nothing: Parts) -> Parts:
    if isinstance(found, Missing):
        return nothing
    return [b'"%.2f"' % value for value in found.values[1:].tolist()]
