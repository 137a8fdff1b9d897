import re

from pydantic import Field

from app.schemas.base import Output


class Fault(Output):
    """One thing that is wrong with the request, without its value."""

    location: list[str | int] = Field(description="Where: body, query, path or header, then names.")
    message: str


class Problem(Output):
    """An error as RFC 9457 describes it."""

    type: str = Field(examples=["urn:etftrader:insufficient-cash"])
    title: str
    status: int
    detail: str = Field(description="What is wrong and what to do about it.")
    errors: list[Fault] = Field(description="The parts of the request that are wrong, if any.")


def problem_type(name: str) -> str:
    """The `type` of a problem that is named like an exception or a phrase of HTTP."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|\s+", "-", name)
    return f"urn:etftrader:{words.lower()}"
