"""`etftrader jobs`: what takes its time, and how far it is."""

from typing import Annotated

import typer

from app.cli.app import new_app
from app.cli.asking import given, typed
from app.cli.following import followed
from app.cli.once import OK, Asked, KeyOption, checked_key, once
from app.cli.output import percent, print_facts, print_json, print_json_of, print_line, print_table
from app.cli.runtime import MAX_ID, Context, JsonOption, run
from app.models import JobState
from app.schemas.job import JobFilter, JobRead
from app.services import jobs

app = new_app("List, show, watch and cancel jobs: what takes longer than an answer may.")

JobId = Annotated[
    int,
    typer.Argument(min=1, max=MAX_ID, metavar="ID", help="As 'etftrader jobs list' shows it."),
]


@app.command("list")
def show_all(
    *,
    state: Annotated[JobState | None, typer.Option(help="Of this state only.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Of this kind only.")] = None,
    parent: Annotated[
        int | None, typer.Option(metavar="ID", help="The parts of this job; left out: no parts.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    offset: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="How many to pass.")] = 0,
    json: JsonOption = False,
) -> None:
    """Your jobs, newest first."""
    asked = typed(state=state, kind=kind, parent_id=parent, limit=limit, offset=offset)
    wanted = given(JobFilter, asked)

    async def command(context: Context) -> list[JobRead]:
        found = await jobs.listed(context.session, context.resources.owner_id, wanted)
        return [JobRead.model_validate(job) for job in found]

    answer = run(command)
    if json:
        print_json_of(list[JobRead], answer)
    elif not answer:
        print_line("There are no such jobs.")
    else:
        print_table(
            f"{len(answer)} job{'s' if len(answer) > 1 else ''}",
            ("job", "kind", "state", "progress", "asked for", "step"),
            (
                (job.id, job.kind, job.state, percent(job.progress), _moment(job), job.step)
                for job in answer
            ),
        )


@app.command()
def show(job_id: JobId, json: JsonOption = False) -> None:
    """One job: how far it is, and what came of it."""

    async def command(context: Context) -> JobRead:
        owner_id = context.resources.owner_id
        return JobRead.model_validate(await jobs.found(context.session, owner_id, job_id))

    _answer(run(command), json=json)


@app.command()
def watch(job_id: JobId, json: JsonOption = False) -> None:
    """Show how far a job is until it has ended; where no worker is up it is done here.

    Ctrl-C leaves the job to the workers. Exit code 1 where it fails or is cancelled.
    """
    _answer(followed(job_id), json=json)


@app.command()
def cancel(job_id: JobId, key: KeyOption = None, json: JsonOption = False) -> None:
    """Cancel a job: at once if it waits, at its next step if it runs."""
    checked_key(key)

    async def command(context: Context) -> JobRead:
        async def act() -> JobRead:
            owner_id = context.resources.owner_id
            job = await jobs.request_cancel(context.session, owner_id, job_id, now=context.now)
            return JobRead.model_validate(job)

        asked = Asked(f"/api/jobs/{job_id}", method="DELETE", status=OK)
        return await once(context, key, asked, act, kind=JobRead)

    _answer(run(command), json=json)


def _answer(job: JobRead, *, json: bool) -> None:
    if json:
        print_json(job)
        return
    told = {
        "job": job.id,
        "kind": job.kind,
        "state": f"{job.state}, to be cancelled" if _is_ending(job) else job.state,
        "progress": percent(job.progress),
        "step": job.step,
        "message": job.message,
        "parts": job.chunks or None,
        "begun": f"{job.attempt} times" if job.attempt > 1 else None,
        "error": job.error.detail if job.error else None,
        **{f"about {name}": value for name, value in job.arguments.items()},
        **(job.result or {}),
    }
    print_facts((name, value) for name, value in told.items() if value is not None)


def _is_ending(job: JobRead) -> bool:
    return job.cancel_requested and job.finished_at is None


def _moment(job: JobRead) -> str:
    return f"{job.created_at:%Y-%m-%d %H:%M}"
