"""Failures as one sentence on stderr that says what to do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from app.core.config import Settings
from app.core.errors import ETFTraderError, Misconfigured, Unavailable
from app.quant.errors import QuantError

FAILED = 1
SEE_ALL = "set DEBUG=true and repeat the command to see where"


@contextmanager
def failures_in_one_sentence() -> Iterator[None]:
    """Every foreseen failure ends the command with exit code 1."""
    try:
        yield
    except (ETFTraderError, QuantError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        fail(sentence_of(error))


def fail(sentence: str) -> None:
    say(f"Error: {sentence}")
    raise typer.Exit(FAILED)


def say(sentence: str) -> None:
    """To the person, beside whatever goes to stdout."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def sentence_of(error: BaseException) -> str:
    if isinstance(error, Unavailable):
        return "The database does not answer: see 'etftrader doctor'."
    if isinstance(error, ETFTraderError | QuantError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        what = (error.strerror or type(error).__name__).lower()
        return f"{error.filename} cannot be used: {what}."
    return f"Something went wrong on our side ({type(error).__name__}): {SEE_ALL}."


def wants_traceback() -> bool:
    try:
        return Settings.load().debug
    except Misconfigured:
        return False
