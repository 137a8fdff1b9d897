"""Everything a report is made of, gathered at one moment; and the series that can be exported."""

from datetime import date, datetime

from app.quant.costs import Side
from app.schemas.attribution import AttributionRead
from app.schemas.backtest import BacktestRead, EvidenceRead
from app.schemas.base import Exact, Output
from app.schemas.data import MarketStatus
from app.schemas.performance import PerformanceRead
from app.schemas.risk import BacktestRiskRead, RiskRead


class Traded(Output):
    """One trade of a portfolio: its value at the fill, and its cost against the price that it was
    decided at, fees included."""

    session: date
    ticker: str
    side: Side
    value: Exact
    cost: Exact


class PortfolioFindings(Output):
    name: str
    performance: PerformanceRead
    attribution: AttributionRead
    risk: RiskRead
    trades: list[Traded]
    data: MarketStatus
    made_at: datetime


class BacktestFindings(Output):
    run: BacktestRead
    evidence: EvidenceRead
    risk: BacktestRiskRead
    data: MarketStatus
    made_at: datetime


class SeriesRead(Output):
    """A series that can be taken away as a table."""

    name: str
    title: str
    columns: list[str]
