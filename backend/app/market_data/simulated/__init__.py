"""An invented market for demonstrations: seeded, reproducible, recognisably simulated."""

from app.market_data.simulated.market import SEED, SimulatedMarket, simulate
from app.market_data.simulated.roster import BENCHMARK

__all__ = ["BENCHMARK", "SEED", "SimulatedMarket", "simulate"]
