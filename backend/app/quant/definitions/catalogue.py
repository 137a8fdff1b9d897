"""All definitions of all kinds of answers, and the tables that show them."""

import importlib
import pkgutil
from collections.abc import Mapping

from app.quant import definitions
from app.quant.definitions.definition import Definition

NOT_KINDS = frozenset({"catalogue", "definition"})


def all_definitions() -> dict[str, Mapping[str, Definition]]:
    """By kind, which is the name of its module; kinds in alphabetical order."""
    names = sorted({module.name for module in pkgutil.iter_modules(definitions.__path__)})
    return {
        name: importlib.import_module(f"{definitions.__name__}.{name}").DEFINITIONS
        for name in names
        if name not in NOT_KINDS
    }


def tables() -> str:
    """Markdown: a heading and a table for each kind."""
    return "\n".join(_table(kind, found) for kind, found in all_definitions().items())


def _table(kind: str, found: Mapping[str, Definition]) -> str:
    rows = [
        f"| `{name}` | " + " | ".join(map(_plain, (d.title, d.formula, d.unit, d.source))) + " |"
        for name, d in found.items()
    ]
    head = ["| field | figure | formula | unit | source |", "| --- | --- | --- | --- | --- |"]
    return "\n".join((f"## {kind.replace('_', ' ').capitalize()}", "", *head, *rows, ""))


def _plain(text: str) -> str:
    """A bar would end a cell, and asterisks and underscores would vanish."""
    for sign in "\\|*_<>":
        text = text.replace(sign, f"\\{sign}")
    return text
