from tests.app_fixtures import (
    client,
    clients,
    market,
    portfolio_id,
    resources,
    session,
    shared_resources,
    small_market,
)

__all__ = [
    "client",
    "clients",
    "market",
    "portfolio_id",
    "resources",
    "session",
    "shared_resources",
    "small_market",
]
