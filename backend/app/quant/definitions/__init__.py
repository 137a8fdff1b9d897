"""The one definition of every figure that is published, by the name it has in answers.

One module per kind of answer; `docs/definitions.md` lists all of them.
"""

from app.quant.definitions.definition import Definition, Unit

__all__ = ["Definition", "Unit"]
