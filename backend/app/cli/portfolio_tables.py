"""Portfolios, positions and rebalances as a person reads them."""

from collections.abc import Sequence

from app.cli.output import (
    describe,
    percent,
    print_facts,
    print_line,
    print_table,
    shares,
)
from app.schemas.cash import CashRead
from app.schemas.drift import DriftRead
from app.schemas.portfolio import PortfolioItem, PortfolioRead
from app.schemas.position import PositionList
from app.schemas.rebalance import RebalanceRead


def show_all(portfolios: Sequence[PortfolioItem]) -> None:
    if not portfolios:
        print_line("There are no portfolios yet: 'etftrader portfolio create NAME CAPITAL'.")
        return
    print_table(
        f"{len(portfolios)} portfolio{'s' if len(portfolios) > 1 else ''}",
        ("id", "name", "status", "market", "total value", "P&L", "cash", "held"),
        (
            (
                row.id,
                row.name,
                row.status,
                row.market,
                row.total_value,
                row.pnl,
                row.cash,
                row.positions_held,
            )
            for row in portfolios
        ),
    )


def show(portfolio: PortfolioRead) -> None:
    print_line(f"Portfolio {portfolio.id}: {portfolio.name} ({describe(portfolio)})")
    summary = portfolio.summary
    print_facts(
        (
            ("status", portfolio.status),
            ("opened on", portfolio.opened_on),
            ("total value", summary.total_value),
            ("cash", summary.cash),
            ("net deposits", summary.net_deposits),
            ("P&L", summary.pnl),
            ("rules", _rules(portfolio)),
        )
    )
    if portfolio.note:
        print_line(portfolio.note)
    if not portfolio.positions:
        print_line("It holds nothing.")
        return
    print_line()
    print_table(
        f"{len(portfolio.positions)} positions",
        ("ticker", "name", "shares", "entry", "price", "value", "weight", "P&L"),
        (
            (
                row.ticker,
                row.name,
                shares(row.quantity),
                row.entry_price,
                row.price,
                row.market_value,
                percent(row.weight),
                row.unrealised_pnl,
            )
            for row in portfolio.positions
        ),
    )


def _rules(portfolio: PortfolioRead) -> str:
    rules = portfolio.settings
    return (
        f"{rules.optimizer}, {rules.num_positions} positions, drift {rules.drift_mode} "
        f"{rules.drift_threshold:g}, stop {rules.stop_loss_pct:g}; all of them with --json"
    )


def show_positions(found: PositionList) -> None:
    print_table(
        f"Portfolio {found.portfolio_id}: {len(found.positions)} positions ({describe(found)})",
        ("ticker", "name", "shares", "price", "value", "weight", "target", "stop at", "to stop"),
        (
            (
                row.ticker,
                row.name,
                shares(row.quantity),
                row.price,
                row.market_value,
                percent(row.weight),
                percent(row.target_weight),
                row.stop_price,
                percent(row.distance_to_stop),
            )
            for row in found.positions
        ),
    )
    print_facts(
        (
            ("cash", found.cash),
            ("total value", found.total_value),
            ("stop", f"{found.stop_threshold:.0%} (VIX {found.vix_regime})"),
        )
    )
    if found.warning:
        print_line(found.warning)
    for row in found.positions:
        if row.stop_note:
            print_line(f"{row.ticker}: {row.stop_note}")


def show_cash(booked: CashRead) -> None:
    words = "Paid in" if booked.amount > 0 else "Paid out"
    what = booked.kind.replace("_", " ") + (f" of {booked.ticker}" if booked.ticker else "")
    print_line(
        f"{words} {abs(booked.amount):,f} USD ({what}), counted from {booked.session}. "
        f"The portfolio has {booked.cash:,f} USD in cash."
    )


def show_drift(found: DriftRead) -> None:
    print_table(
        f"Portfolio {found.portfolio_id}: drift ({describe(found)})",
        ("ticker", "weight", "target", "drift"),
        (
            (row.ticker, percent(row.weight), percent(row.target_weight), percent(row.drift))
            for row in found.positions
        ),
    )
    print_facts(
        (
            ("rebalance", "needed" if found.needs_rebalancing else "not needed"),
            ("why", found.reason),
            ("largest drift", percent(found.max_drift)),
            ("turnover", percent(found.turnover)),
        )
    )


def show_rebalance(event: RebalanceRead) -> None:
    print_line(f"Proposal {event.id} for portfolio {event.portfolio_id} ({describe(event)})")
    print_line(f"Rebalance {'needed' if event.needs_rebalancing else 'not needed'}: {event.reason}")
    if event.shortfall:
        print_line(event.shortfall)
    if event.fills:
        _show_fills(event)
    elif event.orders:
        _show_orders(event)
    for dropped in event.dropped:
        print_line(f"Not made: {dropped.side} {dropped.ticker}, {dropped.reason}")
    if event.orders:
        print_facts(
            (
                ("total value", event.total_value),
                ("cash before", event.cash_before),
                ("cash after", event.cash_after),
                ("expected cost", event.estimated_cost),
                ("turnover", percent(event.turnover)),
            )
        )
    if event.executed_at is not None:
        print_line(f"Executed at the close of {event.price_date}.")
    elif event.orders:
        print_line(
            f"Nothing is traded yet: 'etftrader portfolio execute {event.portfolio_id} {event.id}' "
            f"trades it."
        )


def _show_orders(event: RebalanceRead) -> None:
    print_table(
        f"{len(event.orders)} orders",
        ("side", "ticker", "shares", "price", "value", "cost", "reason"),
        (
            (
                order.side,
                order.ticker,
                shares(order.quantity),
                order.reference_price,
                order.value,
                order.estimated_cost,
                order.reason,
            )
            for order in event.orders
        ),
        wrapped="reason",
    )


def _show_fills(event: RebalanceRead) -> None:
    print_table(
        f"{len(event.fills)} orders",
        ("side", "ticker", "status", "shares", "fill price", "fee", "net amount", "reason"),
        (
            (
                fill.side,
                fill.ticker,
                fill.status,
                shares(fill.quantity),
                fill.fill_price,
                fill.fee,
                fill.net_amount,
                fill.reason or "",
            )
            for fill in event.fills
        ),
        wrapped="reason",
    )
