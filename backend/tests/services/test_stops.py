from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.market_data.snapshot import MarketSnapshot
from app.models import Portfolio
from app.quant.measured import number
from app.quant.stop_loss import PriceState, StopPolicy, VixRegime
from app.services import cooldowns, deciding, ledger, stopping, stops, valuation
from app.services.projection import Holding
from tests.services import lives
from tests.services.lives import NOW


def with_vix(market: MarketSnapshot, close: float, *, sessions_old: int = 0) -> MarketSnapshot:
    day = np.array([lives.day(market, sessions_old)], "datetime64[D]")
    return replace(market, vix_sessions=day, vix=np.array([close]))


def holding(market: MarketSnapshot, ticker: str, paid: str, on: date | None = None) -> Holding:
    return Holding(
        lives.etf_id(market, ticker), Decimal(1), Decimal(paid), on or market.latest_session
    )


def watched(market: MarketSnapshot, held: Holding, policy: StopPolicy | None = None) -> stops.Watch:
    worth = valuation.value(market, Decimal(0), [held], market.latest_session)
    return stops.watch(market, worth, policy or StopPolicy())


@pytest.mark.parametrize(
    ("vix", "fall", "regime"),
    [
        (14.99, 0.15, VixRegime.LOW),
        (15.0, 0.12, VixRegime.NORMAL),
        (25.0, 0.12, VixRegime.NORMAL),
        (25.01, 0.10, VixRegime.HIGH),
    ],
)
def test_the_vix_of_the_session_sets_the_threshold(
    market: MarketSnapshot, vix: float, fall: float, regime: VixRegime
) -> None:
    found = stops.threshold_at(with_vix(market, vix), StopPolicy(), market.latest_session)
    assert (found.fall, found.regime, found.warning) == (fall, regime, None)


def test_a_later_vix_is_not_seen(market: MarketSnapshot) -> None:
    later = with_vix(market, 40.0)
    found = stops.threshold_at(later, StopPolicy(), lives.day(market, 1))
    assert found.regime is VixRegime.UNKNOWN


def test_a_vix_of_more_than_three_sessions_ago_is_warned_of(market: MarketSnapshot) -> None:
    latest = market.latest_session
    fresh = stops.threshold_at(with_vix(market, 40.0, sessions_old=3), StopPolicy(), latest)
    stale = stops.threshold_at(with_vix(market, 40.0, sessions_old=4), StopPolicy(), latest)
    assert fresh.fall == 0.10
    assert stale.fall == 0.12
    assert stale.warning == "the VIX is 4 sessions old; the fixed stop of 12% applies"


def test_a_close_at_the_stop_price_sells_and_one_above_does_not(market: MarketSnapshot) -> None:
    calm = with_vix(market, 20.0)
    close = lives.close(market, "AAA", market.latest_session)
    paid = (close / Decimal("0.88")).quantize(Decimal("0.01"))
    above = watched(calm, holding(market, "AAA", str(paid - 1)))
    below = watched(calm, holding(market, "AAA", str(paid + 1)))
    assert [line.breached for line in above.lines] == [False]
    assert [line.breached for line in below.lines] == [True]
    assert below.lines[0].reference == paid + 1
    assert above.lines[0].status.at_risk


@pytest.mark.parametrize("ticker", ["GAPS", "MUTE", "GONE"])
def test_a_price_that_is_not_of_the_session_never_sells(
    market: MarketSnapshot, ticker: str
) -> None:
    (line,) = watched(market, holding(market, ticker, "100000.00")).lines
    assert not line.breached
    assert line.state is PriceState.STALE
    assert line.status.note == "the price is stale, so the stop does not act"


def test_a_refused_bar_is_told_from_one_that_never_came(market: MarketSnapshot) -> None:
    held = holding(market, "GAPS", "100000.00")
    worth = valuation.value(market, Decimal(0), [held], market.latest_session)
    (line,) = stops.watch(market, worth, StopPolicy(), quarantined=frozenset({held.etf_id})).lines
    assert line.state is PriceState.QUARANTINED
    assert not line.breached
    assert number(line.status.distance) is None


