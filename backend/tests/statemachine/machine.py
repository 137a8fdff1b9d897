"""Whatever an owner, the market and bad luck do to a portfolio, the book is the model's.

Each rule does one thing to the services and to a copy of the model. Where the model refuses, the
services must refuse too and nothing may change; where it does not, everything must agree after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ETFTraderError
from app.market_data.snapshot import MarketSnapshot
from app.models import FillAt, Portfolio, TimeInForce
from app.quant.costs import Side
from app.quant.errors import QuantError
from app.quant.lots import LotMethod, Pick
from app.schemas.cash import ALWAYS_IN, ALWAYS_OUT, CashCreate, CashKind
from app.schemas.settings import Oversized
from app.services import (
    cash_flows,
    ledger,
    marking,
    orders,
    portfolios,
    settling,
    stopping,
    trading,
)
from app.services.order_life import id_of, id_of_key
from app.services.trading import OrderTicket, Placed
from tests.statemachine import exact, proposals, state, tapes
from tests.statemachine.exact import BUY, NONE, SELL, Costs, decimal, whole
from tests.statemachine.model import Model, Order, Proposal, Refusal, Rules, Wish
from tests.statemachine.tape import LETTERS, SESSIONS
from tests.statemachine.world import Crash, World, dying, settings_of

T = TypeVar("T")
REFUSED = (ETFTraderError, QuantError)
CRASHES = st.sampled_from([None, None, None, None, None, None, "before", "after"])
ETFS = st.integers(0, len(LETTERS) - 1)
OPENED = 2
"""The session that a portfolio is opened on; the two before are only history."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that has its key, and what it was answered; None: the answer was lost."""

    body: dict[str, Any]
    answer: bytes | None


