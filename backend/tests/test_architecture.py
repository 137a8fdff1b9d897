"""The sizes and habits that reviewers would otherwise have to remember."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[1] / "app"
MODULES = sorted(APP.rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 50
SHARED_BUCKETS = {"utils.py", "helpers.py", "common.py", "constants.py", "types.py", "misc.py"}

MONEY = (
    *(APP / "brokers").glob("*.py"),
    *(APP / "models" / f"{name}.py" for name in ("ledger_entry", "order", "position", "tax_lot")),
    *(APP / "quant" / f"{name}.py" for name in ("fills", "lots", "sizing")),
    *(APP / "schemas" / f"{name}.py" for name in ("cash", "ledger", "lot", "order", "trade")),
    *(
        APP / "services" / f"{name}.py"
        for name in (
            "action_entries", "actions_due", "book_statement", "cash_flows", "cash_history", "desk",
            "entitlements", "entry", "ledger", "lot_book", "many_actions", "many_books",
            "order_life", "projection", "reinvesting", "resting", "settling", "trading",
        )
    ),
)  # fmt: skip
"""Through which cash, shares and prices go on their way into the ledger."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(module: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, Function):
            yield node


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(APP)))
def test_a_module_and_its_functions_stay_small(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= MAX_MODULE_LINES
    for function in _functions(module):
        assert function.end_lineno is not None
        length = function.end_lineno - function.lineno + 1
        assert length <= MAX_FUNCTION_LINES, f"{function.name} has {length} lines"


def test_no_module_is_a_shared_bucket() -> None:
    assert not [module for module in MODULES if module.name in SHARED_BUCKETS]


def test_nothing_commits_but_the_unit_of_work() -> None:
    """A commit after a `yield` would answer first and lose an acknowledged trade in a crash."""
    committing = {
        str(module.relative_to(APP))
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "commit"
    }
    assert committing <= {"core/migrations.py"}


@pytest.mark.parametrize("module", MONEY, ids=lambda path: str(path.relative_to(APP)))
def test_no_float_is_on_the_way_of_money(module: Path) -> None:
    found = [
        node.lineno
        for node in ast.walk(ast.parse(module.read_text()))
        if (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    ]
    assert not found, f"floats in lines {found}"


def test_services_do_not_read_the_clock() -> None:
    for layer in ("services", "quant", "market_data", "models", "brokers", "schemas"):
        for module in (APP / layer).rglob("*.py"):
            assert "utc_now" not in module.read_text(), module


def test_broad_handlers_live_at_the_outermost_edge_only() -> None:
    allowed = {"api/errors.py", "workers/running.py"}
    broad = {
        str(module.relative_to(APP))
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})
        )
    }
    assert broad <= allowed
