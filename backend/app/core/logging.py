"""Logs: one line per event on stderr, without local variables, which may hold secrets."""

import logging
import sys
from typing import Any

import structlog


def configure(level: str) -> None:
    """JSON for machines, plain lines where a person watches."""
    person = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            (
                structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
                if person
                else structlog.processors.JSONRenderer()
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )


def _to_stderr(*_: Any) -> structlog.PrintLogger:
    """Whatever stderr is at the time: it may be replaced, and closed, while we run."""
    return structlog.PrintLogger(sys.stderr)
