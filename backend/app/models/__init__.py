"""The tables; importing this package registers all of them with `Base.metadata`."""

from app.models.corporate_action import ActionKind, CorporateAction
from app.models.data_import import DataImport
from app.models.etf import Etf
from app.models.etf_price import EtfPrice
from app.models.factor_score import FactorScore
from app.models.idempotency_key import IdempotencyKey
from app.models.index_price import IndexPrice
from app.models.ledger_entry import EntryKind, LedgerEntry
from app.models.market import Market
from app.models.portfolio import Portfolio, PortfolioStatus, owned_portfolio
from app.models.portfolio_value import PortfolioValue
from app.models.position import Position
from app.models.quarantined_bar import QuarantinedBar
from app.models.rebalance_event import RebalanceEvent, RebalanceStatus
from app.models.user import LOCAL_USER, User

__all__ = [
    "LOCAL_USER",
    "ActionKind",
    "CorporateAction",
    "DataImport",
    "EntryKind",
    "Etf",
    "EtfPrice",
    "FactorScore",
    "IdempotencyKey",
    "IndexPrice",
    "LedgerEntry",
    "Market",
    "Portfolio",
    "PortfolioStatus",
    "PortfolioValue",
    "Position",
    "QuarantinedBar",
    "RebalanceEvent",
    "RebalanceStatus",
    "User",
    "owned_portfolio",
]
