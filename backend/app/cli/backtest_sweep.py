"""Sweeps on the command line: many runs that differ in some settings."""

from typing import Annotated, Any

import typer

from app.cli import sweep_tables as tables
from app.cli.asking import SetOption, given, settings_from, typed, value_of
from app.cli.backtest_options import (
    BenchmarkOption,
    CapitalOption,
    EndOption,
    FillOption,
    FlowOption,
    LabelOption,
    NumberOption,
    OptimizerOption,
    ScheduleOption,
    StartOption,
    YieldOption,
    flows_from,
)
from app.cli.following import BackgroundOption, asked_for
from app.cli.output import print_json, print_json_of
from app.cli.runtime import MAX_ID, Context, JsonOption, MarketOption, run
from app.models import Job
from app.schemas.sweep import SweepItem, SweepRead, SweepSpec
from app.services import sweeps

GridOption = Annotated[
    list[str],
    typer.Option(
        metavar="KEY=VALUES",
        help="Any setting, schedule or fill, as often as needed: num_positions=10,20,30.",
    ),
]
WalkOption = Annotated[
    str | None,
    typer.Option(
        metavar="TRAIN:TEST", help="Sessions to choose on, and to live by the choice: 756:126."
    ),
]
AnchoredOption = Annotated[bool, typer.Option("--anchored", help="Choose on everything so far.")]
ValidateOption = Annotated[
    str | None,
    typer.Option(metavar="GROUPS:TESTED", help="Choose on all but some groups of sessions: 6:2."),
]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]
OffsetOption = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")]


def sweep(
    *,
    grid: GridOption,
    walk_forward: WalkOption = None,
    anchored: AnchoredOption = False,
    cross_validate: ValidateOption = None,
    start: StartOption = None,
    end: EndOption = None,
    capital: CapitalOption = None,
    optimizer: OptimizerOption = None,
    num_positions: NumberOption = None,
    benchmark: BenchmarkOption = None,
    schedule: ScheduleOption = None,
    fill: FillOption = None,
    cash_yield: YieldOption = None,
    cash_flow: FlowOption = None,
    settings: SetOption = None,
    label: LabelOption = None,
    market: MarketOption = None,
    background: BackgroundOption = False,
    json: JsonOption = False,
) -> None:
    """Run every combination of some settings, and say whether the best can be believed.

    The same sweep on the same data is not made again; one that was stopped goes on.
    """
    named = typed(
        start=start,
        end=end,
        initial_capital=capital,
        optimizer=optimizer,
        num_positions=num_positions,
        benchmark=benchmark,
        schedule=schedule,
        fill=fill,
        cash_yield=cash_yield,
        cash_flows=flows_from(cash_flow),
        label=label,
        market=market,
    )
    chosen = _chosen(grid, walk_forward, cross_validate, anchored=anchored)
    wanted = given(SweepSpec, named | chosen | settings_from(settings or ()))
    _sweep(wanted, background=background, json=json)


def _chosen(
    grid: list[str], walk_forward: str | None, cross_validate: str | None, *, anchored: bool
) -> dict[str, object]:
    walk = _numbers("--walk-forward", walk_forward, "train", "test")
    if walk is None and anchored:
        raise typer.BadParameter("needs --walk-forward", param_hint="--anchored")
    return typed(
        grid=dict(_axis(pair) for pair in grid),
        walk_forward=None if walk is None else {**walk, "anchored": anchored},
        cross_validation=_numbers("--cross-validate", cross_validate, "groups", "tested"),
    )


def _sweep(wanted: SweepSpec, *, background: bool, json: bool) -> None:
    async def submit(context: Context) -> Job:
        resources = context.resources
        return await sweeps.submit(
            context.session,
            await context.market(wanted.market),
            resources.settings,
            wanted,
            owner_id=resources.owner_id,
            now=context.now,
        )

    job = asked_for(submit, background=background)
    if not background:
        _answer(int(job.arguments["sweep"]), limit=tables.MOST_MEMBERS, offset=0, json=json)
    elif json:
        print_json(job)


def show_all(
    limit: LimitOption = 100, offset: OffsetOption = 0, *, json: JsonOption = False
) -> None:
    """Your sweeps, newest first."""

    async def command(context: Context) -> list[SweepItem]:
        owner_id = context.resources.owner_id
        return await sweeps.listed(context.session, owner_id, limit=limit, offset=offset)

    answer = run(command)
    if json:
        print_json_of(list[SweepItem], answer)
    else:
        tables.print_list(answer)


def show(
    sweep_id: Annotated[
        int,
        typer.Argument(
            min=1, max=MAX_ID, metavar="ID", help="As 'etftrader backtest sweeps' shows it."
        ),
    ],
    limit: LimitOption = 100,
    offset: OffsetOption = 0,
    *,
    json: JsonOption = False,
) -> None:
    """One sweep: how far it is, its members, the best of them, and what speaks for it."""
    _answer(sweep_id, limit=limit, offset=offset, json=json)


def _answer(sweep_id: int, *, limit: int, offset: int, json: bool) -> None:
    async def command(context: Context) -> SweepRead:
        owner_id = context.resources.owner_id
        return await sweeps.shown(context.session, owner_id, sweep_id, limit=limit, offset=offset)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.print_sweep(answer)


def _axis(pair: str) -> tuple[str, list[Any]]:
    name, equals, text = pair.partition("=")
    if not equals or not text:
        raise typer.BadParameter("write it as KEY=VALUE,VALUE,…", param_hint="--grid")
    whole = value_of(text)
    values = whole if isinstance(whole, list) else [value_of(part) for part in text.split(",")]
    return name, values


def _numbers(option: str, text: str | None, *names: str) -> dict[str, Any] | None:
    if text is None:
        return None
    parts = text.split(":")
    if len(parts) != len(names) or not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"write it as {':'.join(names).upper()}", param_hint=option)
    return dict(zip(names, map(int, parts), strict=True))