def test_a_good_price_is_acted_on_though_another_bar_of_the_session_was_refused(
    market: MarketSnapshot,
) -> None:
    held = holding(market, "AAA", "100000.00")
    worth = valuation.value(market, Decimal(0), [held], market.latest_session)
    (line,) = stops.watch(market, worth, StopPolicy(), quarantined=frozenset({held.etf_id})).lines
    assert line.state is PriceState.GOOD
    assert line.breached


def test_a_position_whose_every_price_was_withdrawn_is_not_measured(
    market: MarketSnapshot,
) -> None:
    closes = market.panel.close.copy()
    closes[market.row("AAA")] = np.nan
    nothing = lives.with_closes(market, closes)
    (line,) = watched(nothing, holding(market, "AAA", "100.00")).lines
    assert line.state is PriceState.MISSING
    assert not line.breached
    assert number(line.status.drawdown) is None


def test_a_trailing_stop_looks_at_the_highest_close_since_the_opening(
    market: MarketSnapshot,
) -> None:
    policy = StopPolicy(trailing=True, use_vix_adjustment=False)
    closes = market.panel.close.copy()
    row = market.row("AAA")
    closes[row] = 100.0
    closes[row, -10] = 150.0
    closes[row, -5] = 110.0
    spiked = lives.with_closes(market, closes)
    since_the_spike = watched(
        spiked, holding(market, "AAA", "100.00", lives.day(market, 9)), policy
    )
    after_it = watched(spiked, holding(market, "AAA", "100.00", lives.day(market, 8)), policy)
    assert [line.breached for line in since_the_spike.lines] == [True]
    assert [line.breached for line in after_it.lines] == [False]
    assert after_it.lines[0].status.stop_price == Decimal("96.8")


async def stopped_out(
    session: AsyncSession, market: MarketSnapshot, resources: Resources, ticker: str
) -> Portfolio:
    """A portfolio that bought an ETF 10 sessions ago and was stopped out of it just now."""
    portfolio = await lives.opened(session, market, resources.owner_id, on=lives.day(market, 10))
    await lives.bought(session, market, portfolio, **{ticker: 100})
    at = market.latest_session
    fallen = lives.falling(market, ticker, at)
    await stopping.check(session, fallen, portfolio, at=at, now=NOW, unattended=False)
    return portfolio


async def test_a_name_stopped_out_is_barred_and_says_until_when(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    empty = await lives.opened(session, market, resources.owner_id)
    wanted = (await deciding.decide(session, market, empty)).targets.weights
    ticker = next(iter(wanted))

    portfolio = await stopped_out(session, market, resources, ticker)

    decision = await deciding.decide(session, market, portfolio)
    assert await ledger.read_holdings(session, portfolio.id) == {}
    assert ticker not in decision.targets.weights
    reasons = {name.ticker: name.reason for name in decision.targets.passed}
    # 21 sessions after 2025-06-30, the 4th of July left out.
    assert reasons[ticker] == "barred until 2025-07-30 after its stop on 2025-06-30"


async def test_the_bar_ends_with_the_cool_down(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    portfolio = await stopped_out(session, market, resources, "AAA")
    latest = market.latest_session
    none = StopPolicy(cooldown_sessions=0)
    later = market.panel.sessions[-1] + np.arange(1, 60)
    days = np.concatenate([market.panel.sessions, later[np.is_busday(later)]])
    longer = replace(
        market,
        panel=replace(
            market.panel,
            sessions=days,
            close=np.pad(market.panel.close, ((0, 0), (0, len(days) - len(market.panel)))),
        ),
    )

    async def barred(sessions_later: int) -> dict[str, str]:
        at: date = days[len(market.panel) - 1 + sessions_later].item()
        return await cooldowns.barred(session, longer, portfolio, at=at, policy=StopPolicy())

    assert set(await cooldowns.barred(session, market, portfolio, at=latest, policy=none)) == {
        "AAA"
    }
    assert set(await barred(21)) == {"AAA"}
    assert await barred(22) == {}
