"""Whether a factor of a market says anything about the returns to come.

The answer to a question on one version of the data never changes: it is made once and kept as
bytes. What takes longer than an answer may is a job, which leaves its answer in the cache; where
the cache lost it, the answer is made by whoever asks. That there is no answer is kept too: the job
that failed says why.
"""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.market_data.snapshot import MarketSnapshot
from app.models import Job, JobKind, JobState
from app.quant import periods
from app.quant.definitions.research import DEFINITIONS
from app.quant.errors import EmptyPeriod, InsufficientHistory, QuantError
from app.quant.factors.factor_history import FactorHistory
from app.quant.factors.registry import REGISTRY
from app.quant.factors.scoring import FORMULA_VERSION
from app.quant.panel import FloatArray, IntArray
from app.quant.research import study as studying
from app.quant.research.signals import Question, Signals, signals
from app.quant.stop_loss import StopPolicy, Vix, threshold
from app.schemas.problem import problem_type
from app.schemas.research import COMPOSITE, FactorName, FactorQuestion, FactorResearchRead
from app.schemas.settings import PortfolioSettings, default_settings
from app.schemas.trace import Trace
from app.services import (
    backtest_running,
    freshness,
    jobs,
    pricing,
    research_answers,
    strategy,
    tapes,
)
from app.services.backtest_runs import LANE_LETTERS

RESEARCH_VERSION = "1"
"""Changes whenever the same question on the same data would be answered otherwise."""
SECONDS_PER_CLOSE = 3e-7
"""Scores and all horizons together, by session and ETF."""
QUICK_SECONDS = 0.2
UNKNOWN = "unknown"
LANES_LETTERS = 24
"""Of the 32 that a lane has; the age of the data follows."""
_IMPOSSIBLE: dict[str, type[QuantError]] = {
    problem_type(each.__name__): each for each in (InsufficientHistory, EmptyPeriod)
}
"""What the same data would only say again, by the type that it has in a failed job."""
ABOUT_COMPOSITE = "the configured weighting of the market's factors"


@dataclass(frozen=True)
class Ask:
    """One question about one factor of a market, to be answered by the configured rules."""

    market: MarketSnapshot
    rules: PortfolioSettings
    factor: FactorName
    question: FactorQuestion

    @property
    def is_composite(self) -> bool:
        return self.factor.value == COMPOSITE

    @property
    def others(self) -> tuple[str, ...]:
        names = (other.value for other in self.question.others)
        return tuple(name for name in names if name != self.factor.value)

    @cached_property
    def identity(self) -> str:
        """What whether there is an answer depends on, and all of it but the age of the data."""
        words = (self.factor.value, self.question.model_dump_json(), self.rules.model_dump_json())
        digest = sha256("\n".join(words).encode()).hexdigest()[:LANE_LETTERS]
        return f"{RESEARCH_VERSION}:{FORMULA_VERSION}:{self.market.data_version}:{digest}"

    def key(self, now: datetime) -> str:
        """What the answer depends on: also how old the data are, which it says."""
        return f"research:{freshness.behind(self.market, now)}:{self.identity}"

    def lanes(self, owner_id: int) -> str:
        """How the lanes of its jobs begin, whenever they were asked for."""
        return sha256(f"{self.identity}:{owner_id}".encode()).hexdigest()[:LANES_LETTERS]

    def lane(self, owner_id: int, now: datetime) -> str:
        return f"{self.lanes(owner_id)}:{freshness.behind(self.market, now)}"


def ask(
    market: MarketSnapshot, settings: Settings, factor: FactorName, question: FactorQuestion
) -> Ask:
    named = question.model_copy(update={"market": market.code})
    return Ask(market, default_settings(settings), factor, named)


def is_quick(market: MarketSnapshot) -> bool:
    """Whether an answer is expected within 200 ms."""
    seconds = market.panel.close.size * SECONDS_PER_CLOSE
    return backtest_running.engine_is_loaded() and seconds < QUICK_SECONDS


async def was_done(session: AsyncSession, asked: Ask, *, owner_id: int, now: datetime) -> bool:
    """Whether a job has made this answer, though the cache has it no more."""
    query = select(Job.id).where(
        Job.owner_id == owner_id,
        Job.kind == JobKind.FACTOR_RESEARCH,
        Job.lane == asked.lane(owner_id, now),
        Job.state == JobState.SUCCEEDED,
    )
    return await session.scalar(query.limit(1)) is not None


