"""From a decision to a proposal: orders, costs, weights before and after, and every why."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from app.core.money import ZERO, market_value, price_of
from app.market_data.snapshot import MarketSnapshot
from app.quant import orders
from app.quant.book import Book, Market, Proposal
from app.quant.drift import Drift
from app.quant.sizing import Quote
from app.schemas.rebalance import DroppedOrderRead, OrderRead, ProposalBody, WeightRead
from app.schemas.recommendation import PassedOver
from app.services import pricing, strategy
from app.services.deciding import Decision

SMALLEST_PART = 1e-6
"""Of a portfolio: where so little can be traded, nothing is."""


def proposal(
    market: MarketSnapshot, decision: Decision, *, force: bool, budget: Decimal | None
) -> ProposalBody:
    """Orders where the bands call for them, or `force` or a `budget` does; none otherwise.

    Raises QuantError where the budget exceeds the cash.
    """
    found = _orders(market, decision, force=force, budget=budget)
    drift = decision.drift
    return ProposalBody(
        needs_rebalancing=drift.needs_rebalancing,
        reason=_reason(drift, found, force=force, budget=budget),
        forced=force,
        budget=budget,
        total_value=decision.valuation.total,
        cash_before=decision.valuation.cash,
        cash_after=found.after.cash,
        estimated_cost=sum((order.estimated_cost for order in found.orders), ZERO),
        max_drift=drift.max_drift,
        turnover=drift.turnover,
        shortfall=decision.targets.shortfall,
        orders=[
            OrderRead(
                ticker=order.ticker,
                side=order.side,
                quantity=order.quantity,
                reference_price=order.reference_price,
                price_date=decision.session,
                value=order.value,
                estimated_cost=order.estimated_cost,
                net_amount=order.net,
                reason=order.reason,
            )
            for order in found.orders
        ],
        dropped=[DroppedOrderRead.model_validate(order) for order in found.dropped],
        passed_over=_passed(decision),
        weights=_weights(decision, _weights_after(decision, found)),
    )


def _orders(
    market: MarketSnapshot, decision: Decision, *, force: bool, budget: Decimal | None
) -> Proposal:
    movable = [line for line in decision.valuation.lines if line.ticker not in decision.frozen]
    book = Book(decision.valuation.cash, {line.ticker: line.quantity for line in movable})
    if budget is None and not force and not decision.drift.needs_rebalancing:
        return Proposal((), (), book, book)
    # Orders are sized within what can be traded: a frozen position is no part of that.
    weights = decision.targets.weights
    free = 1.0 - sum(decision.valuation.weights[ticker] for ticker in decision.frozen)
    if free < SMALLEST_PART:
        return Proposal((), (), book, book)
    targets = {t: weight / free for t, weight in weights.items() if t not in decision.frozen}
    desk = Market(
        _quotes(market, {*targets, *book.shares}, decision.session),
        pricing.cost_model(decision.settings),
        notes=decision.targets.notes,
    )
    rules = strategy.order_settings(decision.settings)
    if budget is not None:
        return orders.deploy(budget, targets, book, desk, settings=rules)
    return orders.propose(targets, book, desk, rules)


def _quotes(market: MarketSnapshot, tickers: set[str], session: date) -> dict[str, Quote]:
    """The closes of `session` and how each ETF trades; all of them have a close that day."""
    names = sorted(tickers)
    rows = [market.row(ticker) for ticker in names]
    closes = market.panel.close[rows, market.column(session)]
    return {
        ticker: Quote(price_of(close), liquidity)
        for ticker, close, liquidity in zip(
            names, closes, pricing.liquidity(market, rows, session), strict=True
        )
    }


def _weights_after(decision: Decision, found: Proposal) -> dict[str, float]:
    """Each name's part of the portfolio once the orders filled as the model expects."""
    prices = {line.ticker: line.last.price for line in decision.valuation.lines}
    prices |= {order.ticker: order.reference_price for order in found.orders}
    values = {
        line.ticker: line.value
        for line in decision.valuation.lines
        if line.ticker in decision.frozen
    }
    for ticker, shares in found.after.shares.items():
        values[ticker] = market_value(shares, prices[ticker])
    total = found.after.cash + sum(values.values(), ZERO)
    return {ticker: float(value / total) for ticker, value in values.items()} if total else {}


def _reason(drift: Drift, found: Proposal, *, force: bool, budget: Decimal | None) -> str:
    if budget is not None:
        return f"{budget} of cash is to be invested, nothing is sold."
    if drift.needs_rebalancing and not found.orders:
        return f"{drift.reason} But every order for it is dropped: see the reasons."
    return f"Forced. {drift.reason}" if force and not drift.needs_rebalancing else drift.reason


def _passed(decision: Decision) -> list[PassedOver]:
    passed = [PassedOver.model_validate(name) for name in decision.targets.passed]
    untraded = f"held, and without a close on {decision.session}: not traded"
    passed += [
        PassedOver(ticker=ticker, rank=None, reason=untraded) for ticker in sorted(decision.frozen)
    ]
    return passed


def _weights(decision: Decision, after: Mapping[str, float]) -> list[WeightRead]:
    before, targets = decision.valuation.weights, decision.targets.weights
    notes = decision.targets.notes
    return [
        WeightRead(
            ticker=ticker,
            before=before.get(ticker, 0.0),
            target=targets.get(ticker, 0.0),
            after=after.get(ticker, 0.0),
            reason=notes.get(ticker),
        )
        for ticker in sorted({*before, *targets})
    ]
