"""What a new portfolio would hold today."""

from typing import Annotated

import typer

from app.cli.output import console, describe, percent, print_json, print_table
from app.cli.runtime import Context, JsonOption, MarketOption, run
from app.schemas.recommendation import Recommendations
from app.schemas.settings import OptimizerName, default_settings
from app.services import recommending


def recommend(
    num_positions: Annotated[int | None, typer.Option(min=1, max=500)] = None,
    optimizer: Annotated[OptimizerName | None, typer.Option()] = None,
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
        ("ticker", "name", "weight", "composite", "rank", "why"),
        (
            (row.ticker, row.name, percent(row.target_weight), row.composite, row.rank, row.why)
            for row in answer.recommendations
        ),
    )
    console.print(f"Cash {answer.cash_weight:.2%}")
    for name in answer.passed_over:
        console.print(f"Left out: {name.ticker}, {name.reason}")
    if answer.shortfall:
        console.print(answer.shortfall)
