"""What came of a sweep: its best member and how far to believe it, from the runs that are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.core.progress import Progress
from app.models import Backtest
from app.quant.evidence.assessment import assess
from app.quant.evidence.records import TrackRecord
from app.quant.evidence.reselection import Choice, cross_validated, sharpes, walked
from app.quant.evidence.splits import (
    CombinatorialSplits,
    Window,
    combinatorial,
    walk_forward,
)
from app.quant.measured import Missing
from app.quant.panel import DateArray, FloatArray
from app.schemas.sweep import (
    BestRead,
    CrossValidationRead,
    SweepResult,
    SweepSpec,
    WalkForwardRead,
    WindowRead,
)
from app.services import backtest_evidence, sweep_evidence, sweep_running
from app.services.sweep_members import Member
from app.services.sweep_running import Bench

HORIZON = 1
"""A decision at one close is filled after it: the next session's return still tells of it."""
NO_RATIO = Missing("no member has a Sharpe ratio")


@dataclass(frozen=True, slots=True)
class Runs:
    """All members, the runs that are kept by number, the members' returns [N, T] between the T + 1
    `sessions`, NaN for one that could not be lived through, and the records of what else their
    owner has run on the market."""

    members: Sequence[Member]
    kept: Mapping[int, Backtest]
    returns: FloatArray
    sessions: DateArray
    others: Sequence[TrackRecord]


def windows_of(sweep: SweepSpec, returns: int) -> tuple[Window, ...]:
    """Empty where none are asked for. Raises InsufficientHistory."""
    wanted = sweep.walk_forward
    if wanted is None:
        return ()
    return walk_forward(
        returns,
        train=wanted.train,
        test=wanted.test,
        step=wanted.step,
        anchored=wanted.anchored,
        purge=wanted.purge,
    )


def splits_of(sweep: SweepSpec, returns: int) -> CombinatorialSplits | None:
    """None where none are asked for. Raises InsufficientHistory."""
    wanted = sweep.cross_validation
    if wanted is None:
        return None
    return combinatorial(
        returns,
        groups=wanted.groups,
        tested=wanted.tested,
        horizon=HORIZON,
        embargo=wanted.embargo,
    )


def put_together(bench: Bench, sweep: SweepSpec, runs: Runs, tell: Progress) -> SweepResult:
    rf = sweep.risk_free_rate
    ratios = sharpes(runs.returns, rf)
    best = _best(sweep, runs, ratios, tell)
    return SweepResult(
        best=None if isinstance(best, Missing) else best,
        surface=sweep_evidence.surface(sweep, ratios),
        walk_forward=_walked(bench, sweep, runs, tell),
        cross_validation=_cross_validated(sweep, runs, tell),
        notes=list(sweep_evidence.notes(sweep, runs.returns)),
        reasons=sweep_evidence.reasons(best=best),
    )


def _best(sweep: SweepSpec, runs: Runs, ratios: FloatArray, tell: Progress) -> BestRead | Missing:
    if not np.isfinite(ratios).any():
        return NO_RATIO
    tell("weighing the evidence", 0, 1)
    row, rf = int(np.nanargmax(ratios)), sweep.risk_free_rate
    made = [TrackRecord(runs.sessions, runs.returns[number]) for number in sorted(runs.kept)]
    place = sorted(runs.kept).index(row)
    found = assess([*made, *runs.others], place, rf=rf, seed=sweep.seed)
    return BestRead(
        number=row,
        changes=dict(runs.members[row].changes),
        headline=runs.kept[row].headline,
        evidence=backtest_evidence.evidence_read(runs.kept[row], found),
    )


def _walked(bench: Bench, sweep: SweepSpec, runs: Runs, tell: Progress) -> WalkForwardRead | None:
    cuts = windows_of(sweep, runs.returns.shape[1])
    if not cuts:
        return None
    tell("walking forward", 0, 1)
    choices = walked(runs.returns, cuts, rf=sweep.risk_free_rate)
    # The return that a test begins with is earned from the close before it: there it is decided.
    turns = [
        (runs.members[choice.row], cut.test.start)
        for cut, choice in zip(cuts, choices, strict=True)
        if not isinstance(choice.row, Missing)
    ]
    lived = sweep_running.lived_in_turn(bench, turns) if turns else NO_RATIO
    return WalkForwardRead(
        windows=_windows(cuts, choices, runs),
        path=(
            None if isinstance(lived, Missing) else sweep_evidence.path(lived, sweep.risk_free_rate)
        ),
        reasons=sweep_evidence.reasons(path=lived),
    )


def _windows(cuts: Sequence[Window], choices: Sequence[Choice], runs: Runs) -> list[WindowRead]:
    return [
        sweep_evidence.window(cut, choice, runs.members, runs.sessions[1:])
        for cut, choice in zip(cuts, choices, strict=True)
    ]


def _cross_validated(sweep: SweepSpec, runs: Runs, tell: Progress) -> CrossValidationRead | None:
    splits = splits_of(sweep, runs.returns.shape[1])
    if splits is None:
        return None
    found = cross_validated(
        runs.returns,
        splits,
        rf=sweep.risk_free_rate,
        tell=lambda done, of: tell("cross-validating", done, of),
    )
    return sweep_evidence.cross_validation(found, runs.members)
