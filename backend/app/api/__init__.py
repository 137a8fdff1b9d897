"""The HTTP interface: one module per resource."""

from app.api import factors, health, portfolios, trades

ROUTERS = (health.router, portfolios.router, trades.router, factors.router)
