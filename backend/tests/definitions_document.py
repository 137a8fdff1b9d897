"""The part of docs/definitions.md that is made from the definitions in the code.

Run from backend/ after changing one: `python -m tests.definitions_document`.
"""

from pathlib import Path

from app.quant.definitions.catalogue import tables

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "definitions.md"
BEGIN, END = "<!-- definitions: begin -->\n", "<!-- definitions: end -->\n"


def made(text: str) -> str:
    """The document with the tables of now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(made(DOCUMENT.read_text()))
