"""Quadratic programs: both solvers agree, and nothing unchecked leaves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.quant.errors import SolveFailed
from app.quant.optimizers import qp
from app.quant.optimizers.qp import QuadraticProgram, solve, with_clarabel, with_piqp

SEGMENT = QuadraticProgram(
    quadratic=np.diag([2.0, 4.0]),
    linear=np.zeros(2),
    equal=np.ones((1, 2)),
    equal_to=np.ones(1),
    below=np.zeros((0, 2)),
    below_at=np.zeros(0),
    low=np.zeros(2),
    high=np.ones(2),
)


@pytest.mark.parametrize("solver", [with_piqp, with_clarabel])
def test_each_solver_finds_the_closed_form(solver: qp.Solver) -> None:
    x, _ = solver(SEGMENT)
    assert x is not None
    np.testing.assert_allclose(x, [2 / 3, 1 / 3], atol=1e-9)


@pytest.mark.parametrize("solver", [with_piqp, with_clarabel])
def test_no_solver_answers_a_contradiction(solver: qp.Solver) -> None:
    x, status = solver(replace(SEGMENT, equal_to=np.array([3.0])))
    assert x is None
    assert "nfeasible" in status.lower()


def test_a_contradiction_names_what_every_solver_said() -> None:
    with pytest.raises(SolveFailed, match=r"piqp: .*; clarabel: |piqp: .*, clarabel: "):
        solve(replace(SEGMENT, equal_to=np.array([3.0])))


def test_the_second_solver_answers_where_the_first_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(qp.SOLVERS, "piqp", lambda _: (None, "gave up"))
    np.testing.assert_allclose(solve(SEGMENT), [2 / 3, 1 / 3], atol=1e-9)


def test_a_solution_that_misses_a_constraint_is_refused_whatever_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in qp.SOLVERS:
        monkeypatch.setitem(qp.SOLVERS, name, lambda _: (np.array([0.5, 0.4]), "solved"))
    with pytest.raises(SolveFailed, match=r"misses a constraint by 1\.0e-01"):
        solve(SEGMENT)


def test_a_solution_that_is_not_a_number_is_refused() -> None:
    assert SEGMENT.violation(np.array([np.nan, 1.0])) == np.inf


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 40), rows=st.integers(0, 3))
def test_both_solvers_agree_on_random_programs(seed: int, size: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(size, size + 5))
    inside = rng.dirichlet(np.ones(size))
    below = rng.integers(0, 2, (rows, size)).astype(float)
    program = QuadraticProgram(
        loadings @ loadings.T / size,
        rng.normal(size=size),
        np.ones((1, size)),
        np.ones(1),
        below,
        below @ inside + 0.01,
        np.zeros(size),
        np.maximum(inside, 0.3),
    )
    first, second = with_piqp(program)[0], with_clarabel(program)[0]
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first, second, atol=1e-6)
