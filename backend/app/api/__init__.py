"""The HTTP interface: one module per resource."""

from app.api import factors, health

ROUTERS = (health.router, factors.router)
