"""A market whose future is another one: what is known at a session stays, the rest is replaced."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from app.quant.backtest.tape import Tape
from app.quant.panel import FloatArray

Scramble: TypeAlias = Callable[[FloatArray, int, np.random.Generator], FloatArray]
"""What becomes of the columns from one on."""

FINENESS = 1e4
"""Prices stay on the grid that money is counted on."""


def other_names(values: FloatArray, first: int, random: np.random.Generator) -> FloatArray:
    """Every ETF goes on as another one."""
    found = values.copy()
    found[:, first:] = values[random.permutation(len(values)), first:]
    return found


def hundredfold(values: FloatArray, first: int, _: np.random.Generator) -> FloatArray:
    found = values.copy()
    found[:, first:] *= 100.0
    return found


def silence(values: FloatArray, first: int, _: np.random.Generator) -> FloatArray:
    found = values.copy()
    found[:, first:] = np.nan
    return found


def shuffled_days(values: FloatArray, first: int, random: np.random.Generator) -> FloatArray:
    found = values.copy()
    found[:, first:] = values[:, first + random.permutation(values.shape[1] - first)]
    return found


def noise(values: FloatArray, first: int, random: np.random.Generator) -> FloatArray:
    found = values.copy()
    part = found[:, first:]
    found[:, first:] = np.round(part * random.uniform(0.5, 2.0, part.shape) * FINENESS) / FINENESS
    return found


SCRAMBLES: tuple[Scramble, ...] = (other_names, hundredfold, silence, shuffled_days, noise)

Input: TypeAlias = Callable[[Tape, Scramble, int, np.random.Generator], Tape]
"""The tape with one of its inputs scrambled from a column on."""


def _closes(tape: Tape, scramble: Scramble, first: int, random: np.random.Generator) -> Tape:
    panel = tape.panel
    close = scramble(panel.close, first, random)
    # A source that has only adjusted prices has one array for both.
    adjusted = close if panel.adjusted is panel.close else panel.adjusted
    return replace(tape, panel=replace(panel, close=close, adjusted=adjusted))


def _adjusted(tape: Tape, scramble: Scramble, first: int, random: np.random.Generator) -> Tape:
    adjusted = scramble(tape.panel.adjusted, first, random)
    return replace(tape, panel=replace(tape.panel, adjusted=adjusted))


def _volumes(tape: Tape, scramble: Scramble, first: int, random: np.random.Generator) -> Tape:
    volume = scramble(tape.panel.volume, first, random)
    return replace(tape, panel=replace(tape.panel, volume=volume))


def _opens(tape: Tape, scramble: Scramble, first: int, random: np.random.Generator) -> Tape:
    return replace(tape, opens=scramble(tape.opens, first, random))


def _vix(tape: Tape, scramble: Scramble, first: int, random: np.random.Generator) -> Tape:
    return replace(tape, vix=scramble(tape.vix[None, :], first, random)[0])


def _events(tape: Tape, _: Scramble, first: int, __: np.random.Generator) -> Tape:
    """What ETFs do later is not known of: none of it happens."""
    return replace(
        tape,
        events=tuple(event for event in tape.events if event.column < first),
        splits=frozenset(split for split in tape.splits if split[0] < first),
    )


INPUTS: Mapping[str, Input] = {
    "closes": _closes,
    "adjusted closes": _adjusted,
    "volumes": _volumes,
    "opens": _opens,
    "the VIX": _vix,
    "corporate actions": _events,
}
