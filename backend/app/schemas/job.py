"""Jobs as they are asked for and shown."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.models import JobState
from app.schemas.base import Input, Output
from app.schemas.problem import Problem


class JobFilter(Input):
    """Which jobs to list."""

    model_config = ConfigDict(strict=False)

    state: JobState | None = None
    kind: Annotated[str, Field(pattern="^[a-z_]{1,32}$", examples=["data_update"])] | None = None
    parent_id: (
        Annotated[
            int,
            Field(ge=1, le=2**31 - 1, description="The chunks of this job; left out: no chunks"),
        ]
        | None
    ) = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class JobRead(Output):
    """Work that takes longer than an answer may, and how far it is."""

    id: int
    kind: str = Field(examples=["data_update"])
    arguments: dict[str, Any]
    state: JobState
    progress: float = Field(ge=0, le=1, description="Of the present step; 1 at the end")
    step: str | None = Field(description="What it is doing")
    message: str | None
    attempt: int = Field(description="How often it was begun: again where a worker was lost")
    cancel_requested: bool = Field(description="A running job stops at its next step")
    parent_id: int | None = Field(description="The job that this one is a chunk of")
    chunks: int = Field(description="How many jobs it is divided into; 0: it is not")
    result: dict[str, Any] | None = Field(description="Of a job that succeeded")
    error: Problem | None = Field(description="Of a job that failed: why, and what to do")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
