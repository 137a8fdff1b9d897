"""From corporate actions to amounts aligned with the prices."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import uuid4

import numpy as np

from app.market_data.snapshot import Action, EtfFacts, MarketSnapshot
from app.models import ActionKind
from app.quant.panel import Facts, Panel

SESSIONS = np.array(["2025-06-26", "2025-06-27", "2025-06-30"], "datetime64[D]")


def market(*actions: tuple[int, str, ActionKind, str | None]) -> MarketSnapshot:
    close = np.full((2, 3), 50.0)
    etfs = tuple(EtfFacts(etf, str(etf), *[None] * 7) for etf in (7, 9))
    no = np.zeros(2, np.bool_)
    return MarketSnapshot(
        code="us",
        name="us",
        simulated=False,
        adjusted_only=False,
        currency="USD",
        benchmark="7",
        data_version=uuid4(),
        panel=Panel(("7", "9"), SESSIONS, close, close, close),
        opens=close,
        facts=Facts(np.full(2, np.nan), no, no, np.array(["", ""], object)),
        etfs=etfs,
        row_of={"7": 0, "9": 1},
        row_of_id={7: 0, 9: 1},
        actions=tuple(
            Action(number, etf, date.fromisoformat(day), kind, value and Decimal(value))
            for number, (etf, day, kind, value) in enumerate(actions)
        ),
        vix_sessions=np.array([], "datetime64[D]"),
        vix=np.array([]),
    )


ACTIONS = (
    (9, "2025-06-27", ActionKind.DIVIDEND, "0.25"),
    (9, "2025-06-27", ActionKind.SPLIT, "2"),
    (7, "2025-06-28", ActionKind.DIVIDEND, "1.5"),
    (7, "2025-06-26", ActionKind.CLOSURE, None),
    (7, "2025-06-25", ActionKind.DIVIDEND, "9"),
    (7, "2025-07-01", ActionKind.DIVIDEND, "9"),
    (8, "2025-06-27", ActionKind.DIVIDEND, "9"),
)


def test_dividends_and_splits_stand_at_their_ex_date_or_the_session_after() -> None:
    found = market(*ACTIONS).distributions
    assert found is not None
    assert found.starts.tolist() == [0, 1, 2]
    assert found.columns.tolist() == [2, 1]
    assert found.amounts.tolist() == [1.5, 0.25]
    assert found.ratios.tolist() == [1.0, 2.0]
    assert found.since == 1


def test_adjusted_prices_and_markets_without_dividends_have_none() -> None:
    assert replace(market(*ACTIONS), adjusted_only=True).distributions is None
    assert market().distributions is None
    assert market(ACTIONS[1]).distributions is None
