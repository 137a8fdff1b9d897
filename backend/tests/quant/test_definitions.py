"""What is published is defined, and docs/definitions.md says the same."""

from app.quant.definitions import Definition, Unit
from app.quant.definitions.catalogue import all_definitions
from tests.definitions_document import DOCUMENT, made


def test_the_document_lists_every_definition_of_every_kind() -> None:
    written = DOCUMENT.read_text()
    assert written == made(written), "run from backend/: python -m tests.definitions_document"


def test_every_kind_of_answer_has_definitions_with_titles_formulas_and_units() -> None:
    kinds = all_definitions()
    assert "performance" in kinds
    for kind, found in kinds.items():
        assert found, kind
        for name, each in found.items():
            assert isinstance(each, Definition), (kind, name)
            assert each.title, (kind, name)
            assert each.formula, (kind, name)
            assert isinstance(each.unit, Unit), (kind, name)
            assert each.title == each.title.strip(), (kind, name)
