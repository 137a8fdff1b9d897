"""What a period's trading, and the funds that were held, took out of the money."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.quant.measured import Measured, Missing, ratio
from app.quant.panel import SESSIONS_PER_YEAR, FloatArray

WORTH_NOTHING = "the portfolio was worth nothing"


def yearly_share(amount: float, mean_value: float, sessions: int) -> Measured:
    """An amount of a period, per year of 252 sessions and over the mean value."""
    if sessions == 0:
        return Missing("no session followed the first")
    return ratio(amount / (sessions / SESSIONS_PER_YEAR), mean_value, WORTH_NOTHING)


@dataclass(frozen=True, slots=True)
class Expenses:
    """What the held funds charge within their prices: as a part of the whole portfolio, cash
    included, and in money per year."""

    ratio: Measured
    yearly: Measured


def expenses(
    weights: FloatArray, capital: FloatArray, ratios: FloatArray, names: Sequence[str]
) -> Expenses:
    """Of what N funds were of the capital at work (T) as T sessions began (T x N), and their yearly
    ratios.

    Missing where the ratio of a fund that was ever held is unknown.
    """
    if not len(weights):
        return Expenses(*[Missing("no session followed the first")] * 2)
    unknown = np.isnan(ratios) & (weights > 0.0).any(axis=0)
    if unknown.any():
        listed = ", ".join(names[place] for place in np.flatnonzero(unknown).tolist())
        return Expenses(*[Missing(f"the expense ratio is unknown of {listed}")] * 2)
    charged = (weights @ np.where(np.isnan(ratios), 0.0, ratios)) * capital
    yearly = float(charged.mean())
    return Expenses(ratio(yearly, float(capital.mean()), WORTH_NOTHING), yearly)
