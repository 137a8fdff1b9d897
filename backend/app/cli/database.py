"""The database: migrate, back up, restore, look inside, check."""

from pathlib import Path
from typing import Annotated

import typer

from app.bootstrap import database_url
from app.cli import dumping, schema
from app.cli.app import new_app
from app.cli.failing import FAILED, fail, failures_in_one_sentence, say
from app.cli.output import print_exactly, print_json_of, print_line
from app.cli.postgres_tools import tools_for
from app.cli.runtime import Context, JsonOption, run
from app.core import embedded, migrations
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.embedded import Home, PostgreSQL
from app.services import checking
from app.services.checking import Report
from app.supervisor import turn

app = new_app("Migrate, back up, restore and check the database.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Where the database goes.")]


@app.command()
def upgrade() -> None:
    """Bring the schema to this version's; safe to repeat."""
    with failures_in_one_sentence(), database_url(Settings.load()) as url:
        if schema.is_newest(url):
            print_line("The schema is up to date.")
            return
        migrations.upgrade(url)
    print_line("The schema is up to date now.")


@app.command()
def dump(
    file: FileArgument,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Write the whole database to one file that only you may read."""
    with failures_in_one_sentence(), database_url(Settings.load()) as url:
        say(f"Writing the database to {file} ...")
        size = dumping.dump(url, file, replace=force)
    print_line(f"Wrote {size:,} bytes to {file}.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'db dump' wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also where the database holds data; they are kept.")
    ] = False,
) -> None:
    """Put a dumped database in place of the present one, all or nothing.

    Where there are data already this is refused; with --force they are kept under another name.
    """
    with failures_in_one_sentence():
        settings = Settings.load()
        _require_stopped(settings)
        with database_url(settings) as url:
            say(f"Reading {file} ...")
            kept = dumping.restore(url, file, force=force, now=utc_now())
    print_line(f"Restored the database from {file}.")
    if kept is not None:
        print_line(f"What was there before is in the database {kept}: drop it when you are sure.")


def _require_stopped(settings: Settings) -> None:
    running = turn.running(Home(settings.data_dir))
    if running is not None:
        fail(f"ETFTrader runs at {running.address} (process {running.pid}): stop it and repeat.")


@app.command()
def shell(
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PSQL_ARGUMENTS]", help="Such as -- -c '\\d'.")
    ] = None,
) -> None:
    """Open psql on the database."""
    with failures_in_one_sentence(), database_url(Settings.load()) as url:
        tools = tools_for(url)
        code = tools.interact("psql", tools.conninfo, *(arguments or ()))
    raise typer.Exit(FAILED if code else 0)


@app.command("url")
def show_url() -> None:
    """Print the address of the database, password included."""
    with failures_in_one_sentence():
        settings = Settings.load()
        if settings.database_url is not None:
            print_exactly(schema.plain_url(settings.database_url.get_secret_value()))
            return
        home = Home(settings.data_dir)
        if not embedded.running(PostgreSQL(home)):
            say("The embedded server does not run now: './etftrader up' starts it.")
        home.create()
        print_exactly(schema.plain_url(PostgreSQL(home).url))


@app.command()
def check(json: JsonOption = False) -> None:
    """Rebuild every portfolio's cash, positions and tax lots from its ledger and compare.

    Orders are compared with their fills and events. Exit code 1 where anything differs.
    """

    async def command(context: Context) -> Report:
        return await checking.check(context.session)

    report = run(command)
    if json:
        print_json_of(Report, report)
    else:
        for finding in report.findings:
            print_line(f"Portfolio {finding.portfolio_id}: {finding.sentence}")
        found = len(report.findings)
        print_line(
            f"Checked {report.portfolios} portfolios with {report.entries} ledger entries and "
            f"{report.orders} orders: "
            f"{found or 'no'} difference{'' if found == 1 else 's'}."
        )
    if report.findings:
        raise typer.Exit(FAILED)
