"""A market's factors and what they returned, made once per data version."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from uuid import UUID

from app.market_data.snapshot import MarketSnapshot
from app.quant.attribution.factor_returns import FactorReturns, factor_returns
from app.quant.factors.factor_history import FactorHistory
from app.quant.factors.settings import FACTORS
from app.services import backtest_running

REMEMBERED = 2


@dataclass(frozen=True, slots=True)
class FactorModel:
    """The scores of every session and the returns that followed; entry t of both belongs
    together."""

    history: FactorHistory
    returns: FactorReturns


def model_of(market: MarketSnapshot) -> FactorModel:
    """Of the market's own scores: its whole universe, the four stored factors.

    Takes a second where nobody asked before: call it beside the event loop.
    """
    with _making:
        found = _remembered.get(market.data_version)
        if found is None:
            history = _only_standard(backtest_running.standard_factors(market))
            found = FactorModel(history, factor_returns(history, market.panel))
            _remembered[market.data_version] = found
            while len(_remembered) > REMEMBERED:
                _remembered.popitem(last=False)
        _remembered.move_to_end(market.data_version)
        return found


def _only_standard(history: FactorHistory) -> FactorHistory:
    """Without factors that some backtest asked for besides: the model is the same for everybody."""
    if history.names == FACTORS:
        return history
    return replace(history, names=FACTORS, z=history.z[history.at(FACTORS)])


_remembered: OrderedDict[UUID, FactorModel] = OrderedDict()
_making = threading.Lock()
