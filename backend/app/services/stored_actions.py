"""The corporate actions of a market as they are stored."""

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFound
from app.models import CorporateAction, Etf, Market
from app.schemas.data import ActionFilter, ActionList, ActionRead
from app.services import data_status


async def listed(
    session: AsyncSession, market: str, wanted: ActionFilter, *, now: datetime
) -> ActionList:
    """Those that are wanted, newest ex-date first; raises `NotFound` for an unknown market.

    A ticker finds the ETF that has it now, and the change by which an ETF gave it up.
    """
    about = await session.scalar(select(Market).where(Market.code == market))
    if about is None:
        raise NotFound("market")
    fitting = (
        select(
            Etf.ticker,
            CorporateAction.kind,
            CorporateAction.ex_date,
            CorporateAction.value,
            CorporateAction.pay_date,
            CorporateAction.ticker.label("former_ticker"),
            CorporateAction.source,
        )
        .join(Etf, Etf.id == CorporateAction.etf_id)
        .where(Etf.market == market)
    )
    if wanted.ticker is not None:
        fitting = fitting.where(
            or_(Etf.ticker == wanted.ticker, CorporateAction.ticker == wanted.ticker)
        )
    total = await session.scalar(select(func.count()).select_from(fitting.subquery()))
    rows = await session.execute(
        fitting.order_by(CorporateAction.ex_date.desc(), Etf.ticker, CorporateAction.kind)
        .limit(wanted.limit)
        .offset(wanted.offset)
    )
    return ActionList(
        **data_status.age_of(about, now).model_dump(),
        total=total or 0,
        limit=wanted.limit,
        offset=wanted.offset,
        actions=[ActionRead.model_validate(row) for row in rows],
    )
