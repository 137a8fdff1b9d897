"""The bond segments of the simulated market."""

from collections.abc import Mapping
from typing import Any

from app.market_data.simulated.segment import EMERGING, MONTHLY, Segment


def _bond(
    code: str, label: str, category: str, funds: int, loadings: Mapping[str, float], **more: Any
) -> Segment:
    shared: dict[str, Any] = {
        "asset_class": "Fixed income",
        "payments": MONTHLY,
        "noise": 0.003,
        "expense": (0.0003, 0.0040),
        "largest_move": 0.055,
        "spread": 0.05,
    }
    return Segment(
        code=code,
        label=label,
        category=category,
        funds=funds,
        loadings=loadings,
        **(shared | more),
    )


FIXED_INCOME = (
    _bond(
        "UB",
        "Ultrashort Treasury",
        "Ultrashort Bond",
        4,
        {"rates": 0.3},
        payout=0.024,
        noise=0.0006,
        price=(50.0, 101.0),
        turnover=(5e6, 6e8),
    ),
    _bond(
        "ST",
        "Short Treasury",
        "Short Government",
        4,
        {"rates": 1.9},
        payout=0.025,
        noise=0.001,
        turnover=(4e6, 2e8),
    ),
    _bond(
        "IT",
        "Intermediate Treasury",
        "Intermediate Government",
        6,
        {"rates": 6.2, "market": -0.03},
        indices=4,
        payout=0.027,
        turnover=(2e6, 4e8),
    ),
    _bond(
        "LT",
        "Long Treasury",
        "Long Government",
        6,
        {"rates": 15.5, "market": -0.08},
        indices=3,
        payout=0.031,
        turnover=(4e6, 2e9),
    ),
    _bond(
        "IL",
        "Inflation-Protected",
        "Inflation-Protected Bond",
        4,
        {"rates": 6.0, "commodity": 0.04},
        payout=0.026,
    ),
    _bond(
        "AG",
        "Core Aggregate",
        "Intermediate Core Bond",
        6,
        {"rates": 5.8, "credit": 0.25},
        indices=4,
        payout=0.030,
        turnover=(5e6, 6e8),
    ),
    _bond(
        "IG",
        "Corporate",
        "Corporate Bond",
        8,
        {"rates": 7.0, "credit": 1.0, "market": 0.05},
        indices=6,
        payout=0.038,
        turnover=(2e6, 9e8),
    ),
    _bond(
        "HY",
        "High Yield",
        "High Yield Bond",
        7,
        {"rates": 3.0, "credit": 1.6, "market": 0.22},
        indices=5,
        payout=0.056,
    ),
    _bond(
        "MU",
        "National Municipal",
        "Muni National Interm",
        6,
        {"rates": 4.8, "municipal": 1.0},
        payout=0.027,
    ),
    _bond(
        "MS",
        "Short Municipal",
        "Muni National Short",
        3,
        {"rates": 2.2, "municipal": 0.5},
        payout=0.020,
        turnover=(6e5, 2e7),
    ),
    _bond(
        "ED",
        "Emerging Debt",
        "Emerging Markets Bond",
        4,
        {"rates": 5.5, "credit": 1.2, "emerging": 0.18, "market": 0.15},
        payout=0.052,
        region=EMERGING,
    ),
    _bond("MT", "Mortgage", "Intermediate Government", 3, {"rates": 4.9}, payout=0.030),
)
