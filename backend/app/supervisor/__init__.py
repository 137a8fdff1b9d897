"""Starts, watches and examines an installation."""

from app.supervisor.start import up

__all__ = ["up"]
