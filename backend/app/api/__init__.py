"""The HTTP interface: one module per resource."""

from app.api import (
    alerts,
    attribution,
    backtests,
    data,
    factors,
    health,
    jobs,
    orders,
    performance,
    portfolio_books,
    portfolios,
    positions,
    reports,
    research,
    risk,
    stops,
    sweeps,
    trades,
)

# In order of how often they are asked for: each is tried in turn.
ROUTERS = (
    trades.router,
    health.router,
    portfolios.router,
    portfolio_books.router,
    positions.router,
    orders.router,
    factors.router,
    performance.router,
    attribution.router,
    risk.router,
    research.router,
    stops.router,
    alerts.router,
    reports.router,
    sweeps.router,  # before the runs, of which none is called "sweeps"
    backtests.router,
    data.router,
    jobs.router,
)
