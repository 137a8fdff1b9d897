"""`etftrader doctor`: what is wrong with an installation, in sentences."""

import typer

from app.cli.app import new_app
from app.cli.failing import failures_in_one_sentence
from app.cli.output import print_json_of, print_line
from app.cli.runtime import JsonOption
from app.core.clock import utc_now
from app.core.config import Settings
from app.supervisor import doctor as examination
from app.supervisor.doctor import Finding

app = new_app()


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Look at Python, folders, ports, database and market data; change nothing.

    Exit code 1 where something must be done; a warning leaves it 0.
    """
    with failures_in_one_sentence():
        findings = examination.run(Settings.load(), now=utc_now())
    if json:
        print_json_of(list[Finding], findings)
    else:
        for finding in findings:
            mark = "WRONG" if finding.problem else "warn" if finding.warning else "ok"
            print_line(f"{mark:<5}  {finding.topic}: {finding.sentence}")
    raise typer.Exit(examination.exit_code(findings))
