"""Factor returns of every session, and attribution of a portfolio to them, beside numpy and
statsmodels.

    python -m benchmarks.attribution

Uses the real prices kept beside the project where there are any, else random walks of the same
size. Scores are given. The peers regress one session after the other: `numpy.linalg.lstsq` gives
coefficients alone, statsmodels also their errors, as ours do. Our figures must equal theirs before
anything is timed. The portfolio holds 20 scored ETFs over all sessions. Ours and the peers take
turns.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from sys import path
from time import perf_counter

import numpy as np
import statsmodels.api as sm

path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.quant.attribution.by_class import Blend, by_class
from app.quant.attribution.by_factor import by_factor
from app.quant.attribution.factor_returns import FactorReturns, factor_returns
from app.quant.attribution.positions import by_position
from app.quant.attribution.regression import regress, rolling
from app.quant.book_over_time import BookOverTime
from app.quant.covariance import carried
from app.quant.factors.factor_history import FactorHistory
from app.quant.factors.score_history import score_history
from app.quant.panel import FloatArray, IntArray, Panel
from benchmarks.scores import DATA, invented_market, market_of

OURS, PEERS, HELD, YEAR = 9, 3, 20, 252
FIVE_YEARS = 1_260


Sessions = list[tuple[FloatArray, FloatArray]]
"""The scores with an intercept, and the returns, of each session."""


def regressions(given: Sessions) -> list[FloatArray]:
    """By numpy, session after session."""
    return [np.linalg.lstsq(design, earned, rcond=None)[0] for design, earned in given]


def fitted(given: Sessions) -> list[FloatArray]:
    """By statsmodels, with the errors."""
    found = []
    for design, earned in given:
        fit = sm.OLS(earned, design).fit()
        found.append(np.concatenate((fit.params, fit.bse)))
    return found


def sessions(history: FactorHistory, returns: FloatArray, wanted: IntArray) -> Sessions:
    found = []
    for t in wanted.tolist():
        part = slice(int(history.starts[t]), int(history.starts[t + 1]))
        earned = returns[history.rows[part], t]
        known = np.isfinite(earned)
        scores = np.nan_to_num(history.z[:, part].T[known])
        found.append((np.column_stack((np.ones(len(scores)), scores)), earned[known]))
    return found


def book_of(panel: Panel, history: FactorHistory, count: int) -> BookOverTime:
    """Equal weights in 20 of the ETFs that were scored last."""
    scored = np.unique(history.rows[history.starts[-2] :]).astype(np.int64)
    rows = scored[:: max(len(scored) // HELD, 1)][:HELD]
    closes = carried(panel.adjusted[rows])[:, -count - 1 :]
    returns = np.nan_to_num(closes[:, 1:] / closes[:, :-1] - 1.0).T
    weights = np.full(returns.shape, 0.98 / len(rows))
    costs = np.full(count, 1e-5)
    contributions = weights * returns
    return BookOverTime(
        dates=panel.sessions[-count - 1 :],
        tickers=tuple(panel.tickers[row] for row in rows),
        rows=rows,
        weights=weights,
        contributions=contributions,
        costs=costs,
        returns=contributions.sum(axis=1) - costs,
        present=np.ones(weights.shape, np.bool_),
    )


def attribution(book: BookOverTime, history: FactorHistory, returns: FactorReturns) -> None:
    """By position, by factor and by class."""
    by_position(book.tickers, book.contributions, costs=book.costs, returns=book.returns)
    by_factor(book, history, returns)
    halves = [f"class {k % 4}" for k in range(len(book.rows))]
    blend = Blend(np.array([0.6, 0.4]), book.contributions[:, :2] * HELD, ("class 0", "class 1"))
    by_class(book, book.contributions / book.weights, halves, blend)


def seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def taking_turns(*works: tuple[Callable[[], object], int]) -> list[float]:
    """Medians; each work has its number of rounds."""
    taken: list[list[float]] = [[] for _ in works]
    for round_ in range(max(rounds for _, rounds in works)):
        for times, (work, rounds) in zip(taken, works, strict=True):
            if round_ < rounds:
                times.append(seconds(work))
    return [median(times) for times in taken]


def measure_market(panel: Panel, history: FactorHistory) -> None:
    ours = factor_returns(history, panel)
    count = len(ours)
    closes = carried(panel.adjusted)[:, -count - 1 :]
    returns = closes[:, 1:] / closes[:, :-1] - 1.0
    known = np.flatnonzero(np.isfinite(ours.values).all(axis=1))
    given = sessions(history, returns, known)
    theirs = np.array(fitted(given))
    half = theirs.shape[1] // 2
    np.testing.assert_allclose(ours.values[known], theirs[:, :half], atol=1e-9)
    np.testing.assert_allclose(ours.errors[known], theirs[:, half:], atol=1e-9)
    mine, plain, full = taking_turns(
        (lambda: factor_returns(history, panel), OURS),
        (lambda: regressions(sessions(history, returns, known)), PEERS),
        (lambda: fitted(sessions(history, returns, known)), PEERS),
    )
    print(
        f"factor returns, {len(panel.tickers)} ETFs x {count} sessions, {len(known)} estimated, "
        f"{ours.observations.sum()} returns: {mine * 1e3:.0f} ms; "
        f"numpy lstsq {plain * 1e3:.0f} ms, {plain / mine:.1f} x (no errors); "
        f"statsmodels {full * 1e3:.0f} ms, {full / mine:.1f} x"
    )
    book = book_of(panel, history, count)
    (told,) = taking_turns((lambda: attribution(book, history, ours), 25))
    print(
        f"attribution by position, factor and class, {len(book.rows)} names, {count} sessions, "
        f"factor returns given: {told * 1e3:.1f} ms"
    )


def measure_regression() -> None:
    """Five years on six factors, with HAC errors, beside statsmodels; and its rolling windows."""
    random = np.random.default_rng(0)
    factors = random.normal(0.0, 0.01, (FIVE_YEARS, 6))
    returns = factors @ random.normal(0.0, 0.5, 6) + random.normal(0.0, 0.005, FIVE_YEARS)
    dates = np.datetime64("2020-01-01") + np.arange(FIVE_YEARS)
    names = list("abcdef")
    how = {"cov_type": "HAC", "cov_kwds": {"maxlags": 7, "use_correction": True}}
    design = sm.add_constant(factors)
    one, peer, many, peers = taking_turns(
        (lambda: regress(returns, factors, names), 51),
        (lambda: sm.OLS(returns, design).fit(**how).tvalues, 51),
        (lambda: rolling(returns, factors, dates), OURS),
        (lambda: windows(returns, design, how), OURS),
    )
    print(
        f"regression of 5 years on six factors: {one * 1e3:.2f} ms; statsmodels "
        f"{peer * 1e3:.2f} ms, {peer / one:.1f} x. Rolling, every 21 sessions: "
        f"{many * 1e3:.1f} ms; statsmodels {peers * 1e3:.1f} ms, {peers / many:.1f} x"
    )


def windows(returns: FloatArray, design: FloatArray, how: dict[str, object]) -> None:
    for end in range(YEAR, FIVE_YEARS + 1, 21):
        part = slice(end - YEAR, end)
        sm.OLS(returns[part], design[part]).fit(**how).conf_int()


def main() -> None:
    known = (DATA / "etf_prices.parquet").is_file()
    for file in ("etf_prices", "etf_prices_long"):
        if not known and file != "etf_prices":
            continue
        panel, facts = market_of(file) if known else invented_market()
        history = score_history(panel, facts, None, panel.sessions[YEAR:]).factors
        print(file if known else "invented prices")
        measure_market(panel, history)
    measure_regression()


if __name__ == "__main__":
    main()
