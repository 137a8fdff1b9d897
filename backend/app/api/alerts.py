"""What the owner of the portfolios should know."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import ResourcesDep, SessionDep
from app.api.errors import problems
from app.schemas.alert import AlertFilter, AlertRead
from app.services import alerts

router = APIRouter(prefix="/api/alerts", tags=["risk"])


@router.get("", responses=problems(404))
async def show(
    session: SessionDep, resources: ResourcesDep, wanted: Annotated[AlertFilter, Query()]
) -> list[AlertRead]:
    """Stops reached where the portfolio only alerts, and changes of exposure; newest first.

    404 for a portfolio that is not yours.
    """
    return await alerts.listed(session, resources.owner_id, wanted)
