"""Commodities, real estate, mixtures, currencies, and multiples of indices."""

from collections.abc import Mapping
from typing import Any

from app.market_data.simulated.segment import DEVELOPED, GLOBAL, MONTHLY, QUARTERLY, Segment


def _asset(
    code: str,
    label: str,
    kinds: tuple[str, str],
    funds: int,
    loadings: Mapping[str, float],
    **more: Any,
) -> Segment:
    shared: dict[str, Any] = {"asset_class": kinds[0], "category": kinds[1], "largest_move": 0.19}
    return Segment(
        code=code,
        label=label,
        funds=funds,
        loadings=loadings,
        **(shared | more),
    )


def _multiple(code: str, label: str, leverage: float, tracks: str, funds: int) -> Segment:
    return Segment(
        code=code,
        label=label,
        asset_class={"TE": "Sector equity", "IT": "Fixed income"}.get(tracks, "Broad equity"),
        category="Trading--Leveraged Equity" if leverage > 1.0 else "Trading--Inverse Equity",
        funds=funds,
        leverage=leverage,
        tracks=tracks,
        expense=(0.0085, 0.0105),
        turnover=(3e6, 4e8),
    )


_METAL = ("Commodity", "Commodities Focused")
_BASKET = ("Commodity", "Commodities Broad Basket")
_PROPERTY = ("Real estate", "Real Estate")
_PROPERTY_ABROAD = ("Real estate", "Global Real Estate")
_MONEY = ("Currency", "Single Currency")

OTHERS = (
    _asset(
        "AU",
        "Gold",
        _METAL,
        7,
        {"gold": 1.0, "dollar": -0.3},
        region=GLOBAL,
        indices=1,
        noise=0.0,
        turnover=(3e6, 1.5e9),
        expense=(0.0009, 0.0040),
    ),
    _asset(
        "AV",
        "Silver",
        _METAL,
        3,
        {"gold": 1.5, "commodity": 0.7},
        region=GLOBAL,
        indices=1,
        noise=0.12,
    ),
    _asset(
        "CB",
        "Broad Commodity",
        _BASKET,
        5,
        {"commodity": 1.0, "crude": 0.15},
        region=GLOBAL,
        expense=(0.0025, 0.0085),
    ),
    _asset(
        "CE",
        "Crude Oil",
        _METAL,
        4,
        {"crude": 1.0, "commodity": 0.5},
        region=GLOBAL,
        expense=(0.0050, 0.0085),
        price=(30.0, 70.0),
    ),
    _asset(
        "CA",
        "Agriculture",
        _METAL,
        3,
        {"crops": 1.0, "commodity": 0.2},
        region=GLOBAL,
        expense=(0.0060, 0.0090),
    ),
    _asset(
        "RE",
        "US Real Estate",
        _PROPERTY,
        7,
        {"market": 0.85, "real_estate": 1.0, "rates": 2.0},
        indices=5,
        noise=0.03,
        payout=0.038,
        payments=QUARTERLY,
    ),
    _asset(
        "RG",
        "Global Real Estate",
        _PROPERTY_ABROAD,
        4,
        {"market": 0.8, "real_estate": 0.8, "developed": 0.6},
        region=GLOBAL,
        noise=0.03,
        payout=0.040,
        payments=QUARTERLY,
    ),
    _asset(
        "AC",
        "Conservative Allocation",
        ("Multi-asset", "Conservative Allocation"),
        3,
        {"market": 0.3, "rates": 4.0, "credit": 0.3},
        payout=0.027,
        payments=MONTHLY,
    ),
    _asset(
        "AM",
        "Moderate Allocation",
        ("Multi-asset", "Moderate Allocation"),
        4,
        {"market": 0.6, "rates": 2.4, "developed": 0.15},
        payout=0.024,
        payments=QUARTERLY,
    ),
    _asset(
        "AA",
        "Aggressive Allocation",
        ("Multi-asset", "Aggressive Allocation"),
        3,
        {"market": 0.78, "rates": 1.6, "developed": 0.3},
        payout=0.020,
        payments=QUARTERLY,
    ),
    _asset("DL", "US Dollar", _MONEY, 2, {"dollar": 1.0}, noise=0.005, largest_move=0.05),
    _asset(
        "EU", "Euro", _MONEY, 2, {"dollar": -1.0}, region=DEVELOPED, noise=0.02, largest_move=0.05
    ),
    _asset(
        "JY",
        "Yen",
        _MONEY,
        2,
        {"dollar": -1.0, "rates": 1.5},
        region=DEVELOPED,
        noise=0.05,
        largest_move=0.05,
    ),
    _multiple("XB", "Treasury Daily 2x", 2.0, "IT", 1),
    _multiple("XD", "US Daily 2x", 2.0, "MK", 2),
    _multiple("XT", "US Daily 3x", 3.0, "MK", 2),
    _multiple("XS", "US Technology Daily 2x", 2.0, "TE", 1),
    _multiple("XI", "US Daily Inverse", -1.0, "MK", 2),
    _multiple("XJ", "US Daily Inverse 2x", -2.0, "MK", 2),
)
