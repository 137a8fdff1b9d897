"""Factor scores and what they recommend."""

import gzip
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.api.deps import MarketDep, ResourcesDep, SessionDep
from app.api.errors import problems
from app.core.clock import utc_now
from app.core.database import reading
from app.schemas.factor import LatestScores, ScoreHistory
from app.schemas.factor_return import FactorReturnsAsked, FactorReturnsRead
from app.schemas.recommendation import Recommendations
from app.schemas.regression import EtfRegressionAsked, RegressionRead
from app.schemas.settings import OptimizerName, default_settings
from app.services import factor_returns, freshness, recommending, regression, scoring

router = APIRouter(prefix="/api/factors", tags=["factors"])

TickerPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,31}$", examples=["SPY"])]


@router.get("/latest", response_model=LatestScores, responses=problems(404, 409))
async def latest(
    request: Request,
    market: MarketDep,
    resources: ResourcesDep,
    unscored: Annotated[bool, Query(description="Also list the ETFs without a score")] = False,
) -> Response:
    """The scores of every ETF at the market's latest close, best first, whole.

    The bytes are made once per data version and shared between processes.
    """
    now = utc_now()
    behind = freshness.behind(market, now)
    name = f"scores:{market.data_version}:{behind}:{unscored:d}"

    async def plain() -> bytes:
        async with reading(resources.sessions) as session:
            answer = await scoring.latest_scores(session, market, unscored=unscored, now=now)
        return answer.model_dump_json().encode()

    async def packed() -> bytes:
        return gzip.compress(await resources.cache.get_or_make(name, plain), mtime=0)

    if "gzip" not in request.headers.get("accept-encoding", ""):
        body = await resources.cache.get_or_make(name, plain)
        return _json(body, {"Vary": "Accept-Encoding"})
    body = await resources.cache.get_or_make(f"{name}:gzip", packed)
    return _json(body, {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"})


@router.get("/recommendations", responses=problems(404, 409))
async def recommendations(
    market: MarketDep,
    resources: ResourcesDep,
    num_positions: Annotated[int | None, Query(ge=1, le=500, examples=[20])] = None,
    optimizer: Annotated[OptimizerName | None, Query(examples=["mvo"])] = None,
) -> Recommendations:
    """What a new portfolio would hold at the latest close, with a reason for each name.

    Limits that no portfolio can meet are refused with the limits that clash.
    """
    settings = default_settings(resources.settings)
    chosen = {"num_positions": num_positions, "optimizer": optimizer}
    settings = settings.model_copy(
        update={name: value for name, value in chosen.items() if value is not None}
    )
    return await recommending.recommend(market, settings, now=utc_now())


@router.get("/returns", responses=problems(404, 409))
async def returns(
    market: MarketDep, asked: Annotated[FactorReturnsAsked, Query()]
) -> FactorReturnsRead:
    """What each factor returned: daily regressions of the scored ETFs' returns on their scores.

    With t-statistics of every session and of the mean, whose errors allow for autocorrelation.
    """
    return await factor_returns.read(market, asked, now=utc_now())


@router.get("/{ticker}/regression", responses=problems(404, 409))
async def regression_of_one_etf(
    ticker: TickerPath,
    market: MarketDep,
    session: SessionDep,
    asked: Annotated[EtfRegressionAsked, Query()],
) -> RegressionRead:
    """Is this momentum fund really momentum? Its loadings on published daily factors."""
    return await regression.of_etf(session, market, ticker.upper(), asked, now=utc_now())


@router.get("/{ticker}", responses=problems(404, 409))
async def of_one_etf(
    ticker: TickerPath,
    market: MarketDep,
    session: SessionDep,
    days: Annotated[int, Query(ge=1, le=10_000, description="How many sessions back")] = 90,
) -> ScoreHistory:
    """The scores of one ETF over its last sessions, or the reason it has none."""
    return await scoring.history(session, market, ticker.upper(), days=days, now=utc_now())


def _json(body: bytes, headers: dict[str, str]) -> Response:
    return Response(body, headers=headers, media_type="application/json")
