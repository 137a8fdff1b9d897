"""`etftrader backtest`: live through past sessions by any rules, and judge what came of it."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import backtest_sweep
from app.cli import backtest_tables as tables
from app.cli.app import new_app
from app.cli.asking import SetOption, given, settings_from, typed
from app.cli.backtest_options import (
    BacktestId,
    BenchmarkOption,
    CapitalOption,
    CsvOption,
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
from app.cli.failing import say
from app.cli.output import print_json, print_json_of, print_line
from app.cli.runtime import Context, JsonOption, MarketOption, run
from app.cli.saving import ForceOption, require_free, save
from app.core.csv_text import csv_text
from app.schemas.backtest import (
    BacktestCreate,
    BacktestFilter,
    BacktestItem,
    BacktestRead,
    BacktestTrade,
    ComparisonRead,
    EvidenceRead,
    Withdrawal,
)
from app.services import (
    backtest_answers,
    backtest_evidence,
    backtest_running,
    backtest_runs,
    backtesting,
)
from app.services.backtest_runs import Ask

app = new_app("Live through past sessions by any rules; compare and judge what came of it.")


@app.command("run")
def run_one(
    *,
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
    csv: CsvOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Live through past sessions by any rules that a portfolio can have, and keep what came of it.

    The same question on the same data is the same run. Nothing is decided at a close that was not
    known at it.
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
    wanted = given(BacktestCreate, named | settings_from(settings or ()))
    if csv is not None:
        require_free(csv, replace=force)
    answer = run(lambda context: _run(context, wanted))
    _show(answer, csv=csv, force=force, json=json)


async def _run(context: Context, wanted: BacktestCreate) -> BacktestRead:
    market = await context.market(wanted.market)
    spec = backtesting.resolved(market, context.resources.settings, wanted.spec)
    ask = Ask(context.resources.owner_id, spec, wanted.label)
    row = await backtest_runs.known(context.session, market, ask)
    if row is not None:
        return backtest_answers.read(row, repeated=True)
    if not backtest_running.engine_is_compiled():
        say("Compiling the engine of backtests, once: half a minute or so ...")
        backtest_running.load_engine()
    columns = await backtest_runs.make(market, ask, now=context.now)
    row, is_new = await backtest_runs.keep(context.session, columns)
    return backtest_answers.read(row, repeated=not is_new)


@app.command("list")
def show_all(
    *,
    market: MarketOption = None,
    withdrawn: Annotated[bool, typer.Option("--withdrawn", help="Those instead.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")] = 0,
    json: JsonOption = False,
) -> None:
    """Your backtests, newest first."""
    asked = typed(market=market, withdrawn=withdrawn or None, limit=limit, offset=offset)
    wanted = given(BacktestFilter, asked)

    async def command(context: Context) -> list[BacktestItem]:
        rows = await backtest_runs.listed(context.session, context.resources.owner_id, wanted)
        return [BacktestItem.model_validate(row) for row in rows]

    answer = run(command)
    if json:
        print_json_of(list[BacktestItem], answer)
    else:
        tables.print_list(answer)
        if len(answer) == limit:
            print_line(f"There may be more: --offset {offset + limit} goes on.")


@app.command()
def show(
    backtest_id: BacktestId,
    *,
    csv: CsvOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """One run: what was asked for, and everything that came of it."""
    if csv is not None:
        require_free(csv, replace=force)

    async def command(context: Context) -> BacktestRead:
        owner_id = context.resources.owner_id
        row = await backtest_runs.found(context.session, owner_id, backtest_id)
        return backtest_answers.read(row, repeated=False)

    _show(run(command), csv=csv, force=force, json=json)


@app.command()
def compare(first: BacktestId, second: BacktestId, json: JsonOption = False) -> None:
    """Whether two runs differ or had different luck: the paired difference of daily returns."""

    async def command(context: Context) -> ComparisonRead:
        return await backtest_evidence.comparison(
            context.session, context.resources.owner_id, first, second
        )

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.print_comparison(answer)


@app.command()
def evidence(backtest_id: BacktestId, json: JsonOption = False) -> None:
    """Whether a run can be believed, given every run that you made on its market."""

    async def command(context: Context) -> EvidenceRead:
        return await backtest_evidence.evidence(
            context.session, context.resources.owner_id, backtest_id
        )

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.print_evidence(answer)


@app.command()
def withdraw(
    backtest_id: BacktestId,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.")],
    json: JsonOption = False,
) -> None:
    """Take a run out of the list. It is kept with its reason, and counts as a try for ever."""
    wanted = given(Withdrawal, {"reason": reason})

    async def command(context: Context) -> BacktestItem:
        row = await backtest_runs.withdraw(
            context.session,
            context.resources.owner_id,
            backtest_id,
            reason=wanted.reason,
            now=context.now,
        )
        return BacktestItem.model_validate(row)

    answer = run(command)
    if json:
        print_json(answer)
    else:
        tables.print_list([answer])


def _show(answer: BacktestRead, *, csv: Path | None, force: bool, json: bool) -> None:
    if csv is not None:
        names = list(BacktestTrade.model_fields)
        rows = ([getattr(each, name) for name in names] for each in answer.trades or ())
        save(csv_text(names, rows), csv, replace=force)
    if json:
        print_json(answer)
    else:
        tables.print_run(answer)


app.command()(backtest_sweep.sweep)
app.command("sweeps")(backtest_sweep.show_all)
app.command("sweep-show")(backtest_sweep.show)
