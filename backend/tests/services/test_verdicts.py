"""Whether a stop acts, over all that may keep it from acting: pure, on a market of one ETF."""

from datetime import date
from decimal import Decimal
from uuid import uuid4

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.market_data.snapshot import Action, EtfFacts, MarketSnapshot
from app.models import ActionKind
from app.quant.panel import Facts, Panel
from app.schemas.settings import StopAction
from app.services import valuation, verdicts
from app.services.projection import Holding
from app.services.verdicts import Block, Done, Judged, Occasion
from tests.services import stopped

SESSIONS = (date(2025, 6, 26), date(2025, 6, 27), date(2025, 6, 30))
TODAY = SESSIONS[-1]
ETF = 7
NOTHING = Done()


def market(
    *closes: float | None,
    ticker: str = "AAA",
    closed_on: date | None = None,
    actions: tuple[Action, ...] = (),
) -> MarketSnapshot:
    """Three sessions of one ETF; None where it has no close."""
    close = np.array([[np.nan if each is None else each for each in closes]])
    panel = Panel(
        sessions=np.array(SESSIONS, "datetime64[D]"),
        tickers=(ticker,),
        close=close,
        adjusted=close,
        volume=np.full_like(close, 1e6),
    )
    etf = EtfFacts(ETF, ticker, None, None, None, None, None, None, closed_on)
    return MarketSnapshot(
        code="us",
        name="us",
        simulated=True,
        adjusted_only=False,
        currency="USD",
        benchmark=ticker,
        data_version=uuid4(),
        panel=panel,
        opens=panel.close,
        facts=Facts(
            np.array([np.nan]), np.array([False]), np.array([False]), np.array([""], object)
        ),
        etfs=(etf,),
        row_of={ticker: 0},
        row_of_id={ETF: 0},
        actions=actions,
        vix_sessions=np.array([], "datetime64[D]"),
        vix=np.array([]),
    )


def judged(
    known: MarketSnapshot,
    done: Done = NOTHING,
    *,
    action: StopAction = StopAction.SELL,
    behind: int = 0,
) -> Judged:
    """100 shares bought at 100 on the first session, with a stop at 88."""
    held = Holding(ETF, Decimal(100), Decimal("10000.00"), SESSIONS[0])
    worth = valuation.value(known, Decimal(0), [held], TODAY)
    occasion = Occasion(
        known,
        TODAY,
        splitting=verdicts.splitting_on(known, TODAY),
        sessions_behind=behind,
    )
    return verdicts.judge(occasion, 1, worth, stopped.rules(stop_action=action), done)


def the_only(found: Judged) -> tuple[bool, Block | None]:
    (verdict,) = found.verdicts
    return verdict.fires, verdict.block


AROUND_THE_STOP = st.sampled_from([None, 1.0, 50.0, 87.99, 88.0, 88.01, 99.0, 1000.0])
SPLITS = st.sampled_from([None, *SESSIONS, date(2025, 6, 28)])


@settings(max_examples=1_000)
@given(
    yesterday=AROUND_THE_STOP,
    today=AROUND_THE_STOP,
    closed_on=st.sampled_from([None, *SESSIONS, date(2025, 7, 1)]),
    split=SPLITS,
    ordered=st.booleans(),
    behind=st.integers(0, 3),
)
@example(yesterday=99.0, today=88.0, closed_on=None, split=None, ordered=False, behind=0)
def test_a_stop_acts_on_a_good_price_at_or_below_it_that_nothing_forbids_and_on_no_other(
    *,
    yesterday: float | None,
    today: float | None,
    closed_on: date | None,
    split: date | None,
    ordered: bool,
    behind: int,
) -> None:
    actions = () if split is None else (Action(1, ETF, split, ActionKind.SPLIT, Decimal(1)),)
    known = market(100.0, yesterday, today, closed_on=closed_on, actions=actions)
    done = Done(ordered={ETF: uuid4()} if ordered else {})

    fires, block = the_only(judged(known, done, behind=behind))

    # A split of a Saturday reaches the market on Monday.
    splitting = split in {TODAY, date(2025, 6, 28)}
    forbidden = (
        today is None
        or (closed_on is not None and closed_on <= TODAY)
        or splitting
        or ordered
        or behind > 1
    )
    assert fires == (not forbidden and today is not None and today <= 88.0)
    assert (block is not None) == forbidden


def test_the_order_of_a_position_and_session_is_always_the_same_one() -> None:
    known = market(100.0, 99.0, 80.0)
    first, again = (judged(known).verdicts[0].order_id for _ in range(2))
    assert first == again
    assert the_only(judged(known, Done(order_ids=frozenset({first})))) == (False, Block.FIRED)
    renamed = market(100.0, 99.0, 80.0, ticker="ZNEW")
    assert the_only(judged(renamed, Done(order_ids=frozenset({first})))) == (False, Block.FIRED)
    assert the_only(judged(known, Done(order_ids=frozenset({uuid4()})))) == (True, None)


def test_an_alert_given_in_this_session_is_not_given_again() -> None:
    known = market(100.0, 99.0, 80.0)
    key = verdicts.position_key(judged(known).verdicts[0].line)
    for told, fires in ((TODAY, False), (SESSIONS[1], False), (SESSIONS[0], True)):
        done = Done(alerted={key: told})
        assert the_only(judged(known, done, action=StopAction.ALERT))[0] is fires, told
    # It fell on the first day and has stood below its stop ever since.
    below = market(100.0, 80.0, 80.0)
    done = Done(alerted={key: SESSIONS[0]})
    assert the_only(judged(below, done, action=StopAction.ALERT)) == (False, Block.ALERTED)


def test_an_alert_about_an_earlier_position_does_not_silence_this_one() -> None:
    known = market(100.0, 80.0, 80.0)
    earlier = Done(alerted={f"stop:{ETF}:2025-01-02": TODAY})
    assert the_only(judged(known, earlier, action=StopAction.ALERT)) == (True, None)


def test_a_recovery_is_measured_in_shares_of_today() -> None:
    """2 for 1 on the second session: a close of 170 before it was 85 of today's shares."""
    split = Action(1, ETF, SESSIONS[1], ActionKind.SPLIT, Decimal(2))
    key = f"stop:{ETF}:{SESSIONS[0]}"
    done = Done(alerted={key: date(2025, 6, 25)})
    for first, fires in ((170.0, False), (180.0, True)):
        known = market(first, 85.0, 80.0, actions=(split,))
        assert the_only(judged(known, done, action=StopAction.ALERT))[0] is fires, first
