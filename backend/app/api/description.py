"""The description of the interface: each operation is headed by the first sentence of its text."""

from typing import Any

from fastapi import FastAPI


def head_with_sentences(app: FastAPI) -> None:
    """Replace the summaries, which would be the names of our functions."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            for path in described()["paths"].values():
                for operation in path.values():
                    sentence, _, rest = operation["description"].partition("\n\n")
                    operation["summary"] = " ".join(sentence.split()).rstrip(".")
                    operation["description"] = rest or sentence
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
