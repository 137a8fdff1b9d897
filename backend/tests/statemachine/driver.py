"""The services and the model, side by side: the same is asked of both, and they are compared."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ETFTraderError
from app.market_data.snapshot import MarketSnapshot
from app.models import FillAt, Portfolio, TimeInForce
from app.quant.costs import Side
from app.quant.errors import QuantError
from app.quant.lots import LotMethod, Pick
from app.schemas.cash import CashCreate, CashKind
from app.schemas.settings import Oversized
from app.services import (
    cash_flows,
    ledger,
    marking,
    settling,
)
from app.services.order_life import id_of_key
from app.services.trading import OrderTicket
from tests.statemachine import exact, state, tapes
from tests.statemachine.automatic import Automatic
from tests.statemachine.book import Refusal, Rules
from tests.statemachine.exact import BUY, NONE, SELL, Costs, decimal, whole
from tests.statemachine.orders import Wish
from tests.statemachine.tape import LETTERS, SESSIONS
from tests.statemachine.world import Crash, World, dying, settings_of

T = TypeVar("T")
REFUSED = (ETFTraderError, QuantError)
OPENED = 2
"""The session that a portfolio is opened on; the two before are only history."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that has its key, and what it was answered; None: the answer was lost."""

    body: dict[str, Any]
    answer: bytes | None