class Books(RuleBasedStateMachine):
    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.done = 0

    @initialize(
        costs=st.sampled_from([("0.0005", "1.00"), ("0.0033", "0.35"), ("0", "0.00")]),
        fractional=st.booleans(),
        method=st.sampled_from(list(LotMethod)),
        oversized=st.sampled_from(list(Oversized)),
        volumes=st.tuples(*[st.sampled_from([2_000_000, 0, 400, 20])] * len(LETTERS)),
        capital=st.integers(100, 5_000_000),
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
        self.model = Model(self.tape, rules, settled=self.tape.latest)
        self.model.move("deposit", money, OPENED)
        self.world.open_portfolio(decimal(money), settings)
        self.keys: dict[str, Answered] = {}
        self.seen = 0
        self.compare()

    # What the owner does.

    @rule(wish=tapes.wishes(), crash=CRASHES)
    def trade(self, wish: tapes.Drawn, crash: str | None) -> None:
        asked = self.resolved(wish)
        order_id, made = uuid4(), self.world.clock()

        async def do(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> Placed:
            ticket = self.ticket(asked, order_id)
            return await trading.place(session, market, portfolio, ticket, now=made)

        self.both(
            lambda model: model.place(asked, order_id, (made, str(order_id)), None), do, crash
        )

    @rule(wish=tapes.wishes(), crash=CRASHES)
    def post(self, wish: tapes.Drawn, crash: str | None) -> None:
        """The same through HTTP, under a key of its own."""
        asked = self.resolved(wish)
        key = f"key {len(self.keys)} {uuid4()}"
        self.send(key, asked, crash)

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

    @precondition(lambda self: self.keys)
    @rule(which=st.integers(0, 10), other=st.booleans())
    def again(self, which: int, *, other: bool) -> None:
        """A repeat gets the first answer and changes nothing; another body is refused."""
        key, sent = list(self.keys.items())[which % len(self.keys)]
        if other:
            size = "quantity" if "quantity" in sent.body else "notional"
            answer = self.world.post({**sent.body, size: "7.00"}, key)
            same = sent.body[size] == "7.00"
            assert answer.status_code == (201 if same else 422)
        answer = self.world.post(sent.body, key)
        assert answer.status_code == 201
        assert sent.answer in {None, answer.content}
        self.keys[key] = Answered(sent.body, answer.content)
        self.compare()

    @rule(
        kind=st.sampled_from(list(CashKind)),
        amount=st.integers(1, 1_000_000),
        out=st.booleans(),
        back=st.sampled_from([0, 0, 0, 1, 4]),
        etf=ETFS,
        crash=CRASHES,
    )
    def move_cash(
        self, kind: CashKind, amount: int, *, out: bool, back: int, etf: int, crash: str | None
    ) -> None:
        """Today's money, or money of some sessions ago that is learned of late."""
        sign = -1 if kind in ALWAYS_OUT or (out and kind not in ALWAYS_IN) else 1
        paid = etf if kind is CashKind.DIVIDEND else None
        day = max(self.tape.latest - back, OPENED)
        self.move(kind, sign * Fraction(amount, 100), day, etf=paid, crash=crash)

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

    @precondition(lambda self: not self.model.closed)
    @rule(etf=ETFS, shares=st.integers(1, 40), missing=st.sampled_from([NONE, Fraction(1, 100)]))
    def buy_with_the_last_cent(self, etf: int, shares: int, missing: Fraction) -> None:
        """Cash equal to the cost is enough, one cent less is not."""
        settled = self.model.copy()
        settled.settle()
        quote = self.tape.quote(etf, self.tape.latest)
        if quote is None:
            return
        cost = -exact.fill(BUY, Fraction(shares), quote.price, settled.rules.costs).net
        difference = cost - missing - settled.cash
        if difference:
            kind = CashKind.DEPOSIT if difference > 0 else CashKind.WITHDRAWAL
            self.move(kind, difference, self.tape.latest)
        order_id, made = uuid4(), self.world.clock()
        asked = Wish(etf, BUY, Fraction(shares))
        trade = self.both(
            lambda model: model.place(asked, order_id, (made, str(order_id)), None),
            lambda session, market, portfolio: trading.place(
                session, market, portfolio, self.ticket(asked, order_id), now=made
            ),
        )
        assert not missing or trade is None

    @precondition(lambda self: any(order.is_open for order in self.model.orders.values()))
    @rule(which=st.integers(0, 20), crash=CRASHES)
    def cancel(self, which: int, crash: str | None) -> None:
        waiting = [order for order in self.model.orders.values() if order.is_open]
        order = waiting[which % len(waiting)]
        self.both(
            lambda model: model.cancel(order.id),
            lambda session, market, portfolio: orders.cancel(
                session, market, portfolio, order.id, now=self.world.clock()
            ),
            crash,
        )

    @precondition(lambda self: self.done > 30)
    @rule(liquidate=st.booleans(), sure=st.integers(0, 5))
    def close(self, *, liquidate: bool, sure: int) -> None:
        if sure:
            return

        def expected(model: Model) -> None:
            model.require_open()
            model.settle()
            if model.holdings and not liquidate:
                raise Refusal("holds")
            model.close([self.sale(model, etf) for etf in sorted(model.holdings)])

        self.both(
            expected,
            lambda session, market, portfolio: portfolios.close(
                session, market, portfolio, liquidate=liquidate, now=self.world.clock()
            ),
        )

    def sale(self, model: Model, etf: int) -> Order:
        ticker = self.tape.ticker(etf)
        order_id = id_of(f"close:{self.world.portfolio_id}", Side.SELL, ticker)
        return Order(
            order_id, (), etf, SELL, model.held(etf), self.tape.latest, origin="liquidation"
        )

    # What a portfolio does by itself.

    @rule(
        lines=st.lists(
            st.tuples(ETFS, st.sampled_from([BUY, SELL]), st.integers(1, 60)),
            min_size=1,
            max_size=len(LETTERS),
            unique_by=lambda line: line[0],
        )
    )
    def propose(self, lines: list[tuple[int, str, int]]) -> None:
        """A stored proposal: whatever its lines are, what follows from them is proved."""
        number: list[int] = []
        sized = tuple((etf, side, Fraction(shares)) for etf, side, shares in lines)

        async def do(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> None:
            portfolio.require_active()
            await settling.settle(session, market, portfolio, now=self.world.clock())
            event = proposals.event(market, portfolio, self.tape, sized, now=self.world.clock())
            session.add(event)
            await session.flush()
            number.append(event.id)

        def expected(model: Model) -> Proposal:
            model.require_open()
            model.settle()
            return Proposal(self.tape.latest, len(model.rows), sized)

        proposal = self.both(expected, do)
        if proposal is not None:
            self.model.proposals[number[0]] = proposal

    @precondition(lambda self: self.model.proposals)
    @rule(back=st.integers(0, 2), times=st.integers(1, 2), crash=CRASHES)
    def execute(self, back: int, times: int, crash: str | None) -> None:
        """Execute a proposal, also one that was executed."""
        number = sorted(self.model.proposals)[-1 - min(back, len(self.model.proposals) - 1)]
        lines = self.model.proposals[number].lines
        ids = [
            id_of(f"event:{number}", Side(side), self.tape.ticker(etf)) for etf, side, _ in lines
        ]
        for _ in range(times):
            self.execute_once(number, ids, self.world.clock(), crash)

    def execute_once(self, number: int, ids: list[UUID], made: datetime, crash: str | None) -> None:
        self.both(
            lambda model: model.execute(number, ids, made),
            lambda session, market, portfolio: proposals.execute(
                session, market, portfolio, number, now=made
            ),
            crash,
        )

    @rule(attended=st.booleans(), times=st.integers(1, 2), crash=CRASHES)
    def check_stops(self, *, attended: bool, times: int, crash: str | None) -> None:
        """Look at the stops, also twice: the second look finds what the first has done."""

        for _ in range(times):
            self.check_once(self.world.clock(), crash, attended=attended)

    def check_once(self, made: datetime, crash: str | None, *, attended: bool) -> None:
        def id_for(etf: int, opened_on: int) -> UUID:
            day, opened = SESSIONS[self.tape.latest], SESSIONS[opened_on]
            source = f"{self.world.portfolio_id}:stop:{self.tape.ids[etf]}:{opened}:{day}"
            return id_of(source, Side.SELL, self.tape.ticker(etf))

        async def do(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> None:
            portfolio.require_active()
            await settling.settle(session, market, portfolio, now=made)
            day = market.latest_session
            await stopping.check(
                session, market, portfolio, at=day, now=made, unattended=not attended
            )

        self.both(lambda model: model.check_stops(id_for, made, attended=attended), do, crash)

    # What the market does.

    @precondition(lambda self: self.tape.latest < len(SESSIONS) - 2)
    @rule(
        moves=st.tuples(*[tapes.moves()] * len(LETTERS)),
        news=st.one_of(st.none(), st.none(), tapes.news()),
        at_once=st.booleans(),
    )
    def session(
        self, moves: tuple[tapes.Move, ...], news: tapes.News | None, *, at_once: bool
    ) -> None:
        """A session comes, with its bars and perhaps a split or a dividend."""
        day = self.tape.latest + 1
        happening = None
        if news is not None:
            number = self.world.write_action(self.tape, news.etf, day, news.kind, news.value)
            happening = news.happening(number, day)
        self.tape.add(
            [tapes.next_bar(self.tape, etf, move, happening) for etf, move in enumerate(moves)],
            [] if happening is None else [happening],
        )
        self.world.write_bars(self.tape)
        if at_once and not self.model.closed:
            self.settle()
        else:
            self.compare()

    def settle(self) -> None:
        self.both(
            lambda model: model.settle(),
            lambda session, market, portfolio: settling.settle(
                session, market, portfolio, now=self.world.clock()
            ),
        )

    # How both are driven.

    def both(
        self,
        expected: Callable[[Model], T],
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
        tape, model, etf = self.tape, self.model, drawn.etf
        close = tape.last(etf, tape.latest).price
        limit = None if drawn.limit is None else tapes.moved(close, drawn.limit)
        stop = None if drawn.stop is None else tapes.moved(close, drawn.stop)
        held = model.held(etf)
        quantity: Fraction | None = None
        notional = None
        picks = None
        if drawn.size == "notional":
            notional = Fraction(drawn.amount * 100 + 37, 100)
        elif drawn.size == "part" and held:
            quantity = whole(held * drawn.amount % (held + 1), model.rules.step) or held
        elif drawn.size == "all" and held:
            quantity = held
        elif drawn.size == "micros":
            quantity = Fraction(drawn.amount * 977, 10**6)
        else:
            quantity = Fraction(drawn.amount)
        lots = model.lots.get(etf, ())
        if drawn.size == "lots" and drawn.side == SELL and lots:
            picks = tapes.picked(lots, drawn.amount, model.rules.step)
            quantity = sum((part for _, part in picks), NONE)
        return Wish(
            etf,
            drawn.side,
            quantity,
            notional,
            limit,
            stop,
            drawn.good_till_cancelled,
            drawn.next_open,
            picks,
        )

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
