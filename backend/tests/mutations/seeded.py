"""Faults of the trading path, each one textual replacement, and the tests that have to see it."""

from dataclasses import dataclass

API = "app/api"
QUANT = "app/quant"
SERVICES = "app/services"


@dataclass(frozen=True, slots=True)
class Seeded:
    """`old` stands exactly once in `file`; `test` has to fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


COSTS = "tests/quant/test_costs.py"
FILLS = "tests/quant/test_fills.py"
LOTS = "tests/quant/test_lots.py"
GAINS = "tests/quant/test_gains.py"
MONEY = "tests/core/test_money.py"
PROJECTION = "tests/services/test_projection.py"
KEYS = "tests/api/test_idempotency.py"
TRADES = "tests/api/test_trades.py"
ORDERS = "tests/api/test_orders.py"
LEDGER = "tests/services/test_ledger.py"
BATCHES = "tests/services/test_trading.py"
REBALANCING = "tests/services/test_rebalancing.py"
RESTING = "tests/services/test_resting.py"
ACTIONS = "tests/services/test_action_entries.py"
DIVIDENDS_AND_SPLITS = "tests/services/test_corporate_actions.py"
STOPS = "tests/services/test_stopping.py"
VERDICTS = "tests/services/test_verdicts.py"
_INTERLEAVINGS = "tests/faults/test_interleavings.py"
_EVERY_ORDER = "test_every_order_of_two_requests_ends_as_one_after_the_other"


def _interleaved(pair: str) -> str:
    return f"{_INTERLEAVINGS}::{_EVERY_ORDER}[{pair}-False]"


LATE_COMMIT = """\
    session = request.state.resources.sessions()
    request.state.session = session
    once = None if key is None else _once(session, request, (key, model), handle)
    answer = await (handle(request) if once is None else once)
    answer.background = __import__("starlette.background").background.BackgroundTask(session.commit)
    return answer
"""

ONCE = (
    Seeded(
        "a known key is not looked at",
        f"{API}/transaction.py",
        "if claim.status is not None:",
        "if claim.status == 0:",
        f"{KEYS}::test_a_repeat_gets_the_first_answer",
    ),
    Seeded(
        "a key is good for any body",
        f"{API}/transaction.py",
        "if known.fingerprint not in prints:",
        "if known.fingerprint is None:",
        f"{KEYS}::test_another_body_or_path_under_a_used_key_is_refused",
    ),
    Seeded(
        "keys are not told apart by their user",
        f"{API}/transaction.py",
        "known.owner_id = %(owner_id)s AND known.key",
        "known.key",
        f"{KEYS}::test_keys_belong_to_their_user",
    ),
    Seeded(
        "no lock on the key",
        f"{API}/transaction.py",
        "pg_try_advisory_xact_lock(hashtextextended(%(name)s, 0)) AS locked",
        "true AS locked",
        f"{_INTERLEAVINGS}::test_who_repeats_a_key_that_is_worked_on_is_told_so_and_waits_for_nothing",
    ),
    Seeded(
        "the answer is not kept",
        f"{API}/transaction.py",
        "    await rows(session, _REMEMBER, about | answer)\n",
        "",
        f"{KEYS}::test_a_repeat_gets_the_first_answer",
    ),
    Seeded(
        "committed after the answer",
        f"{API}/transaction.py",
        """\
    async with unit_of_work(request.state.resources.sessions) as session:
        request.state.session = session
        if key is None:
            return await handle(request)
        return await _once(session, request, (key, model), handle)
