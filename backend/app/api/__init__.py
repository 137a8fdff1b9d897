"""The HTTP interface: one module per resource."""

from app.api import (
    alerts,
    data,
    factors,
    health,
    orders,
    performance,
    portfolio_books,
    portfolios,
    positions,
    risk,
    stops,
    trades,
)

ROUTERS = (
    health.router,
    portfolios.router,
    portfolio_books.router,
    positions.router,
    trades.router,
    orders.router,
    factors.router,
    performance.router,
    risk.router,
    stops.router,
    alerts.router,
    data.router,
)
