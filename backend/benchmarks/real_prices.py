"""The real prices kept beside the project, aligned; see the README beside them."""

from pathlib import Path

import numpy as np
import polars as pl

from app.quant.panel import Facts, FloatArray, Panel

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def read_prices(file: str) -> tuple[Panel, FloatArray, Facts]:
    """Of a Parquet file there: the panel, the opens aligned with it, and facts of its ETFs."""
    prices = pl.read_parquet(DATA / file)
    tickers = prices["ticker"].unique().sort()
    days = prices["date"].unique().sort().to_numpy()
    row = prices["ticker"].cast(pl.Enum(tickers)).to_physical().to_numpy()
    column = np.searchsorted(days, prices["date"].to_numpy())

    def matrix(name: str) -> FloatArray:
        aligned = np.full((len(tickers), len(days)), np.nan)
        aligned[row, column] = prices[name].cast(pl.Float64).to_numpy()
        return aligned

    close, opens = matrix("close"), matrix("open")
    close[~(close > 0)] = np.nan
    opens[~(opens > 0)] = np.nan
    known = tickers.to_frame("ticker").join(
        pl.read_csv(DATA / "etf_metadata.csv", infer_schema_length=None),
        on="ticker",
        how="left",
        maintain_order="left",
    )
    facts = Facts(
        expense_ratio=known["expense_ratio"].to_numpy(),
        leveraged=known["is_leveraged"].fill_null(value=False).to_numpy(),
        inverse=known["is_inverse"].fill_null(value=False).to_numpy(),
        asset_class=known["asset_class"].fill_null("").to_numpy(),
    )
    sessions = days.astype("datetime64[D]")
    return Panel(tuple(tickers), sessions, close, close, matrix("volume")), opens, facts
