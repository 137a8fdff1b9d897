"""Whatever an owner, the market and bad luck do to a portfolio, the book is the model's.

Each rule does one thing to the services and to a copy of the model. Where the model refuses, the
services must refuse too and nothing may change; where it does not, everything must agree after.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy.ext.asyncio import AsyncSession

from app.market_data.snapshot import MarketSnapshot
from app.models import ActionKind, Portfolio
from app.quant.costs import Side
from app.schemas.cash import ALWAYS_IN, ALWAYS_OUT, CashKind
from app.services import (
    orders,
    portfolios,
    settling,
    stopping,
    trading,
)
from app.services.order_life import id_of
from tests.statemachine import exact, proposals, tapes
from tests.statemachine.automatic import Automatic
from tests.statemachine.book import Refusal
from tests.statemachine.driver import OPENED, Answered, Driver
from tests.statemachine.exact import BUY, NONE, SELL
from tests.statemachine.orders import Order, Proposal, Wish
from tests.statemachine.tape import LETTERS, SESSIONS

CRASHES = st.sampled_from([None, None, None, None, None, None, "before", "after"])
ETFS = st.integers(0, len(LETTERS) - 1)


class Books(Driver):
    # What the owner does.

    @rule(wishes=st.lists(tapes.wishes(), min_size=1, max_size=3), crash=CRASHES)
    def trade(self, wishes: list[tapes.Drawn], crash: str | None) -> None:
        for wish in wishes:
            self.trade_once(self.resolved(wish), crash)

    def trade_once(self, asked: Wish, crash: str | None = None) -> Order | None:
        order_id, made = uuid4(), self.world.clock()
        return self.both(
            lambda model: model.place(asked, order_id, (made, str(order_id)), None),
            lambda session, market, portfolio: trading.place(
                session, market, portfolio, self.ticket(asked, order_id), now=made
            ),
            crash,
        )

    @rule(wish=tapes.wishes(), crash=CRASHES)
    def post(self, wish: tapes.Drawn, crash: str | None) -> None:
        """The same through HTTP, under a key of its own."""
        asked = self.resolved(wish)
        key = f"key {len(self.keys)} {uuid4()}"
        self.send(key, asked, crash)

    @precondition(lambda self: self.keys)
    @rule(which=st.integers(0, 10), other=st.booleans())
    def again(self, which: int, *, other: bool) -> None:
        """A repeat gets the first answer and changes nothing; another body is refused."""
        key, sent = list(self.keys.items())[which % len(self.keys)]
        if other:
            size = "quantity" if "quantity" in sent.body else "notional"
            answer = self.world.post({**sent.body, size: "7.00"}, key)
            same = Decimal(sent.body[size]) == 7  # a body is what it means
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
        trade = self.trade_once(Wish(etf, BUY, Fraction(shares)))
        assert not missing or trade is None

    @precondition(lambda self: any(order.is_open for order in self.model.orders.values()))
    @rule(which=st.integers(0, 20), crash=CRASHES)
    def cancel(self, which: int, crash: str | None) -> None:
        waiting = [order for order in self.model.orders.values() if order.is_open]
        self.cancel_order(waiting[which % len(waiting)].id, crash)

    def cancel_order(self, order_id: UUID, crash: str | None = None) -> None:
        self.both(
            lambda model: model.cancel(order_id),
            lambda session, market, portfolio: orders.cancel(
                session, market, portfolio, order_id, now=self.world.clock()
            ),
            crash,
        )

    @precondition(lambda self: self.done > 30)
    @rule(liquidate=st.booleans(), sure=st.integers(0, 5))
    def close(self, *, liquidate: bool, sure: int) -> None:
        if sure:
            return

        def expected(model: Automatic) -> None:
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

    def sale(self, model: Automatic, etf: int) -> Order:
        source = f"close:{self.world.portfolio_id}"
        order_id = id_of(source, Side.SELL, self.tape.ids[etf])
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
        ),
        times=st.integers(0, 2),
        crash=CRASHES,
    )
    def propose(self, lines: list[tuple[int, str, int]], times: int, crash: str | None) -> None:
        """A stored proposal, perhaps executed, and executed again; its lines are drawn, what
        follows from them is proved."""
        number: list[int] = []
        sized = tuple(
            (etf, side if self.model.held(etf) or not shares % 8 else BUY, Fraction(shares))
            for etf, side, shares in lines
        )

        async def do(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> None:
            portfolio.require_active()
            await settling.settle(session, market, portfolio, now=self.world.clock())
            event = proposals.event(market, portfolio, self.tape, sized, now=self.world.clock())
            session.add(event)
            await session.flush()
            number.append(event.id)

        def expected(model: Automatic) -> Proposal:
            model.require_open()
            model.settle()
            return Proposal(self.tape.latest, len(model.rows), sized)

        proposal = self.both(expected, do)
        if proposal is not None:
            self.model.proposals[number[0]] = proposal
            self.execute_times(number[0], times, crash)

    @precondition(lambda self: self.model.proposals)
    @rule(back=st.integers(0, 2), crash=CRASHES)
    def execute(self, back: int, crash: str | None) -> None:
        """Execute a proposal of before, also one that was executed."""
        known = sorted(self.model.proposals)
        self.execute_times(known[-1 - min(back, len(known) - 1)], 1, crash)

    def execute_times(self, number: int, times: int, crash: str | None) -> None:
        lines = self.model.proposals[number].lines
        ids = [id_of(f"event:{number}", Side(side), self.tape.ids[etf]) for etf, side, _ in lines]
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

    @rule(attended=st.booleans(), times=st.integers(1, 2), cancel=st.booleans(), crash=CRASHES)
    def check_stops(self, *, attended: bool, times: int, cancel: bool, crash: str | None) -> None:
        """Look at the stops, also twice: the second look finds what the first has done, even where
        its owner has cancelled that."""
        for _ in range(times):
            self.check_once(self.world.clock(), crash, attended=attended)
            for order in list(self.model.orders.values()) if cancel else ():
                if order.is_open and order.origin == "stop":
                    self.cancel_order(order.id)

    def check_once(self, made: datetime, crash: str | None, *, attended: bool) -> None:
        def id_for(etf: int, opened_on: int) -> UUID:
            day, opened = SESSIONS[self.tape.latest], SESSIONS[opened_on]
            source = f"{self.world.portfolio_id}:stop:{self.tape.ids[etf]}:{opened}:{day}"
            return id_of(source, Side.SELL, self.tape.ids[etf])

        async def do(session: AsyncSession, market: MarketSnapshot, portfolio: Portfolio) -> None:
            portfolio.require_active()
            await settling.settle(session, market, portfolio, now=made)
            day = market.latest_session
            await stopping.check(
                session, market, portfolio, at=day, now=made, unattended=not attended
            )

        self.both(lambda model: model.check_stops(id_for, made, attended=attended), do, crash)

    # What the market does.

    @precondition(lambda self: self.tape.latest < len(SESSIONS) - 4)
    @rule(days=st.lists(tapes.days(), min_size=1, max_size=3), at_once=st.booleans())
    def sessions(self, days: list[tapes.Day], *, at_once: bool) -> None:
        """Sessions come, each with its bars and perhaps a split or a dividend."""
        for moves, drawn in days:
            day, happening = self.tape.latest + 1, None
            if drawn is not None:
                news = replace(drawn, etf=self.held_or(drawn.etf))
                number = self.world.write_action(self.tape, news.etf, day, news.kind, news.value)
                happening = news.happening(number, day)
            bars = [
                tapes.next_bar(self.tape, etf, move, happening) for etf, move in enumerate(moves)
            ]
            self.tape.add(bars, [] if happening is None else [happening])
            self.world.write_bars(self.tape)
        self.arrived(at_once=at_once)

    @rule(etf=ETFS, back=st.integers(0, 6), value=st.sampled_from(["0.25", "1.1"]))
    def late_dividend(self, etf: int, back: int, value: str) -> None:
        """A dividend that is learned of days after its ex-date."""
        news = tapes.News(self.held_or(etf), ActionKind.DIVIDEND, value)
        day = max(self.tape.latest - back, OPENED)
        known = {(each.etf, each.day, each.kind) for each in self.tape.happenings}
        if (news.etf, day, news.kind) in known:
            return
        number = self.world.write_action(self.tape, news.etf, day, news.kind, value)
        self.tape.learn(news.happening(number, day))
        self.arrived(at_once=bool(back % 2))

    def arrived(self, *, at_once: bool) -> None:
        if at_once and not self.model.closed:
            self.settle()
        else:
            self.compare()
