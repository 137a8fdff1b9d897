"""Reports: one HTML file each, complete in itself, to be handed to somebody.

Importing this imports Plotly and its templates: doors import it when a report is asked for.
"""

from app.schemas.report import BacktestFindings, PortfolioFindings
from app.web.report import backtest, portfolio
from app.web.report.page import render

__all__ = ["of_backtest", "of_portfolio"]


def of_portfolio(found: PortfolioFindings) -> str:
    return render(portfolio.document(found))


def of_backtest(found: BacktestFindings) -> str:
    return render(backtest.document(found))