""",
        LATE_COMMIT,
        f"{KEYS}::test_a_trade_whose_commit_fails_is_never_acknowledged",
    ),
    Seeded(
        "the order's id is drawn, not made of the key",
        f"{API}/trades.py",
        "id_of_key(owner_id, idempotency_key) if idempotency_key else uuid4()",
        "uuid4()",
        f"{KEYS}::test_the_id_of_an_order_comes_from_its_key",
    ),
    Seeded(
        "the ids of a rebalance's orders are drawn",
        f"{SERVICES}/desk.py",
        "id=id_of(batch.source, order.side, etf_id),",
        "id=id_of(self, object(), etf_id),",
        f"{BATCHES}::test_the_orders_of_a_batch_have_their_ids_from_its_source",
    ),
    Seeded(
        "a rebalance is not marked as executed",
        f"{SERVICES}/rebalancing.py",
        "event.status = RebalanceStatus.EXECUTED",
        "event.status = RebalanceStatus.PROPOSED",
        f"{REBALANCING}::test_a_proposal_is_executed_once",
    ),
    Seeded(
        "a proposal is executed although the book has changed",
        f"{SERVICES}/rebalancing.py",
        "if portfolio.last_sequence != event.decided_at_sequence:",
        "if portfolio.last_sequence < event.decided_at_sequence:",
        f"{REBALANCING}::test_a_proposal_is_out_of_date_once_the_book_has_changed",
    ),
)

LOCKS = (
    Seeded(
        "a trade does not lock the portfolio",
        f"{SERVICES}/ledger.py",
        "    FOR UPDATE OF portfolio\n",
        "",
        _interleaved("buy, buy"),
    ),
    Seeded(
        "nothing but a trade locks the portfolio",
        f"{API}/deps.py",
        "owned_portfolio(resources.owner_id, portfolio_id).with_for_update()",
        "owned_portfolio(resources.owner_id, portfolio_id)",
        _interleaved("pay out, pay out"),
    ),
    Seeded(
        "a position read before the wait for the lock is believed",
        f"{SERVICES}/ledger.py",
        "if row.last_sequence != row.seen:",
        "if row.last_sequence < row.seen:",
        _interleaved("buy, buy the same"),
    ),
)

BOOKING = (
    Seeded(
        "the sequence is not counted on",
        f"{SERVICES}/book_statement.py",
        '"last_sequence": change.last_sequence,',
        '"last_sequence": change.last_sequence - 1,',
        f"{LEDGER}::test_entries_cash_sequence_and_positions_change_together",
    ),
    Seeded(
        "cash stays as it was",
        f"{SERVICES}/book_statement.py",
        "SET cash = %(cash)s, last_sequence",
        "SET cash = portfolios.cash, last_sequence",
        f"{LEDGER}::test_entries_cash_sequence_and_positions_change_together",
    ),
    Seeded(
        "a position that was sold stays",
        f"{SERVICES}/book_statement.py",
        '"closed": [each for each in touched if each in change.before and each not in after],',
        '"closed": [],',
        f"{TRADES}::test_a_sale_fills_below_the_close",
    ),
    Seeded(
        "closed tax lots stay",
        f"{SERVICES}/book_statement.py",
        '"lots_gone": change.lots.gone(),',
        '"lots_gone": [],',
        f"{LEDGER}::test_a_purchase_opens_a_lot_with_its_fee_and_a_sale_closes_the_oldest",
    ),
    Seeded(
        "one share more is booked than was filled",
        f"{SERVICES}/desk.py",
        "quantity=fill.quantity,",
        "quantity=fill.quantity + 1,",
        f"{BATCHES}::test_what_is_filled_is_what_is_booked",
    ),
    Seeded(
        "the fee is left out of the entry",
        f"{SERVICES}/desk.py",
        "fee=fill.fee,",
        "fee=ZERO,",
        f"{BATCHES}::test_what_is_filled_is_what_is_booked",
    ),
    Seeded(
        "cash is not checked",
        f"{SERVICES}/projection.py",
        "if after < 0:",
        "if after < -MAX_CASH:",
        f"{PROJECTION}::test_cash_equal_to_the_cost_is_enough_and_one_cent_less_is_not",
    ),
    Seeded(
        "a purchase may cost all but a cent of the cash",
        f"{SERVICES}/projection.py",
        "if after < 0:",
        "if after <= 0:",
        f"{PROJECTION}::test_cash_equal_to_the_cost_is_enough_and_one_cent_less_is_not",
    ),
    Seeded(
        "shares are not checked",
        f"{SERVICES}/projection.py",
        "if held is None or quantity > owned:",
        "if held is None:",
        f"{PROJECTION}::test_nothing_is_taken_that_is_not_there_and_everything_that_is",
    ),
    Seeded(
        "a sale leaves the cost basis as it was",
        f"{SERVICES}/projection.py",
        "basis = held.cost_basis - (to_cents(held.cost_basis * gone / of) if gone else ZERO)",
        "basis = held.cost_basis",
        f"{PROJECTION}::test_a_sale_takes_its_part_of_the_basis_to_the_cent_and_the_last_one_the_rest",
    ),
    Seeded(
        "the fee is part of the cost basis",
        f"{SERVICES}/projection.py",
        "value = -movement.amount - movement.fee",
        "value = -movement.amount",
        f"{PROJECTION}::test_the_cost_basis_is_the_average_fill_price_without_fees",
    ),
    Seeded(
        "a split leaves the shares as they were",
        f"{SERVICES}/projection.py",
        "            return _split(held, movement, quantity)\n",
        "            return held\n",
        f"{LEDGER}::test_a_split_multiplies_position_and_lots_alike",
    ),
)

FILLING = (
    Seeded(
        "rounding half up",
        f"{QUANT}/costs.py",
        "EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)",
        'EXACT = Context(prec=80, rounding="ROUND_HALF_UP")',
        f"{COSTS}::test_the_value_of_a_fill_is_rounded_half_even_and_once",
    ),
    Seeded(
        "rounding twice",
        f"{QUANT}/costs.py",
        "gross = (order.quantity * price).quantize(CENT)",
        'gross = (order.quantity * price).quantize(Decimal("0.001")).quantize(CENT)',
        f"{COSTS}::test_the_value_of_a_fill_is_rounded_half_even_and_once",
    ),
    Seeded(
        "a purchase is given its fee",
        f"{QUANT}/costs.py",
        "net = -(gross + fee) if buys else gross - fee",
        "net = -(gross - fee) if buys else gross - fee",
        f"{COSTS}::test_a_default_buy_pays_five_basis_points_above_the_reference_and_one_dollar",
    ),
    Seeded(
        "a sale pays no fee",
        f"{QUANT}/costs.py",
        "net = -(gross + fee) if buys else gross - fee",
        "net = -(gross + fee) if buys else gross",
        f"{COSTS}::test_a_default_sale_fills_below_the_reference_and_brings_the_rest_less_the_fee",
    ),
    Seeded(
        "a purchase brings money",
        f"{QUANT}/costs.py",
        "net = -(gross + fee) if buys else gross - fee",
        "net = gross + fee if buys else gross - fee",
        f"{COSTS}::test_a_default_buy_pays_five_basis_points_above_the_reference_and_one_dollar",
    ),
    Seeded(
        "frictions help the trader",
        f"{QUANT}/costs.py",
        "(1 + move if buys else 1 - move)",
        "(1 - move if buys else 1 + move)",
        f"{COSTS}::test_a_default_buy_pays_five_basis_points_above_the_reference_and_one_dollar",
    ),
    Seeded(
        "cents are rounded half up",
        "app/core/money.py",
        "return amount.quantize(CENT, ROUND_HALF_EVEN)",
        'return amount.quantize(CENT, "ROUND_HALF_UP")',
        f"{MONEY}::test_a_tie_goes_to_the_even_cent",
    ),
    Seeded(
        "a limit is no limit",
        f"{QUANT}/fills.py",
        "if limit is None or _is_as_good(wish.side, bar.open, limit):",
        "if True:",
        f"{FILLS}::test_the_reference_price_of_a_bar_from_100_up_to_103_and_down_to_97",
    ),
    Seeded(
        "frictions go beyond the limit",
        f"{QUANT}/fills.py",
        "if limit is None or _is_as_good(order.side, fill.price, limit):",
        "if True:",
        f"{FILLS}::test_a_limit_caps_the_price_and_the_commission_stays",
    ),
    Seeded(
        "a gap fills at the limit, not at the open",
        f"{QUANT}/fills.py",
        "        return bar.open\n    return limit",
        "        return limit\n    return limit",
        f"{FILLS}::test_the_reference_price_of_a_bar_from_100_up_to_103_and_down_to_97",
    ),
    Seeded(
        "an order takes any volume",
        f"{SERVICES}/trading.py",
        "quantity = order.quantity if cap is None else min(order.quantity, cap)",
        "quantity = order.quantity",
        f"{RESTING}::test_volume_splits_an_order_over_sessions",
    ),
    Seeded(
        "purchases come before sales",
        f"{SERVICES}/trading.py",
        "key=lambda order: order.side is Side.BUY)",
        "key=lambda order: order.side is Side.SELL)",
        f"{BATCHES}::test_sales_come_first_so_that_they_pay_for_purchases",
    ),
    Seeded(
        "an order without means is taken",
        f"{SERVICES}/trading.py",
        "    if needed > cash:\n",
        "    if needed > cash * 1000:\n",
        f"{ORDERS}::test_an_order_that_could_not_be_filled_as_things_stand_is_not_kept",
    ),
    Seeded(
        "an order meets the bar of its own session",
        f"{SERVICES}/order_life.py",
        "return self.seen or self.session",
        "return date.min",
        f"{RESTING}::test_bars_up_to_the_session_of_the_order_never_fill_it",
    ),
    Seeded(
        "an order lives for ever",
        f"{SERVICES}/resting.py",
        "if order.is_open and expires(order, self.market) == self.day:",
        "if order.is_open and expires(order, self.market) == date.min:",
        f"{RESTING}::test_a_day_order_sees_one_session_and_a_gtc_order_all",
    ),
)

LOTS_AND_GAINS = (
    Seeded(
        "the lot method is ignored",
        f"{QUANT}/lots.py",
        "sorted(lots, key=_FIRST[method])",
        "sorted(lots, key=_FIRST[LotMethod.FIFO])",
        f"{LOTS}::test_each_method_has_its_order",
    ),
    Seeded(
        "the portfolio's lot method is not asked for",
        f"{SERVICES}/ledger.py",
        'portfolio.settings.get("lot_method", LotMethod.FIFO)',
        "LotMethod.FIFO",
        f"{LEDGER}::test_a_sale_closes_lots_by_the_method_of_its_portfolio",
    ),
    Seeded(
        "the thirty days of a wash sale end a day early",
        f"{QUANT}/gains.py",
        "WASH_WINDOW = timedelta(days=30)",
        "WASH_WINDOW = timedelta(days=29)",
        f"{GAINS}::test_a_loss_is_washed_by_what_was_bought_within_thirty_days",
    ),
    Seeded(
        "a lot keeps the cost of what was sold of it",
        f"{QUANT}/lots.py",
        "quantity=lot.quantity - pick.quantity, cost=lot.cost - cost",
        "quantity=lot.quantity - pick.quantity, cost=lot.cost",
        f"{LOTS}::test_the_last_share_takes_the_cents_that_are_left",
    ),
    Seeded(
        "lots do not split",
        f"{SERVICES}/lot_book.py",
        "held = lots.split(held, added, ex_date=entry.session)",
        "held = tuple(held)",
        f"{LEDGER}::test_a_split_multiplies_position_and_lots_alike",
    ),
)

MARKET = (
    Seeded(
        "a dividend is booked again and again",
        f"{SERVICES}/action_entries.py",
        "if so_far.times and not amount and so_far.value == per_share:",
        "if so_far.times > 1:",
        f"{ACTIONS}::test_tax_is_withheld_as_an_entry_of_its_own_and_follows_corrections",
    ),
    Seeded(
        "a dividend is credited twice",
        f"{SERVICES}/action_entries.py",
        "amount = to_cents(shares * per_share) - so_far.amount",
        "amount = to_cents(shares * per_share)",
        f"{ACTIONS}::test_a_correction_is_booked_once_and_corrects_the_values_from_its_day_on",
    ),
    Seeded(
        "who buys on the ex-date gets the dividend",
        f"{SERVICES}/entitlements.py",
        "(each.shares for each in self.past if each.session < session)",
        "(each.shares for each in self.past if each.session <= session)",
        f"{DIVIDENDS_AND_SPLITS}::test_a_purchase_on_the_ex_date_adds_nothing_to_the_dividend",
    ),
    Seeded(
        "tax is withheld from nobody",
        f"{SERVICES}/action_entries.py",
        "withheld = to_cents(whole * rate) - to_cents(so_far.amount * rate)",
        "withheld = ZERO",
        f"{ACTIONS}::test_tax_is_withheld_as_an_entry_of_its_own_and_follows_corrections",
    ),
    Seeded(
        "a dividend pays for shares after the split of its day",
        f"{SERVICES}/action_entries.py",
        "shares = to_micros(held * ratio.numerator / ratio.denominator)",
        "shares = to_micros(held)",
        f"{DIVIDENDS_AND_SPLITS}::test_a_dividend_on_the_day_of_a_split_is_per_new_share",
    ),
    Seeded(
        "a carried price is not adjusted for a split",
        f"{SERVICES}/valuation.py",
        "return price if ratio == 1 else to_micros(price * ratio.denominator / ratio.numerator)",
        "return price",
        f"{DIVIDENDS_AND_SPLITS}::test_a_price_carried_over_a_split_is_in_new_shares",
    ),
    Seeded(
        "the fraction of a split is lost",
        f"{SERVICES}/action_entries.py",
        "paid = to_cents(_product(fraction, last.price)) if last else ZERO",
        "paid = ZERO",
        f"{DIVIDENDS_AND_SPLITS}::test_a_reverse_split_of_less_than_a_share_pays_it_out",
    ),
    Seeded(
        "a price that is too old is traded at",
        f"{SERVICES}/pricing.py",
        "if last is None or last.halted:",
        "if last is None:",
        f"{TRADES}::test_what_cannot_be_traded_is_refused_whole_and_not_echoed",
    ),
    Seeded(
        "a closed ETF is traded",
        f"{SERVICES}/pricing.py",
        "if etf.closed_on is not None and etf.closed_on <= session:",
        "if etf.closed_on is not None and etf.closed_on < etf.closed_on:",
        f"{TRADES}::test_what_cannot_be_traded_is_refused_whole_and_not_echoed",
    ),
)

STOPPING = (
    Seeded(
        "a stop has no cool-down",
        f"{SERVICES}/cooldowns.py",
        "in_cooldown = stop_loss.in_cooldown(end - market.column(stopped_on), policy)",
        "in_cooldown = False",
        f"{STOPS}::test_a_stop_order_that_sold_nothing_bars_only_where_the_shares_were_sold_otherwise",
    ),
    Seeded(
        "a stop acts on a stale price",
        f"{SERVICES}/verdicts.py",
        "if watched.state is not PriceState.GOOD:",
        "if watched.state is PriceState.MISSING:",
        f"{STOPS}::test_a_price_that_is_not_of_the_session_never_sells",
    ),
    Seeded(
        "a stop acts while the market is behind the clock",
        f"{SERVICES}/verdicts.py",
        "if block is None and freshness.is_too_old_to_act(occasion.sessions_behind):",
        "if block is None and occasion.sessions_behind > 10_000:",
        f"{STOPS}::test_while_the_market_is_stale_only_a_person_acts",
    ),
    Seeded(
        "a stop acts on the day of a split",
        f"{SERVICES}/verdicts.py",
        "return Block.SPLIT if watched.line.etf_id in occasion.splitting else None",
        "return None",
        f"{STOPS}::test_on_the_ex_date_of_a_split_no_stop_acts_and_on_the_next_session_it_does",
    ),
    Seeded(
        "a stop acts again while its order rests",
        f"{SERVICES}/verdicts.py",
        "if watched.line.etf_id in done.ordered:",
        "if watched.line.etf_id in done.alerted:",
        f"{VERDICTS}::test_a_stop_acts_on_a_good_price_at_or_below_it_that_nothing_forbids_and_on_no_other",
    ),
    Seeded(
        "a stop acts again on the day it has acted",
        f"{SERVICES}/verdicts.py",
        "return Block.FIRED if order_id in done.order_ids else None",
        "return None",
        f"{VERDICTS}::test_the_order_of_a_position_and_session_is_always_the_same_one",
    ),
)

ALL = (*ONCE, *LOCKS, *BOOKING, *FILLING, *LOTS_AND_GAINS, *MARKET, *STOPPING)
