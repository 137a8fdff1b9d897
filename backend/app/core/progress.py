"""How long work tells whoever waits for it how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Told the step in words, and how much of how much of it is done."""


def silent(_step: str, _done: int, _total: int) -> None:
    """For callers that nobody watches."""