class Driver(RuleBasedStateMachine):
    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    @initialize(
        costs=st.sampled_from([("0.0005", "1.00"), ("0.0033", "0.35"), ("0", "0.00")]),
        fractional=st.booleans(),
        method=st.sampled_from(list(LotMethod)),
        oversized=st.sampled_from(list(Oversized)),
        volumes=st.tuples(*[st.sampled_from([2_000_000, 2_000_000, 0, 300, 90])] * len(LETTERS)),
        capital=st.sampled_from([5_000_000, 2_345_678, 9_999_999, 100_001]),
    )
    def open(
        self,
        *,
        costs: tuple[str, str],
        fractional: bool,
        method: LotMethod,
        oversized: Oversized,
        volumes: tuple[int, ...],
        capital: int,
    ) -> None:
        slippage, commission = map(Fraction, costs)
        step = exact.MICRO if fractional else Fraction(1)
        self.tape = self.world.open_tape(volumes)
        for _ in range(OPENED + 1):
            self.tape.add(tapes.FIRST)
            self.world.write_bars(self.tape)
        settings = settings_of(
            self.world,
            slippage_pct=float(slippage),
            commission=decimal(commission),
            fractional_shares=fractional,
            lot_method=method,
            oversized=oversized,
        )
        money = Fraction(capital, 100)
        rules = Rules(Costs(slippage, commission), step, method, oversized is Oversized.REFUSE)
        self.model = Automatic(self.tape, rules, settled=self.tape.latest)
        self.model.move("deposit", money, OPENED)
        self.world.open_portfolio(decimal(money), settings)
        self.keys: dict[str, Answered] = {}
        self.seen = 0
        self.compare()

    def send(self, key: str, asked: Wish, crash: str | None) -> None:
        order_id = id_of_key(self.world.owner_id, key)
        after, order = self.model.copy(), None
        # The door looks at the clock once.
        made = self.world.clock.next
        try:
            order = after.place(asked, order_id, (made, str(order_id)), key)
        except Refusal:
            after = self.model
        body = self.body(asked)
        answer = None
        try:
            with dying(crash):
                answer = self.world.post(body, key)
        except Crash:
            if crash == "before":
                after, order = self.model, None
        if answer is not None:
            assert answer.is_success == (order is not None), answer.text
            assert answer.is_success or answer.is_client_error, answer.text
        if order is not None:
            self.keys[key] = Answered(body, answer.content if answer is not None else None)
            if answer is not None:
                said = answer.json()
                assert said["order_id"] == str(order_id)
                assert said["state"] == order.state
                assert Fraction(said["filled_quantity"]) == order.filled
                assert Fraction(said["cash"]) == after.cash
        self.model = after
        self.compare()

    def move(
        self,
        kind: CashKind,
        amount: Fraction,
        day: int,
        *,
        etf: int | None = None,
        crash: str | None = None,
    ) -> None:
        wanted = CashCreate(
            amount=decimal(amount),
            kind=kind,
            date=SESSIONS[day],
            ticker=None if etf is None else self.tape.ticker(etf),
        )
        self.both(
            lambda model: model.move(kind, amount, day, etf),
            lambda session, market, portfolio: cash_flows.move_cash(
                session, market, portfolio, wanted, now=self.world.clock()
            ),
            crash,
        )

    # How both are driven.

    def both(
        self,
        expected: Callable[[Automatic], T],
        do: Callable[[AsyncSession, MarketSnapshot, Portfolio], Any],
        crash: str | None = None,
    ) -> T | None:
        """The same to the model and to the services; None where both refuse it."""
        after = self.model.copy()
        result: T | None = None
        refused = False
        try:
            result = expected(after)
        except Refusal:
            refused = True
        if refused:
            with pytest.raises(REFUSED):
                self.world.work(do)
        elif crash is None:
            self.world.work(do)
            self.model = after
        else:
            with dying(crash), pytest.raises(Crash):
                self.world.work(do)
            if crash == "after":
                self.model = after
        self.compare()
        return None if refused else result

    def settle(self) -> None:
        self.both(
            lambda model: model.settle(),
            lambda session, market, portfolio: settling.settle(
                session, market, portfolio, now=self.world.clock()
            ),
        )

    def compare(self) -> None:
        self.done += 1
        self.world.steps += 1
        state.compare(self.world, self.model, seen=self.seen)
        self.seen = len(self.model.rows)

    def teardown(self) -> None:
        """The whole life at the end: every entry, and the value at every close."""
        if not hasattr(self, "model"):
            return
        state.require_sound(self.world)
        if self.model.closed:
            return
        self.settle()

        async def check(
            session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio
        ) -> None:
            replayed = await ledger.read_book(session, portfolio.id)
            assert replayed == await ledger.current_book(session, portfolio)
            await marking.mark_portfolios(session, market, [portfolio], now=self.world.clock())

        self.world.work(check)
        state.compare_values(self.world, self.model, since=OPENED)

    # What is asked for.

    def resolved(self, drawn: tapes.Drawn) -> Wish:
        """The order in shares and prices of the moment."""
        tape, model, etf, side = self.tape, self.model, drawn.etf, drawn.side
        if side == SELL and drawn.amount % 8:
            etf = self.held_or(etf)
        held = model.held(etf)
        if side == SELL and not held and drawn.amount % 8:
            side = BUY
        quantity, picks = self.sized(drawn, held), None
        lots = model.lots.get(etf, ())
        if drawn.size == "lots" and side == SELL and lots:
            picks = tapes.picked(lots, drawn.amount, model.rules.step)
            quantity = sum((part for _, part in picks), NONE)
        close = tape.last(etf, tape.latest).price
        return Wish(
            etf,
            side,
            quantity,
            Fraction(drawn.amount * 1000 + 37, 10) if quantity is None else None,
            None if drawn.limit is None else tapes.moved(close, drawn.limit),
            None if drawn.stop is None else tapes.moved(close, drawn.stop),
            drawn.good_till_cancelled,
            drawn.next_open,
            picks,
        )

    def sized(self, drawn: tapes.Drawn, held: Fraction) -> Fraction | None:
        """How many shares; None: as many as a notional amount reaches for."""
        step = self.model.rules.step
        match drawn.size:
            case "notional":
                return None
            case "part" if held:
                return whole(held * drawn.amount / 120, step) or held
            case "all" if held:
                return held
            case "micros" if step < 1 or not drawn.amount % 8:
                return Fraction(drawn.amount * 97_700 // 97 ** (drawn.amount % 3), 10**6)
            case _:
                return Fraction(drawn.amount // 3 + 1)

    def held_or(self, etf: int) -> int:
        """An ETF that is held, if any is."""
        held = sorted(self.model.holdings)
        return held[etf % len(held)] if held else etf

    def ticket(self, asked: Wish, order_id: UUID) -> OrderTicket:
        return OrderTicket(
            order_id=order_id,
            ticker=self.tape.ticker(asked.etf),
            side=Side(asked.side),
            quantity=_or_none(asked.quantity),
            notional=_or_none(asked.notional),
            limit_price=_or_none(asked.limit),
            stop_price=_or_none(asked.stop),
            time_in_force=TimeInForce.GTC if asked.good_till_cancelled else TimeInForce.DAY,
            fill_at=FillAt.NEXT_OPEN if asked.next_open else FillAt.CLOSE,
            picks=(
                None
                if asked.picks is None
                else tuple(Pick(lot, decimal(part)) for lot, part in asked.picks)
            ),
        )

    def body(self, asked: Wish) -> dict[str, Any]:
        ticket = self.ticket(asked, uuid4())
        body = {
            "portfolio_id": self.world.portfolio_id,
            "ticker": ticket.ticker,
            "side": asked.side,
            "order_type": ticket.order_type.value,
            "time_in_force": ticket.time_in_force.value,
            "fill_at": ticket.fill_at.value,
        }
        for name in ("quantity", "notional", "limit_price", "stop_price"):
            value = getattr(ticket, name)
            if value is not None:
                body[name] = f"{value:f}"
        if ticket.picks:
            body["lots"] = [
                {"lot": pick.number, "quantity": f"{pick.quantity:f}"} for pick in ticket.picks
            ]
        return body


def _or_none(value: Fraction | None) -> Any:
    return None if value is None else decimal(value)
