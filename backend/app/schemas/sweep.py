"""Sweeps: runs that differ in some settings, as they are asked for."""

from datetime import date, datetime
from math import prod
from typing import Annotated, Any, Self, TypeAlias
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from app.models import JobState
from app.schemas.backtest import BacktestSpec, EvidenceRead, Headline, Label
from app.schemas.base import Exact, Input, Number, Output, Text
from app.schemas.performance import Reasons
from app.schemas.problem import Problem
from app.schemas.settings import PortfolioSettings, frozen

MOST_MEMBERS = 10_000
MOST_AXES = 8
SWEPT = frozenset(PortfolioSettings.model_fields) - {"benchmark", "risk_free_rate"} | {
    "schedule",
    "fill",
}
"""What may differ; one benchmark and one risk-free rate judge all."""
GROUPS = frozenset({"factor_weights", "universe"})
"""Settings whose parts a dot leads to."""

Name = Annotated[Text, Field(min_length=1, max_length=100)]
Scalar: TypeAlias = Annotated[Text, Field(max_length=100)] | bool | int | Number | None
Value: TypeAlias = Scalar | list[Scalar] | dict[Name, Scalar | list[Scalar]]
"""Whether a setting takes it is for the run's own specification to say."""
Values = Annotated[tuple[Value, ...], BeforeValidator(frozen), Field(min_length=1, max_length=1000)]
Changes = Annotated[dict[Name, Value], Field(min_length=1, max_length=50)]


class WalkForward(Input):
    """Choose on `train` sessions, live by it for `test`, choose again; all in sessions."""

    train: Annotated[int, Field(ge=20, le=10_000)]
    test: Annotated[int, Field(ge=5, le=10_000)]
    step: Annotated[
        int | None,
        Field(ge=5, le=10_000, description="Between two choices; left out: `test`"),
    ] = None
    anchored: Annotated[
        bool, Field(description="Choose on everything so far, not on the last `train` sessions")
    ] = False
    purge: Annotated[
        int, Field(ge=0, le=252, description="Sessions left out between choosing and testing")
    ] = 0


class CrossValidation(Input):
    """Of `groups` consecutive groups of sessions every `tested` are the test once."""

    groups: Annotated[int, Field(ge=2, le=12)]
    tested: Annotated[int, Field(ge=1, le=6)]
    embargo: Annotated[
        int, Field(ge=0, le=252, description="Sessions after a test that are not chosen on")
    ] = 0

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.tested >= self.groups:
            raise ValueError("at least one group is not tested")
        return self


