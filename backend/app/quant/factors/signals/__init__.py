"""The signals, one per file; `factors.registry` gives each its name."""

from app.quant.factors.signals.beta import LowBeta
from app.quant.factors.signals.carry import Carry
from app.quant.factors.signals.factor import YEAR, Factor
from app.quant.factors.signals.momentum import Momentum
from app.quant.factors.signals.quality import Quality
from app.quant.factors.signals.reversal import Reversal
from app.quant.factors.signals.trend import Trend
from app.quant.factors.signals.value import Value
from app.quant.factors.signals.volatility import LowVolatility

__all__ = [
    "YEAR",
    "Carry",
    "Factor",
    "LowBeta",
    "LowVolatility",
    "Momentum",
    "Quality",
    "Reversal",
    "Trend",
    "Value",
]
