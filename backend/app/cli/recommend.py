"""What a new portfolio would hold today."""

from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.output import describe, percent, print_json, print_line, print_table
from app.cli.runtime import Context, JsonOption, MarketOption, run
from app.schemas.recommendation import Recommendations
from app.schemas.settings import OptimizerName, default_settings
from app.services import recommending

app = new_app()


@app.command()
def recommend(
    num_positions: Annotated[
        int | None, typer.Option(min=1, max=500, help="How many ETFs.")
    ] = None,
    optimizer: Annotated[OptimizerName | None, typer.Option(help="How they are weighted.")] = None,
    market: MarketOption = None,
    json: JsonOption = False,
) -> None:
    """Target weights at the latest close for somebody who holds nothing, and why."""

    async def command(context: Context) -> Recommendations:
        settings = default_settings(context.resources.settings)
        chosen = {"num_positions": num_positions, "optimizer": optimizer}
        settings = settings.model_copy(
            update={name: value for name, value in chosen.items() if value is not None}
        )
        found = await context.market(market)
        return await recommending.recommend(found, settings, now=context.now)

    answer = run(command)
    if json:
        print_json(answer)
        return
    print_table(
        f"{answer.optimizer} over {len(answer.recommendations)} ETFs ({describe(answer)})",
        ("rank", "ticker", "name", "weight", "composite", "why"),
        (
            (row.rank, row.ticker, row.name, percent(row.target_weight), row.composite, row.why)
            for row in answer.recommendations
        ),
        wrapped="why",
    )
    print_line(f"Cash {answer.cash_weight:.2%}")
    for name in answer.passed_over:
        print_line(f"Left out: {name.ticker}, {name.reason}")
    if answer.shortfall:
        print_line(answer.shortfall)
