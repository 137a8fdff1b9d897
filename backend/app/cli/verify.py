"""`etftrader verify`: what the figures promise, tried on the data that are there."""

from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.output import print_json, print_line, print_table
from app.cli.progress import bars
from app.cli.runtime import Context, JsonOption, MarketOption, run
from app.schemas.settings import default_settings
from app.schemas.verification import LookaheadRead
from app.services import verification

app = new_app("Try on your own data what the figures promise.")


@app.callback()
def group() -> None:
    """Try on your own data what the figures promise."""


@app.command()
def lookahead(
    *,
    market: MarketOption = None,
    cuts: Annotated[
        int, typer.Option(min=1, max=1000, help="At how many sessions the future is replaced.")
    ] = 5,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The same seed, the same sessions.")
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Whether anything decided at a close follows what came after it. Exit code 1 where it does.

    Scores, weights, orders and values are computed again on data that end at random sessions, and
    on data whose future is another one, an input at a time: they must be the same to the last bit.
    """

    async def command(context: Context) -> LookaheadRead:
        known = await context.market(market)
        settings = default_settings(context.resources.settings)
        with bars() as progress:
            return verification.lookahead(known, settings, cuts=cuts, seed=seed, progress=progress)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        _show(answer)
    if answer.leaks:
        raise typer.Exit(1)


def _show(found: LookaheadRead) -> None:
    print_table(
        f"Market {found.market}: the future replaced after {len(found.cuts)} sessions, "
        f"{found.cuts[0]} to {found.cuts[-1]}",
        ("stage", "compared", "follows the future"),
        (
            (each.stage, each.compared, each.leak.followed if each.leak else "no")
            for each in found.stages
        ),
    )
    for each in found.stages:
        if each.leak is not None:
            print_line(f"- {each.leak.sentence}")
    if not found.leaks:
        print_line("Nothing that was decided at a close follows what came after it.")
