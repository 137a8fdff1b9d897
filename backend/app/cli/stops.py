"""`etftrader stops`: what would fire at which price, and acting on it."""

from app.cli.app import new_app
from app.cli.once import OK, Asked, KeyOption, checked_key, once
from app.cli.output import (
    describe,
    percent,
    print_facts,
    print_json,
    print_line,
    print_table,
    shares,
)
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.schemas.stop import DrawdownRule, StopsChecked, StopsRead
from app.services import stop_report

app = new_app("Which stops would fire at which price, and acting on them.")


@app.command()
def show(portfolio_id: PortfolioId, json: JsonOption = False) -> None:
    """Every position against its stop: what would fire, and if not, why; nothing is done."""

    async def command(context: Context) -> StopsRead:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await stop_report.preview(context.session, market, portfolio, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        _show(answer)


@app.command()
def check(portfolio_id: PortfolioId, key: KeyOption = None, json: JsonOption = False) -> None:
    """Act on the stops now: sell what is breached, at the latest close plus costs, or tell of it.

    A stop acts once per position and session: checking again does nothing more.
    """
    checked_key(key)

    async def command(context: Context) -> StopsChecked:
        portfolio = await context.portfolio(portfolio_id, locked=True)

        async def act() -> StopsChecked:
            market = await context.market_of(portfolio)
            return await stop_report.check(context.session, market, portfolio, now=context.now)

        asked = Asked(f"/api/risk/{portfolio_id}/stops", status=OK)
        return await once(context, key, asked, act, kind=StopsChecked)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        _show_checked(answer)


def _show(found: StopsRead) -> None:
    print_line(f"Portfolio {found.portfolio_id} ({describe(found)})")
    rule = found.drawdown_rule
    print_facts(
        (
            ("stop", f"{found.threshold:.0%}{' trailing' if found.trailing else ''}"),
            ("VIX", found.vix_regime),
            ("a breach makes", "a sell order" if found.action == "sell" else "an alert"),
            ("drawdown", percent(rule.drawdown)),
            ("exposure", _exposure(rule)),
        )
    )
    for sentence in (found.warning, found.paused, rule.way_back and _way_back(rule)):
        if sentence:
            print_line(sentence)
    if found.positions:
        print_line()
        _show_positions(found)
    for name in found.cooling_down:
        print_line(f"{name.ticker}: {name.reason}.")


def _show_positions(found: StopsRead) -> None:
    print_table(
        f"{len(found.positions)} positions",
        ("ticker", "from", "stop at", "price", "state", "to stop", "fires"),
        (
            (
                row.ticker,
                row.reference_price,
                row.stop_price,
                row.price,
                row.price_state,
                percent(row.distance_to_stop),
                row.would_fire,
            )
            for row in found.positions
        ),
    )
    for row in found.positions:
        if row.reason:
            print_line(f"{row.ticker} does not fire. {row.reason}")


def _show_checked(found: StopsChecked) -> None:
    print_line(f"Portfolio {found.portfolio_id} ({describe(found)})")
    if found.orders:
        print_table(
            f"{len(found.orders)} stopped out",
            ("ticker", "shares", "filled", "state", "why"),
            (
                (row.ticker, shares(row.quantity), shares(row.filled_quantity), row.state, row.why)
                for row in found.orders
            ),
            wrapped="why",
        )
    for row in found.orders:
        if row.reason:
            print_line(f"{row.ticker}: {row.reason}")
    for message in found.alerts:
        print_line(message)
    if not found.orders and not found.alerts:
        print_line("No stop has fired.")
    for position in found.positions:
        if position.reason:
            print_line(f"{position.ticker} does not fire. {position.reason}")


def _exposure(rule: DrawdownRule) -> str:
    since = f" since {rule.reduced_since}" if rule.reduced else ""
    return f"{rule.exposure:.0%} of the targets{since}"


def _way_back(rule: DrawdownRule) -> str:
    return f"What restores full exposure: {rule.way_back}"
