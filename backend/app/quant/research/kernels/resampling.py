"""Means of many resamples of a series."""

import numpy as np

from app.quant.compiled import exactly
from app.quant.panel import FloatArray


@exactly
def resampled_means(values: FloatArray, draws: FloatArray, block: float) -> FloatArray:
    """Means [B, K] of B stationary bootstrap resamples of T sessions, `values` being [T, K].

    `draws` [B, T] are uniform on 0 to 1: the places are those of `evidence.bootstrap.resampled`,
    which draws the same from its generator.
    """
    resamples, sessions = draws.shape
    chance = 1.0 / max(block, 1.0)
    found = np.zeros((resamples, values.shape[1]))
    for b in range(resamples):
        place = int(draws[b, 0] * sessions)
        for t in range(sessions):
            if t > 0 and draws[b, t] < chance:
                place = int(draws[b, t] / chance * sessions)
            if place == sessions:
                place = 0
            for k in range(values.shape[1]):
                found[b, k] += values[place, k]
            place += 1
        for k in range(values.shape[1]):
            found[b, k] /= sessions
    return found
