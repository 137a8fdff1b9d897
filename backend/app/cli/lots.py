"""The open tax lots of a portfolio."""

from app.cli.output import describe, print_facts, print_json, print_line, print_table, shares
from app.cli.runtime import Context, JsonOption, PortfolioId, run
from app.schemas.lot import LotList
from app.services import lots_overview


def lots(portfolio_id: PortfolioId, json: JsonOption = False) -> None:
    """Its open tax lots: cost, value, gain, and how long until a sale is long-term."""

    async def command(context: Context) -> LotList:
        portfolio = await context.portfolio(portfolio_id)
        market = await context.market_of(portfolio)
        return await lots_overview.overview(context.session, market, portfolio, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
    elif not answer.lots:
        print_line("There are no open lots.")
    else:
        _show(answer)


def _show(found: LotList) -> None:
    print_table(
        f"Portfolio {found.portfolio_id}: {len(found.lots)} lots ({describe(found)})",
        ("lot", "ticker", "acquired", "shares", "cost", "value", "gain", "to long"),
        (
            (
                row.lot,
                row.ticker,
                row.acquired_on,
                shares(row.quantity),
                row.cost,
                row.market_value,
                row.unrealised_gain,
                f"{row.days_until_long} days" if row.days_until_long else "long",
            )
            for row in found.lots
        ),
    )
    print_facts(
        (
            ("cost", found.cost),
            ("value", found.market_value),
            ("unrealised gain", found.unrealised_gain),
        )
    )
