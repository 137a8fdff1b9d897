"""Selection, covariance and weights of 20 names out of 766, beside cvxpy and PyPortfolioOpt.

Run from backend/: `python -m benchmarks.optimizers`. Real closes and scores where the folder of
market data lies beside the project, a simulated factor market otherwise. Medians over alternating
rounds; every peer solves the same problem to its own default accuracy.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import cvxpy
import numpy as np
import pandas as pd

from app.quant.construction import ConstructionSettings, Invested, construct
from app.quant.covariance import estimate
from app.quant.optimizers import OPTIMIZERS, MeanVariance, Problem, Simple
from app.quant.optimizers.qp import solve
from app.quant.optimizers.weights import program
from app.quant.panel import FloatArray, Panel
from app.quant.selection import Circumstances, SelectionRules, select
from tests.shared_data import SHARED

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pypfopt

ROUNDS = 60
NAMES = 766
SESSIONS = 1098
TARGET_MS = 3.0
TARGET_QP_MS = 0.5
DAY = "2025-06-30"

Contenders = dict[str, Callable[[], object]]


@dataclass
class Kept:
    """An optimizer that remembers the problem it was given."""

    problem: list[Problem] = field(default_factory=list)

    def solve(self, problem: Problem) -> FloatArray:
        self.problem.append(problem)
        return Simple().solve(problem)


def real_market() -> tuple[Panel, FloatArray]:
    table = pd.read_parquet(
        SHARED / "data" / "etf_prices.parquet", columns=["ticker", "date", "close", "volume"]
    )
    close, volume = (
        table.pivot(index="ticker", columns="date", values=v) for v in table.columns[2:]
    )
    scores = pd.read_csv(SHARED / "golden" / f"scores_{DAY}.csv", index_col=0)["composite"]
    closes = np.ascontiguousarray(close.where(close > 0.0).to_numpy(dtype=float))
    sessions = close.columns.to_numpy().astype("datetime64[D]")
    volumes = np.ascontiguousarray(volume.to_numpy(dtype=float))
    panel = Panel(tuple(close.index), sessions, closes, closes, volumes)
    return panel, scores.reindex(close.index).to_numpy()


def simulated_market() -> tuple[Panel, FloatArray]:
    rng = np.random.default_rng(7)
    factors = rng.standard_t(5, (12, SESSIONS)) * 0.007
    loadings = rng.normal(0.0, 0.4, (NAMES, 12))
    loadings[:, 0] += 0.7
    returns = loadings @ factors + rng.normal(0.0002, 0.004, (NAMES, SESSIONS))
    closes = np.asarray(50.0 * np.cumprod(1.0 + returns, axis=1), dtype=np.float64)
    sessions = np.arange(SESSIONS).astype("datetime64[D]")
    names = tuple(f"E{i:03d}" for i in range(NAMES))
    volumes = np.full_like(closes, 2e5)
    return Panel(names, sessions, closes, closes, volumes), rng.uniform(0.05, 0.9, NAMES)


def with_cvxpy(problem: Problem, expected: FloatArray) -> None:
    w, limits = cvxpy.Variable(len(problem)), problem.limits
    trade = w - problem.current
    cost = problem.buy_rates @ cvxpy.pos(trade) + problem.sell_rates @ cvxpy.neg(trade)
    risk = 2.5 * cvxpy.quad_form(w, cvxpy.psd_wrap(problem.covariance))
    goal = risk + (0.01 * problem.sigma - expected) @ w + cost
    bounds = [cvxpy.sum(w) == limits.invested, w >= limits.min_weight, w <= limits.max_weight]
    cvxpy.Problem(cvxpy.Minimize(goal), bounds).solve(solver=cvxpy.CLARABEL)


def with_pypfopt(covariance: FloatArray, expected: FloatArray) -> None:
    """Fully invested and without costs: what it offers directly."""
    frontier = pypfopt.EfficientFrontier(expected, covariance, weight_bounds=(0.02, 0.15))
    frontier.max_quadratic_utility(risk_aversion=5.0)


def medians(contenders: Contenders) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            taken[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(times) for name, times in taken.items()}


def table(title: str, contenders: Contenders) -> None:
    found = medians(contenders)
    ours = next(iter(found.values()))
    print(f"\n{title}")
    for name, median in found.items():
        print(f"  {name:<52} {median:7.3f} ms  x{median / ours:.1f}")


def held(problem: Problem) -> Problem:
    """The same names, all held near equal weights, so that each may be bought or sold."""
    current = np.linspace(0.03, 0.068, len(problem))
    return replace(problem, current=current)


def main() -> None:
    real = (SHARED / "data" / "etf_prices.parquet").is_file()
    panel, scores = real_market() if real else simulated_market()
    kept, book = Kept(), Invested(1e6)
    construct(panel, scores, ConstructionSettings(optimizer=kept), book)
    problem = held(kept.problem[0])
    rows = select(panel, scores, SelectionRules(), Circumstances()).rows
    rule = MeanVariance()
    expected = rule.expected_returns(problem)
    prices = pd.DataFrame(panel.adjusted[rows, -253:].T)
    plain = program(5.0 * problem.covariance, 0.01 * problem.sigma - expected, problem)
    split = rule.program(problem)
    weights = dict(zip(problem.tickers, problem.current.tolist(), strict=True))

    def peer_of_all() -> None:
        shrunk = pypfopt.CovarianceShrinkage(prices).ledoit_wolf()
        with_pypfopt(shrunk, expected)

    settings = {name: ConstructionSettings(optimizer=rule) for name, rule in OPTIMIZERS.items()}
    scored, kind = np.isfinite(scores).sum(), "real" if real else "simulated"
    print(f"{kind} market, {scored} scored of {len(scores)}")
    whole: Contenders = {
        f"{name}: selection, covariance, weights": partial(construct, panel, scores, chosen, book)
        for name, chosen in settings.items()
    }
    whole["mvo, 20 names held"] = lambda: construct(
        panel, scores, settings["mvo"], Invested(1e6, weights)
    )
    whole["  of it selection"] = lambda: select(panel, scores, SelectionRules(), Circumstances())
    whole["  of it covariance"] = lambda: estimate(panel, rows, 252)
    whole["PyPortfolioOpt: covariance, weights (no selection)"] = peer_of_all
    table(f"from scores to weights; target {TARGET_MS} ms each", whole)
    table(
        f"20 weights alone; target {TARGET_QP_MS} ms for the quadratic program",
        {
            "ours, mvo with cost of trading, checks included": lambda: rule.solve(problem),
            "ours, its quadratic program alone": lambda: solve(split),
            "ours, the quadratic program without cost": lambda: solve(plain),
            "cvxpy + CLARABEL, the same with cost": lambda: with_cvxpy(problem, expected),
            "PyPortfolioOpt, without cost": lambda: with_pypfopt(problem.covariance, expected),
        },
    )


if __name__ == "__main__":
    main()
