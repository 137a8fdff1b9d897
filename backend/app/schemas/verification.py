"""Whether anything looks ahead, as it is answered."""

from datetime import date

from pydantic import Field

from app.schemas.base import Output


class LeakRead(Output):
    followed: str = Field(description="The input whose future the stage followed")
    cut: date
    session: date
    ticker: str = Field(description="Empty for a figure of the whole portfolio")
    sentence: str


class StageRead(Output):
    stage: str
    compared: int = Field(description="Figures that were compared")
    leak: LeakRead | None


class LookaheadRead(Output):
    market: str
    seed: int
    cuts: list[date] = Field(description="The sessions after which the future was replaced")
    leaks: int
    stages: list[StageRead]
