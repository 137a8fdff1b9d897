"""Every rule of the universe at its limit, and the order in which rules are asked."""

from typing import Any

import numpy as np
import pytest

from app.quant.factors.scoring import Exclusion, Scores, ScoreSettings, score
from app.quant.factors.universe import EXCLUSIONS, UniverseRules, reason_of
from app.quant.panel import FloatArray
from tests.quant.factors.markets import facts_of, panel_of

SESSIONS = 260


def steady(price: float = 50.0, daily: float = 0.01) -> FloatArray:
    """Up and down by `daily` in turn, ending at `price`."""
    steps = np.where(np.arange(SESSIONS) % 2, 1 + daily, 1 / (1 + daily))
    path = np.cumprod(steps)
    closes: FloatArray = price * path / path[-1]
    return closes


def scored(closes: FloatArray, volume: Any = 1e6, **facts: Any) -> Scores:
    return score(panel_of(closes[None, :], volume), facts_of(1, **facts))


def reason(closes: FloatArray, volume: Any = 1e6, **facts: Any) -> Exclusion | None:
    return scored(closes, volume, **facts).reason(0)


def test_a_sound_etf_is_in() -> None:
    assert reason(steady()) is None


@pytest.mark.parametrize("missing", [np.nan, 0.0, -3.0])
def test_missing_zero_and_negative_closes_all_count_as_missing(missing: float) -> None:
    closes = steady()
    closes[-1] = missing
    assert reason(closes) is Exclusion.NO_CLOSE


def test_the_first_close_must_be_252_sessions_old() -> None:
    closes = steady()
    closes[: SESSIONS - 253] = np.nan
    assert reason(closes) is None
    closes[SESSIONS - 253] = np.nan
    assert reason(closes) is Exclusion.SHORT_HISTORY


def test_an_old_first_close_counts_even_if_the_one_a_year_ago_is_missing() -> None:
    closes = steady()
    closes[SESSIONS - 253] = np.nan
    assert reason(closes) is None


def test_twelve_of_253_closes_may_be_missing_and_not_thirteen() -> None:
    closes = steady()
    closes[50:242:16] = np.nan
    assert scored(closes).missing_closes.tolist() == [12]
    assert reason(closes) is None
    closes[245] = np.nan
    assert reason(closes) is Exclusion.MISSING_CLOSES


def test_a_close_of_five_is_enough() -> None:
    assert reason(steady(5.0)) is None
    assert reason(steady(4.99)) is Exclusion.LOW_PRICE


def test_the_median_of_63_dollar_volumes_decides() -> None:
    closes = steady()
    volume = np.full(SESSIONS, 2e6) / closes
    volume[-31:] = 1.0
    assert reason(closes, volume) is None
    volume[-32] = 1.0
    assert reason(closes, volume) is Exclusion.LOW_DOLLAR_VOLUME


def test_missing_closes_are_left_out_of_the_median() -> None:
    closes = steady()
    volume = np.full(SESSIONS, 2e6) / closes
    volume[-31:] = 1.0
    volume[-33] = 1.5e6 / closes[-33]
    closes[-34] = np.nan
    assert scored(closes, volume).dollar_volume[0] == pytest.approx(
        np.median((closes * volume)[-63:][~np.isnan(closes[-63:])])
    )


def test_an_etf_without_any_volume_does_not_trade() -> None:
    assert reason(steady(), np.nan) is Exclusion.LOW_DOLLAR_VOLUME


def test_volatility_must_lie_within_its_limits() -> None:
    assert reason(steady(daily=0.0015)) is Exclusion.VOLATILITY
    assert reason(steady(daily=0.0021)) is None
    assert reason(steady(daily=0.0215)) is None
    assert reason(steady(daily=0.0225)) is Exclusion.VOLATILITY


def test_leveraged_and_inverse_funds_are_out() -> None:
    yes = np.array([True])
    assert reason(steady(), leveraged=yes) is Exclusion.LEVERAGED
    assert reason(steady(), inverse=yes) is Exclusion.INVERSE


def test_the_first_failing_rule_is_the_reason() -> None:
    yes = np.array([True])
    assert reason(steady(4.0), 0.0, leveraged=yes) is Exclusion.LOW_PRICE
    assert reason(steady(), 0.0, leveraged=yes) is Exclusion.LOW_DOLLAR_VOLUME
    assert reason(steady(daily=0.03), leveraged=yes, inverse=yes) is Exclusion.VOLATILITY
    assert reason(steady(), leveraged=yes, inverse=yes) is Exclusion.LEVERAGED


def test_every_limit_can_be_set() -> None:
    rules = UniverseRules(min_close=1.0, max_volatility=1.0, leveraged=True, inverse=True)
    yes = np.array([True])
    panel = panel_of(steady(2.0, daily=0.03)[None, :])
    facts = facts_of(1, leveraged=yes, inverse=yes)
    assert score(panel, facts, ScoreSettings(universe=rules)).scored.all()


def test_traded_prices_decide_the_limits_and_adjusted_ones_the_volatility() -> None:
    adjusted = steady(0.5)[None, :]
    panel = panel_of(steady(50.0, daily=0.2)[None, :])
    panel = type(panel)(panel.tickers, panel.sessions, panel.close, adjusted, panel.volume)
    assert score(panel, facts_of(1)).scored.all()


def test_codes_and_reasons_are_one_to_one() -> None:
    assert reason_of(0) is None
    assert [reason_of(each.code) for each in EXCLUSIONS] == list(EXCLUSIONS)


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        (Exclusion.NO_CLOSE, "no close on this session"),
        (Exclusion.SHORT_HISTORY, "first close less than 252 sessions ago"),
        (
            Exclusion.MISSING_CLOSES,
            "more than 5 % of the last 253 sessions without a close",
        ),
        (Exclusion.LOW_PRICE, "close below 5"),
        (Exclusion.LOW_DOLLAR_VOLUME, "median dollar volume below 1,000,000"),
        (Exclusion.VOLATILITY, "annualised volatility outside 3 % to 35 %"),
        (Exclusion.LEVERAGED, "leveraged fund"),
        (Exclusion.INVERSE, "inverse fund"),
        (Exclusion.NOT_CHOSEN, "outside the chosen part of the market"),
    ],
)
def test_a_reason_reads_as_words(which: Exclusion, sentence: str) -> None:
    assert UniverseRules().explain(which) == sentence
