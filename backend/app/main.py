"""The HTTP application: assembly only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse

from app.api import ROUTERS, description, errors
from app.api.guards import AnySlash, BodyLimit, LocalOnly
from app.api.warming import warm_up
from app.bootstrap import Resources, open_resources
from app.core.config import Settings
from app.core.version import VERSION

DESCRIPTION = """
A multi-factor strategy over ETFs: scores, proposals, paper trades, performance and risk.

Money, prices and share quantities are decimal strings; ratios, weights and scores are numbers.
Answers built on prices carry `as_of` and `stale`. Every answer names its market, and whether that
market is simulated. Errors are problem documents (RFC 9457).
"""

MAX_BODY_BYTES = 256 * 1024


class State(TypedDict):
    resources: Resources


def create_app(settings: Settings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with open_resources(settings) as resources:
            warming = asyncio.create_task(warm_up(resources))
            yield {"resources": resources}
            warming.cancel()

    # Its pages /docs and /redoc take their scripts from the installed package: no internet needed.
    app = FastAPIOffline(
        title="ETFTrader",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        debug=False,
        static_url="/static/docs",
        redirect_slashes=False,
        responses=errors.problems(*errors.ALWAYS),
    )
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    description.head_with_sentences(app)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    app.add_middleware(BodyLimit, most=MAX_BODY_BYTES)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
        )
    app.add_middleware(LocalOnly, origins=settings.cors_origins)
    app.add_middleware(AnySlash)
    app.add_middleware(errors.LastResort)
    return app


app = create_app(Settings.load())
