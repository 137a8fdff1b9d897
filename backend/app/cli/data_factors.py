"""`etftrader data import --published-factors`."""

from pathlib import Path

from app.cli.output import print_json_of, print_table
from app.cli.runtime import Context, run
from app.services import published_factors
from app.services.published_factors import FactorReport


def import_published(file: Path, *, json: bool) -> None:
    async def command(context: Context) -> tuple[FactorReport, ...]:
        return await published_factors.import_file(context.session, file)

    reports = run(command)
    if json:
        print_json_of(tuple[FactorReport, ...], reports)
        return
    print_table(
        f"Published factors from {file.name}",
        ("factor", "read", "added", "changed", "unchanged", "first", "latest"),
        (
            (
                each.name,
                each.read,
                each.added,
                each.changed,
                each.unchanged,
                each.first_session,
                each.latest_session,
            )
            for each in reports
        ),
    )
