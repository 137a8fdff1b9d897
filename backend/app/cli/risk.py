"""`etftrader risk`: stops, drawdown, and the risk of what is held."""

from app.cli.app import new_app
from app.cli.output import (
    Figure,
    describe,
    percent,
    print_facts,
    print_json,
    print_line,
    print_reasons,
    print_table,
)
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.schemas.risk import RiskRead, VixRead
from app.services import risk as assessing

app = new_app()


@app.command()
def risk(portfolio_id: PortfolioId, json: JsonOption = False) -> None:
    """Where every position stands against its stop, and what today's weights risk."""

    async def command(context: Context) -> RiskRead:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await assessing.assess(context.session, market, portfolio, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        _show(answer)


def _show(found: RiskRead) -> None:
    print_line(f"Portfolio {found.portfolio_id} ({describe(found)})")
    print_facts(
        (
            ("VIX", _vix(found.vix)),
            ("stop", f"{found.vix.threshold:.0%}{' trailing' if found.trailing_stop else ''}"),
            ("total value", found.total_value),
            ("cash weight", percent(found.cash_weight)),
            ("drawdown", percent(found.portfolio_drawdown)),
            ("volatility", percent(found.volatility)),
            (f"beta to {found.benchmark}", found.beta),
            ("VaR 95 % / 99 %", _pair(found.var_95, found.var_99)),
            ("CVaR 95 % / 99 %", _pair(found.cvar_95, found.cvar_99)),
            ("like equal positions", found.concentration.effective_number),
        )
    )
    if found.vix.warning:
        print_line(found.vix.warning)
    if found.positions:
        print_line()
        _show_positions(found)
    print_line(f"At risk: {', '.join(found.at_risk) or 'none'}")
    print_reasons(found.reasons)


def _show_positions(found: RiskRead) -> None:
    shares_of_risk = {row.ticker: row.share for row in found.contributions or ()}
    print_table(
        f"{len(found.positions)} positions",
        ("ticker", "name", "weight", "of risk", "price", "stop at", "drawdown", "to stop"),
        (
            (
                row.ticker,
                row.name,
                percent(row.weight),
                percent(shares_of_risk.get(row.ticker)),
                row.price,
                row.stop_price,
                percent(row.drawdown),
                percent(row.distance_to_stop),
            )
            for row in found.positions
        ),
    )


def _vix(vix: VixRead) -> str:
    if vix.value is None:
        return f"unknown ({vix.regime})"
    return f"{vix.value:.2f} of {vix.date} ({vix.regime})"


def _pair(first: float | None, second: float | None) -> str:
    return " / ".join(percent(value) or Figure("-") for value in (first, second))
