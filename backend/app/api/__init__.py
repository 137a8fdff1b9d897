"""The HTTP interface: one module per resource."""

from app.api import data, factors, health, orders, performance, portfolios, positions, risk, trades

ROUTERS = (
    health.router,
    portfolios.router,
    positions.router,
    trades.router,
    orders.router,
    factors.router,
    performance.router,
    risk.router,
    data.router,
)
