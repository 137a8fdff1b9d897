"""The rows of `portfolio_values`, read and written for many portfolios by one statement each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core import database
from app.quant.returns import Flow

ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class DayValue:
    """One row of `portfolio_values` before it is stored."""

    session: date
    cash: Decimal
    positions_value: Decimal
    external_flow: Decimal
    closing_flow: Decimal
    costs: Decimal
    carried: bool

    @property
    def flow(self) -> Flow:
        return Flow(self.external_flow, self.closing_flow)

    @property
    def total(self) -> Decimal:
        return self.cash + self.positions_value


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a portfolio is marked: the last stored row, None where there is none.

    `first_news` and `last_news` span the sessions of the ledger entries that its values do not
    know of yet.
    """

    session: date | None
    external_flow: Decimal | None
    closing_flow: Decimal | None
    costs: Decimal | None
    data_version: UUID | None
    first_news: date | None
    last_news: date | None


_READ = """
    SELECT portfolio.id, marked.*, news.*
    FROM portfolios AS portfolio
    LEFT JOIN LATERAL (
        SELECT session, external_flow, closing_flow, costs, data_version FROM portfolio_values
        WHERE portfolio_id = portfolio.id ORDER BY session DESC LIMIT 1
    ) AS marked ON true
    LEFT JOIN LATERAL (
        SELECT min(session) AS first_news, max(session) AS last_news FROM ledger_entries
        WHERE portfolio_id = portfolio.id AND sequence > portfolio.marked_sequence
    ) AS news ON true
    WHERE portfolio.id = ANY(%(ids)s)
    """

_WRITE = """
    INSERT INTO portfolio_values (portfolio_id, session, cash, positions_value, external_flow,
                                  closing_flow, costs, carried, data_version)
    SELECT day.*, %(data_version)s
    FROM unnest(
        CAST(%(portfolio_ids)s AS int[]), CAST(%(sessions)s AS date[]),
        CAST(%(cash)s AS numeric[]), CAST(%(positions)s AS numeric[]),
        CAST(%(flows)s AS numeric[]), CAST(%(closing)s AS numeric[]),
        CAST(%(costs)s AS numeric[]), CAST(%(carried)s AS boolean[])
    ) AS day
    ON CONFLICT (portfolio_id, session) DO UPDATE
    SET cash = excluded.cash, positions_value = excluded.positions_value,
        external_flow = excluded.external_flow, closing_flow = excluded.closing_flow,
        costs = excluded.costs,
        carried = excluded.carried, data_version = excluded.data_version
    """

_ADVANCE = """
    UPDATE portfolios SET marked_sequence = marked.sequence
    FROM unnest(CAST(%(ids)s AS int[]), CAST(%(sequences)s AS int[])) AS marked (id, sequence)
    WHERE portfolios.id = marked.id AND portfolios.marked_sequence <> marked.sequence
    """


async def read_marks(session: AsyncSession, ids: Sequence[int]) -> dict[int, Marks]:
    """How far each portfolio is marked; the caller has locked them."""
    found = await database.rows(session, _READ, {"ids": list(ids)})
    return {row[0]: Marks(*row[1:]) for row in found}


async def write(
    session: AsyncSession, data_version: UUID, days: Iterable[tuple[int, DayValue]]
) -> int:
    """Store the days, each with the id of its portfolio, in the place of what was there."""
    count, left = 0, iter(days)
    while rows := list(islice(left, ROWS_AT_ONCE)):
        count += len(rows)
        await database.rows(session, _WRITE, _columns(data_version, rows))
    return count


def _columns(data_version: UUID, rows: Sequence[tuple[int, DayValue]]) -> dict[str, object]:
    return {
        "data_version": data_version,
        "portfolio_ids": [portfolio_id for portfolio_id, _ in rows],
        "sessions": [day.session for _, day in rows],
        "cash": [day.cash for _, day in rows],
        "positions": [day.positions_value for _, day in rows],
        "flows": [day.external_flow for _, day in rows],
        "closing": [day.closing_flow for _, day in rows],
        "costs": [day.costs for _, day in rows],
        "carried": [day.carried for _, day in rows],
    }


async def advance(session: AsyncSession, known: Mapping[int, int]) -> None:
    """Remember up to which ledger entry the values of each portfolio know."""
    await database.rows(session, _ADVANCE, {"ids": list(known), "sequences": list(known.values())})
