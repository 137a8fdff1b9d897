"""The HTTP interface: one module per resource."""

from app.api import health

ROUTERS = (health.router,)