async def require_possible(session: AsyncSession, asked: Ask, *, owner_id: int) -> None:
    """Raise again what a job found to be in the way of this answer on this version of the data."""
    query = select(Job.error).where(
        Job.owner_id == owner_id,
        Job.kind == JobKind.FACTOR_RESEARCH,
        Job.lane.startswith(f"{asked.lanes(owner_id)}:"),
        Job.error["type"].astext.in_(_IMPOSSIBLE),
    )
    error = await session.scalar(query.limit(1))
    if error is not None:
        raise _IMPOSSIBLE[error["type"]](error["detail"])


async def submit(session: AsyncSession, asked: Ask, *, owner_id: int, now: datetime) -> Job:
    """While a job answers this question, that one is the answer."""
    question = asked.question.model_dump(mode="json")
    return await jobs.submit(
        session,
        owner_id=owner_id,
        kind=JobKind.FACTOR_RESEARCH,
        arguments={"factor": asked.factor.value, "question": question},
        lane=asked.lane(owner_id, now),
        now=now,
    )


def examine(asked: Ask, *, now: datetime) -> FactorResearchRead:
    """Takes up to seconds. Raises InsufficientHistory where there is no score to examine."""
    market, question = asked.market, asked.question
    names = asked.others if asked.is_composite else (*asked.others, asked.factor.value)
    history = backtest_running.factor_history(market, asked.rules, names)
    found = _signals(asked, history)
    result = studying.study(
        found,
        market.panel,
        market.opens,
        studying.Settings(
            horizons=question.horizons,
            quantiles=question.quantiles,
            entry=question.entry,
            costs=pricing.cost_model(asked.rules),
            capital=question.capital,
        ),
        regimes=regimes(market, found.columns, strategy.stop_policy(asked.rules)),
        joined=not asked.is_composite,
    )
    days: list[date] = market.panel.sessions[found.columns].tolist()
    left_out = [name for name in asked.others if name not in found.others]
    return FactorResearchRead(
        **freshness.as_of(market, now),
        factor=asked.factor.value,
        about=ABOUT_COMPOSITE if asked.is_composite else REGISTRY[asked.factor.value].about,
        period=question.period,
        start=days[0],
        end=days[-1],
        entry=question.entry,
        quantiles=question.quantiles,
        **research_answers.parts(result),
        series=research_answers.series(result, days) if question.series else None,
        notes=[f"{name} is left out: {REGISTRY[name].without}." for name in left_out],
        trace=Trace.of(
            DEFINITIONS,
            inputs=_inputs(asked),
            data_version=market.data_version,
            command=command_of(asked),
        ),
    )


def _signals(asked: Ask, history: FactorHistory) -> Signals:
    market = asked.market
    question = Question(
        name=asked.factor.value,
        others=asked.others,
        first=periods.window(asked.question.period, history.sessions).first,
        composite=_composite(asked, history) if asked.is_composite else None,
    )
    columns = np.searchsorted(market.panel.sessions, history.sessions)
    classes = np.array([etf.asset_class or UNKNOWN for etf in market.etfs], np.str_)
    return signals(history, columns, classes, question)


def _composite(asked: Ask, history: FactorHistory) -> FloatArray:
    """Of each entry of the history."""
    composite = backtest_running.scores(asked.market, asked.rules).composite
    session = np.repeat(np.arange(len(history.sessions)), np.diff(history.starts))
    values: FloatArray = composite[session, history.rows]
    return values


def regimes(market: MarketSnapshot, columns: IntArray, policy: StopPolicy) -> list[str]:
    """Of the volatility index as it was known at the close of each session: see `stop_loss`."""
    closes, ages = tapes.vix_by_session(market)
    return [
        threshold(policy, Vix(close, age) if close == close else None).regime.value  # noqa: PLR0124
        for close, age in zip(closes[columns].tolist(), ages[columns].tolist(), strict=True)
    ]


def command_of(asked: Ask) -> str:
    """What gives the same answer on the command line."""
    question = asked.question
    words = ["etftrader", "factors", "research", asked.factor.value, "--market", asked.market.code]
    words += ["--period", question.period.value]
    words += [word for each in question.horizons for word in ("--horizon", str(each))]
    words += ["--quantiles", str(question.quantiles)]
    words += [word for each in question.others for word in ("--other", each.value)]
    words += ["--entry", question.entry.value, "--capital", f"{question.capital:.15g}"]
    return " ".join([*words, *(["--series"] if question.series else []), "--json"])


def _inputs(asked: Ask) -> dict[str, Any]:
    rules = asked.rules
    return {
        **asked.question.model_dump(mode="json"),
        "formula_version": FORMULA_VERSION,
        "research_version": RESEARCH_VERSION,
        "risk_free_rate": rules.risk_free_rate,
        "slippage_pct": rules.slippage_pct,
        "impact": rules.impact,
        "factor_weights": rules.factor_weights.model_dump(),
    }
