"""How the time of a backtest grows with ETFs, years and settings, as a picture.

python -m benchmarks.growth docs/growth.svg
"""

from argparse import ArgumentParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from app.quant.factors.score_history import score_history
from app.quant.optimizers import MeanVariance, Simple
from app.quant.stop_loss import StopPolicy
from benchmarks.backtest_market import Market, invented_prices, lived, of, timed

SESSIONS_PER_YEAR = 252


def invented(etfs: int, years: int) -> Market:
    panel, opens, facts = invented_prices(etfs, (years + 1) * SESSIONS_PER_YEAR)
    return of(panel, opens, facts, real=False)


def milliseconds(known: Market) -> tuple[float, float, float]:
    """Of scoring every session, and of a backtest with `simple` and with `mvo`."""
    lived(known, Simple())
    return (
        1e3 * timed(lambda: score_history(known.panel, known.facts), repeats=3),
        1e3 * timed(lambda: lived(known, Simple()), repeats=5),
        1e3 * timed(lambda: lived(known, MeanVariance()), repeats=3),
    )


def settings(known: Market, count: int) -> float:
    """Milliseconds of so many settings of `simple`, one after the other on one core."""

    def work() -> None:
        for number in range(count):
            stops = StopPolicy(use_vix_adjustment=False, fixed=0.05 + 0.1 * number / count)
            lived(known, Simple(), stops)

    return 1e3 * timed(work, repeats=3 if count < 1_000 else 1)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    by_etfs = {etfs: milliseconds(invented(etfs, 4)) for etfs in (100, 300, 1_000, 3_000)}
    by_years = {years: milliseconds(invented(600, years)) for years in (1, 2, 5, 10, 20)}
    many = invented(1_000, 4)
    by_settings = {count: (settings(many, count),) for count in (1, 10, 100, 1_000)}
    mpl.rcParams.update({"svg.hashsalt": "growth", "font.size": 8})
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
    names = ("scores of every session", "one backtest, simple", "one backtest, mvo")
    for axis, found, label in (
        (axes[0], by_etfs, "ETFs, 4 years"),
        (axes[1], by_years, "years, 600 ETFs"),
        (axes[2], by_settings, "settings, 1,000 ETFs, 4 years, one core"),
    ):
        columns = np.array(list(found.values())).T
        shown = range(len(names)) if len(columns) > 1 else (1,)
        for place, column in zip(shown, columns, strict=True):
            style = {"marker": "o", "markersize": 3, "linewidth": 1, "color": f"C{place}"}
            axis.loglog(list(found), column, label=names[place], **style)
        axis.set_xlabel(label)
        axis.grid(visible=True, which="both", alpha=0.2)
    axes[0].set_ylabel("milliseconds")
    axes[0].legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})
    for title, found in (("ETFs", by_etfs), ("years", by_years), ("settings", by_settings)):
        for number, times in found.items():
            print(title, number, *(f"{value:.1f}" for value in times))


if __name__ == "__main__":
    main()
