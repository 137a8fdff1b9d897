"""Sweeps as people read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.cli.output import percent, print_facts, print_line, print_reasons, print_table
from app.schemas.backtest import EvidenceRead, Headline
from app.schemas.sweep import (
    BestRead,
    CrossValidationRead,
    SurfaceRead,
    SweepItem,
    SweepRead,
    SweepResult,
    WalkForwardRead,
)

MOST_MEMBERS = 20


def print_list(found: Sequence[SweepItem]) -> None:
    if not found:
        print_line("There are no sweeps.")
        return
    print_table(
        f"{len(found)} sweep{'s' if len(found) > 1 else ''}",
        ("id", "label", "market", "members", "done", "state", "job"),
        (
            (each.id, each.label, each.market, each.members, each.done, each.state, each.job_id)
            for each in found
        ),
    )


def print_sweep(found: SweepRead) -> None:
    name = f"Sweep {found.id}" + (f", {found.label}" if found.label else "")
    print_line(f"{name}: {found.done} of {found.members} members, market {found.market}")
    if found.error is not None:
        print_line(f"It failed: {found.error.detail}")
    if found.runs:
        _print_members(found)
    for failed in found.failures:
        print_line(f"Member {failed.number} ({_said(failed.changes)}) failed: {failed.reason}")
    if found.result is not None:
        _print_result(found.result)
    elif found.error is None:
        print_line(f"Its job {found.job_id} is {found.state}: {percent(found.progress)} done.")


def _print_members(found: SweepRead) -> None:
    print_table(
        f"Members {found.runs[0].number} to {found.runs[-1].number}",
        ("member", "backtest", "settings", "return", "volatility", "sharpe", "drawdown"),
        (
            (each.number, each.backtest_id, _said(each.changes), *_figures(each.headline))
            for each in found.runs
        ),
        wrapped="settings",
    )


def _print_result(result: SweepResult) -> None:
    if result.best is not None:
        _print_best(result.best)
    if result.surface is not None:
        _print_surface(result.surface)
    if result.walk_forward is not None:
        _print_walk(result.walk_forward)
    if result.cross_validation is not None:
        _print_validation(result.cross_validation)
    for note in result.notes:
        print_line(note)
    print_reasons(result.reasons)


def _print_best(best: BestRead) -> None:
    print_line()
    print_line(f"The best by Sharpe ratio is member {best.number}: {_said(best.changes)}")
    evidence = best.evidence
    print_facts(
        (
            ("Sharpe ratio", evidence.sharpe),
            ("best without skill", evidence.expected_maximum),
            ("deflated", percent(evidence.dsr)),
            ("overfitting", percent(evidence.pbo)),
            ("tried", f"{evidence.trials} runs, {evidence.distinct_trials} of them distinct"),
            ("95 % of resamples", _interval(evidence)),
        )
    )
    print_reasons(evidence.reasons)


def _interval(evidence: EvidenceRead) -> str | None:
    found = evidence.sharpe_interval
    return None if found is None else f"Sharpe ratios of {found.low:.2f} to {found.high:.2f}"


def _print_surface(surface: SurfaceRead) -> None:
    if surface.plateau is None:
        return
    plateau = surface.plateau
    print_line(
        f"The best with its neighbours is {_said(plateau.settings)}: {plateau.mean:.2f} on average"
        f" of {plateau.known + 1}, {plateau.lowest:.2f} at least."
    )


def _print_walk(walked: WalkForwardRead) -> None:
    print_line()
    print_table(
        "Walked forward: chosen before each window",
        ("from", "to", "member", "settings", "before", "in it"),
        (
            (
                each.test_start,
                each.test_end,
                each.number,
                _said(each.changes or {}),
                each.inside,
                each.outside,
            )
            for each in walked.windows
        ),
        wrapped="settings",
    )
    if walked.path is not None:
        total, _, sharpe, drawdown = _figures(walked.path.headline)
        print_line(
            f"One book that lived by these choices from {walked.path.start} to {walked.path.end}:"
        )
        print_facts((("return", total), ("Sharpe ratio", sharpe), ("drawdown", drawdown)))


def _print_validation(found: CrossValidationRead) -> None:
    print_line()
    print_line(f"Chosen and tested in {len(found.folds)} ways, {len(found.sharpes)} paths:")
    print_facts(
        (
            ("mean Sharpe ratio", found.mean),
            ("deviation", found.deviation),
            ("paths that lose", percent(found.loss)),
        )
    )


def _figures(headline: Headline) -> tuple[object, ...]:
    return (
        percent(headline.total_return),
        percent(headline.volatility),
        headline.sharpe,
        percent(headline.max_drawdown),
    )


def _said(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in changes.items())
