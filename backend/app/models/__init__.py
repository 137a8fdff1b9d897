"""The tables; importing this package registers all of them with `Base.metadata`."""

from app.models.alert import Alert, AlertKind
from app.models.backtest import Backtest, BacktestSource, owned_backtest
from app.models.corporate_action import ActionKind, CorporateAction
from app.models.data_import import DataImport
from app.models.etf import Etf
from app.models.etf_price import EtfPrice
from app.models.factor_score import FactorScore
from app.models.idempotency_key import IdempotencyKey
from app.models.index_price import IndexPrice
from app.models.job import ENDED, Job, JobKind, JobState, owned_job
from app.models.ledger_entry import EntryKind, LedgerEntry
from app.models.market import Market
from app.models.order import (
    OPEN_STATES,
    FillAt,
    Order,
    OrderEvent,
    OrderOrigin,
    OrderState,
    OrderType,
    TimeInForce,
)
from app.models.portfolio import Portfolio, PortfolioStatus, owned_portfolio
from app.models.portfolio_check import PortfolioCheck
from app.models.portfolio_value import PortfolioValue
from app.models.position import Position
from app.models.published_factor import PublishedFactor
from app.models.quarantined_bar import QuarantinedBar
from app.models.rebalance_event import RebalanceEvent, RebalanceStatus
from app.models.sweep import Sweep
from app.models.tax_lot import TaxLot
from app.models.user import LOCAL_USER, User

__all__ = [
    "ENDED",
    "LOCAL_USER",
    "OPEN_STATES",
    "ActionKind",
    "Alert",
    "AlertKind",
    "Backtest",
    "BacktestSource",
    "CorporateAction",
    "DataImport",
    "EntryKind",
    "Etf",
    "EtfPrice",
    "FactorScore",
    "FillAt",
    "IdempotencyKey",
    "IndexPrice",
    "Job",
    "JobKind",
    "JobState",
    "LedgerEntry",
    "Market",
    "Order",
    "OrderEvent",
    "OrderOrigin",
    "OrderState",
    "OrderType",
    "Portfolio",
    "PortfolioCheck",
    "PortfolioStatus",
    "PortfolioValue",
    "Position",
    "PublishedFactor",
    "QuarantinedBar",
    "RebalanceEvent",
    "RebalanceStatus",
    "Sweep",
    "TaxLot",
    "TimeInForce",
    "User",
    "owned_backtest",
    "owned_job",
    "owned_portfolio",
]
