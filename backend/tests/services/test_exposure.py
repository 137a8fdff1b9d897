"""The drawdown rule with a portfolio's own limits."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap import Resources
from app.core.errors import Refused
from app.market_data.snapshot import MarketSnapshot
from app.quant.exposure import ExposurePolicy
from app.quant.measured import number
from app.quant.returns import Flow
from app.services import deciding, exposure, ledger, marking, portfolios, rebalancing, strategy
from app.services.exposure import Standing
from tests.services import lives, stopped

FIRST = date(2025, 6, 2)


def walked(*values: int, policy: ExposurePolicy, paid: dict[int, int] | None = None) -> Standing:
    """After these values, one a day; `paid` gives the money paid in at the start of a day."""
    flows = {0: values[0], **(paid or {})}
    days = [
        (FIRST + timedelta(days=number), Decimal(value), Flow(Decimal(flows.get(number, 0))))
        for number, value in enumerate(values)
    ]
    return exposure.walk(days, policy)


STRICT = ExposurePolicy(reduce_at=0.10, restore_below=0.05, restore_after=3, reduced=0.25)


def test_the_portfolios_own_limit_reduces_its_exposure_to_its_own_part() -> None:
    assert walked(100, 91, policy=STRICT).part == 1.0
    fallen = walked(100, 90, policy=STRICT)
    assert fallen.part == 0.25
    assert number(fallen.drawdown) == pytest.approx(0.10)
    assert walked(100, 90, policy=ExposurePolicy()).part == 1.0


def test_recovery_and_time_both_lead_back() -> None:
    assert walked(100, 90, 95, policy=STRICT).part == 0.25
    recovered = walked(100, 90, 96, policy=STRICT)
    assert (recovered.part, recovered.changed_on) == (1.0, FIRST + timedelta(days=2))
    waiting = walked(100, 90, 91, 91, policy=STRICT)
    assert (waiting.part, waiting.sessions_left) == (0.25, 1)
    served = walked(100, 90, 91, 91, 91, policy=STRICT)
    assert (served.part, served.sessions_left) == (1.0, None)


def test_money_paid_in_is_no_recovery() -> None:
    assert walked(100, 90, 190, policy=STRICT, paid={2: 100}).part == 0.25


def test_a_portfolio_that_was_never_valued_has_full_exposure_and_no_drawdown() -> None:
    never = exposure.walk([], STRICT)
    assert (never.part, number(never.drawdown), never.valued_on) == (1.0, None, None)


def test_the_settings_are_the_policy() -> None:
    rules = lives.rules(
        drawdown_limit=0.3, drawdown_recovery=0.2, drawdown_sessions=7, reduced_exposure=0.1
    )
    assert strategy.exposure_policy(rules) == ExposurePolicy(0.3, 0.2, 7, 0.1)


@pytest.mark.parametrize(("recovery", "limit"), [(0.2, 0.2), (0.3, 0.2)])
def test_a_rule_without_a_way_back_is_refused(
    market: MarketSnapshot, recovery: float, limit: float
) -> None:
    rules = lives.rules(drawdown_recovery=recovery, drawdown_limit=limit)
    with pytest.raises(Refused, match="drawdown_recovery"):
        portfolios.check_settings(market, rules)


async def test_a_portfolio_of_no_exposure_sells_everything(
    session: AsyncSession, market: MarketSnapshot, resources: Resources
) -> None:
    settings = stopped.rules(drawdown_limit=0.08, drawdown_recovery=0.04, reduced_exposure=0.0)
    portfolio = await lives.opened(
        session,
        market,
        resources.owner_id,
        settings=settings,
        capital="10000",
        on=lives.day(market, 10),
    )
    await stopped.buy(session, market, portfolio, on=portfolio.opened_on, AAA="100")
    known = stopped.closing(market, "AAA", *[100.0] * 10, 90.0)
    await marking.mark_portfolios(session, known, [portfolio], now=lives.NOW)

    decision = await deciding.decide(session, known, portfolio)
    event = await rebalancing.record(session, known, portfolio, decision, now=lives.NOW)
    await rebalancing.execute(session, known, portfolio, event, now=lives.NOW)

    assert decision.targets.weights == {}
    assert await ledger.read_holdings(session, portfolio.id) == {}
    assert portfolio.cash == Decimal("9000.00")