class SweepSpec(BacktestSpec):
    """A run as `POST /api/backtests` takes it, and what its members differ in."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"grid": {"num_positions": [10, 20, 30]}}]}
    )

    label: Label | None = Field(None, description="What to call it; no part of what is run.")
    grid: (
        Annotated[
            dict[Name, Values],
            Field(
                min_length=1,
                max_length=MOST_AXES,
                description="Values by setting, or of `schedule` or `fill`; a dot leads into a "
                "group, as in `factor_weights.momentum`. Every combination is a member.",
            ),
        ]
        | None
    ) = None
    variants: (
        Annotated[
            tuple[Changes, ...],
            BeforeValidator(frozen),
            Field(
                min_length=1,
                max_length=MOST_MEMBERS,
                description="In place of a grid: the settings of each member that differ.",
            ),
        ]
        | None
    ) = None
    walk_forward: WalkForward | None = None
    cross_validation: CrossValidation | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, description="Of the resampled intervals")] = 1

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if (self.grid is None) == (self.variants is None):
            raise ValueError("give either a grid or variants")
        for name in self._names():
            group, dot, _ = name.partition(".")
            if group not in SWEPT or (dot and group not in GROUPS):
                raise ValueError(
                    f"no setting that can be swept; there are {', '.join(sorted(SWEPT))}"
                )
        if self.members > MOST_MEMBERS:
            raise ValueError(f"at most {MOST_MEMBERS:,} members")
        return self

    @property
    def common(self) -> BacktestSpec:
        """What all members are but for their own changes."""
        return BacktestSpec.model_construct(
            self.model_fields_set & BacktestSpec.model_fields.keys(),
            **{name: getattr(self, name) for name in BacktestSpec.model_fields},
        )

    @property
    def axes(self) -> tuple[tuple[str, tuple[Value, ...]], ...]:
        """The grid by name: the order that a JSON object was written in does not last."""
        return tuple(sorted((self.grid or {}).items()))

    @property
    def members(self) -> int:
        if self.grid is not None:
            return prod(len(values) for values in self.grid.values())
        return len(self.variants or ())

    def _names(self) -> set[str]:
        if self.grid is not None:
            return set(self.grid)
        return {name for changes in self.variants or () for name in changes}


class MemberRead(Output):
    number: int = Field(description="Its place among the members")
    backtest_id: int = Field(description="The run that is kept of it")
    changes: dict[str, Any] = Field(description="What it differs in from the sweep's own settings")
    headline: Headline


class FailedMember(Output):
    number: int
    changes: dict[str, Any]
    reason: str = Field(description="Why nobody could live by these settings to the end")


class BestRead(Output):
    """The member with the highest Sharpe ratio, and whether that can be believed."""

    number: int
    changes: dict[str, Any]
    headline: Headline
    evidence: EvidenceRead


class AxisRead(Output):
    name: str = Field(examples=["num_positions"])
    values: list[Any] = Field(description="Numbers ascending, others as they were given")
    ordered: bool = Field(description="Values side by side are neighbours")


class PointRead(Output):
    settings: dict[str, Any]
    value: float = Field(description="Its Sharpe ratio")
    mean: float = Field(description="Of its own and its known neighbours' ratios")
    lowest: float
    known: int
    neighbours: int


class SurfaceRead(Output):
    """The Sharpe ratio over the grid: the best point, and the best one with its neighbours."""

    axes: list[AxisRead]
    means: list[float | None] = Field(
        description="Of each point and its neighbours; the last axis changes first"
    )
    peak: PointRead | None
    plateau: PointRead | None
    prominence: float | None = Field(description="The peak less the mean of its neighbours")
    in_spreads: float | None = Field(description="The same in standard deviations of all points")
    reasons: Reasons


class ChoiceRead(Output):
    """The best member of some sessions, and what it did in others: Sharpe ratios."""

    number: int | None
    changes: dict[str, Any] | None
    inside: float | None
    outside: float | None
    reasons: Reasons


class WindowRead(ChoiceRead):
    train_start: date
    train_end: date
    test_start: date
    test_end: date


class PathRead(Output):
    """One book that lived by each choice until the next: with the costs of changing over."""

    start: date = Field(description="The close at which the first choice was made")
    end: date
    headline: Headline
    returns: list[float | None] = Field(description="Of each session after the first")
    costs: Exact
    trades: int


class WalkForwardRead(Output):
    windows: list[WindowRead]
    path: PathRead | None
    reasons: Reasons


class CrossValidationRead(Output):
    """Paths joined from what the choices did in sessions that they were not made on."""

    folds: list[ChoiceRead]
    sharpes: list[float | None] = Field(description="Of each path")
    mean: float | None
    deviation: float | None
    loss: float | None = Field(description="Share of the paths with a ratio below 0")
    reasons: Reasons


class SweepResult(Output):
    best: BestRead | None
    surface: SurfaceRead | None = Field(description="Null without a grid")
    walk_forward: WalkForwardRead | None = Field(description="Null where none was asked for")
    cross_validation: CrossValidationRead | None = Field(
        description="Null where none was asked for"
    )
    notes: list[str] = Field(description="What to know before reading anything into it")
    reasons: Reasons


class SweepItem(Output):
    """A sweep in one line; its state is that of its job."""

    id: int
    label: str | None
    market: str = Field(examples=["us"])
    members: int
    done: int = Field(description="Members that are kept, or failed, so far")
    state: JobState
    progress: float = Field(ge=0, le=1)
    job_id: int
    data_version: UUID
    created_at: datetime


class SweepRead(SweepItem):
    spec: dict[str, Any] = Field(description="What was asked for, with everything said")
    error: Problem | None = Field(description="Why its job failed")
    result: SweepResult | None = Field(description="Null until it is done")
    runs: list[MemberRead] = Field(description="`limit` members from `offset` on")
    failures: list[FailedMember] = Field(description="Members without a run: they count as done")
