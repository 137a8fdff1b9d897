"""Small invented score histories, and the same as tables for other libraries."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd

from app.quant.panel import FloatArray, Panel
from app.quant.research.forward import Entry, Forward, forward
from app.quant.research.signals import Arranged, Signals, arrange, kernels
from tests.quant.factors.markets import panel_of


def signals_of(scores: FloatArray, *, first: int = 0, **beside: FloatArray) -> Signals:
    """From [session, ETF]; NaN is no score. The first session is column `first` of the panel."""
    known = ~np.isnan(scores)
    session, rows = np.nonzero(known)
    counts = np.bincount(session, minlength=len(scores))
    return Signals(
        name="made",
        others=tuple(beside),
        columns=np.arange(len(scores)) + first,
        starts=np.append(0, np.cumsum(counts)),
        rows=rows.astype(np.int32),
        scores=scores[known],
        beside=np.array([each[known] for each in beside.values()]).reshape(len(beside), len(rows)),
        classes=(rows % 2).astype(np.int64),
        class_names=("even", "odd"),
    )


def walk(etfs: int, sessions: int, seed: int = 0) -> Panel:
    generator = np.random.default_rng(seed)
    return panel_of(50.0 * np.exp(np.cumsum(generator.normal(0, 0.01, (etfs, sessions)), axis=1)))


def after(
    found: Signals,
    panel: Panel,
    *horizons: int,
    entry: Entry = Entry.NEXT_CLOSE,
    opens: FloatArray | None = None,
) -> Forward:
    return forward(found, panel, panel.close if opens is None else opens, horizons, entry)


def whole(found: Signals, quantiles: int = 5) -> Arranged:
    """All ETFs in one group."""
    return arrange(found, np.zeros(len(found.rows), np.int64), 1, quantiles=quantiles)


def by_return(found: Signals, returns: FloatArray) -> Any:
    return kernels().by_return(returns, found.starts)


@contextmanager
def quietly() -> Iterator[None]:
    """Peers warn of their own libraries, and print."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        yield


def for_alphalens(scores: FloatArray, panel: Panel, horizon: int, quantiles: int = 5) -> Any:
    """What its users feed it: a score dated when it can be traded on, a session later."""
    import alphalens

    days = pd.bdate_range("2020-01-01", periods=len(panel))
    prices = pd.DataFrame(panel.adjusted.T, index=days, columns=panel.tickers)
    dated = pd.DataFrame(scores, index=days[1 : len(scores) + 1], columns=panel.tickers)
    factor = dated.stack().dropna()
    factor.index.names = ["date", "asset"]
    with quietly():
        return alphalens.utils.get_clean_factor_and_forward_returns(
            factor,
            prices,
            quantiles=quantiles,
            periods=(horizon,),
            filter_zscore=None,
            max_loss=1.0,
        )
