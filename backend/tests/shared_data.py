"""Real market data kept beside the project; what needs it is skipped where it is absent."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"

needs_market_data = pytest.mark.skipif(
    not (SHARED / "data" / "etf_prices.parquet").is_file(),
    reason="no folder of real market data beside the project",
)
needs_golden_scores = pytest.mark.skipif(
    not ((SHARED / "golden").is_dir() and (SHARED / "data" / "etf_prices.parquet").is_file()),
    reason="no independently computed scores beside the project",
)
