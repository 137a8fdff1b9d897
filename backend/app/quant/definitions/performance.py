"""The figures of `app.schemas.performance`.

A name with a dot is of a part of the answer in which it means something of its own.
"""

from collections.abc import Mapping

from app.quant.definitions.definition import Definition, Unit

SHARPE = 'Sharpe, "The Sharpe Ratio" (1994)'
JENSEN = 'Jensen, "The Performance of Mutual Funds in the Period 1945-1964" (1968)'
GIPS = "CFA Institute, Global Investment Performance Standards (2020)"
LONG_NICKELS = 'Long and Nickels, "A Private Investment Benchmark" (1996)'
TAILS = 'Rockafellar and Uryasev, "Conditional Value-at-Risk for General Loss Distributions" (2002)'
SHAPE = 'Joanes and Gill, "Comparing Measures of Sample Skewness and Kurtosis" (1998)'
XIRR = "sum over i of a_i / (1 + R)^(d_i / 365) = 0, d_i days after the first flow a_i"

_RETURNS = {
    "observations": Definition("Observations", "n: sessions with a return r_t", Unit.COUNT),
    "daily_return": Definition(
        "Daily return", "r_t = (V_t - C_t) / (V_(t-1) + F_t - C_t) - 1", Unit.FRACTION, GIPS
    ),
    "total_return": Definition(
        "Time-weighted return", "product over t of (1 + r_t) - 1", Unit.FRACTION, GIPS
    ),
    "cagr": Definition(
        "Compound annual growth rate",
        "(product over t of (1 + r_t))^(365.25 / D) - 1, D calendar days of the sessions with a "
        "return, each from the close before to its own",
        Unit.YEARLY,
    ),
    "growth": Definition(
        "Growth of one unit", "W_t = product over s <= t of (1 + r_s), W_0 = 1", Unit.RATIO
    ),
    "years": Definition("Return of a calendar year", "total_return within it", Unit.FRACTION),
    "months": Definition("Return of a calendar month", "total_return within it", Unit.FRACTION),
    "best_day": Definition("Best day", "max over t of r_t", Unit.FRACTION),
    "worst_day": Definition("Worst day", "min over t of r_t", Unit.FRACTION),
    "best_month": Definition("Best month", "max over calendar months, parts too", Unit.FRACTION),
    "worst_month": Definition("Worst month", "min over calendar months, parts too", Unit.FRACTION),
    "win_rate": Definition("Win rate", "count(r_t > 0) / n", Unit.FRACTION),
}

_MONEY = {
    "money_weighted_return": Definition("Money-weighted return, yearly", XIRR, Unit.YEARLY),
    "rate": Definition(
        "Money-weighted return, yearly", f"{XIRR}; only where exactly one R solves it", Unit.YEARLY
    ),
    "rates": Definition("All rates that explain the flows", f"every R with {XIRR}", Unit.YEARLY),
    "outcome": Definition(
        "Outcome of the search",
        "none, one, several; too_short: R beyond 10^304; total_loss: nothing came back, R = -1",
        Unit.COUNT,
    ),
    "over_period": Definition(
        "Money-weighted return of the period",
        "(1 + rate)^(d / 365) - 1, d calendar days that follow a close with V_t > 0",
        Unit.FRACTION,
    ),
    "start_value": Definition("Start value", "V_0 = cash + shares x closes", Unit.USD),
    "end_value": Definition("End value", "V_T = cash + shares x closes", Unit.USD),
    "net_flow": Definition("Net flow", "sum over t of F_t", Unit.USD),
    "profit": Definition("Profit", "V_T - V_0 - net_flow", Unit.USD),
    "value": Definition("Value", "V_t = cash + shares x closes", Unit.USD),
    "cash": Definition("Cash", "of the book at the close", Unit.USD),
    "external_flow": Definition("External flow", "F_t: paid in less paid out", Unit.USD),
}

_RISK = {
    "volatility": Definition("Volatility", "sqrt(252) x std(r), n - 1", Unit.YEARLY),
    "sharpe": Definition("Sharpe ratio", "(252 mean(r) - rf) / volatility", Unit.RATIO, SHARPE),
    "sortino": Definition(
        "Sortino ratio",
        "(252 mean(r) - rf) / sqrt(252 mean(min(r_t - rf / 252, 0)^2))",
        Unit.RATIO,
        'Sortino and Price, "Performance Measurement in a Downside Risk Framework" (1994)',
    ),
    "calmar": Definition(
        "Calmar ratio",
        "cagr / -max_drawdown",
        Unit.RATIO,
        'Young, "Calmar Ratio: A Smoother Tool" (1991)',
    ),
    "skew": Definition("Skew", "G1 = sqrt(n (n - 1)) / (n - 2) x m3 / m2^1.5", Unit.RATIO, SHAPE),
    "kurtosis": Definition(
        "Excess kurtosis",
        "G2 = (n - 1) / ((n - 2)(n - 3)) x ((n + 1)(m4 / m2^2 - 3) + 6)",
        Unit.RATIO,
        SHAPE,
    ),
    "var_95": Definition("Value at risk, 95 %", "5 % quantile of r, linear", Unit.FRACTION, TAILS),
    "var_99": Definition("Value at risk, 99 %", "1 % quantile of r, linear", Unit.FRACTION, TAILS),
    "cvar_95": Definition("Expected shortfall, 95 %", "mean(r <= var_95)", Unit.FRACTION, TAILS),
    "cvar_99": Definition("Expected shortfall, 99 %", "mean(r <= var_99)", Unit.FRACTION, TAILS),
    "window": Definition("Rolling window", "sessions of each rolling figure", Unit.SESSIONS),
}

_DRAWDOWNS = {
    "drawdown": Definition("Drawdown", "W_t / max over s <= t of W_s - 1", Unit.FRACTION),
    "max_drawdown": Definition("Maximum drawdown", "min over t of drawdown", Unit.FRACTION),
    "worst_drawdown": Definition("Worst drawdown", "the one of max_drawdown", Unit.FRACTION),
    "depth": Definition("Depth", "min of drawdown from peak to recovery", Unit.FRACTION),
    "peak": Definition("Peak", "last session with drawdown 0 before the fall", Unit.DATE),
    "trough": Definition("Trough", "first session at the depth", Unit.DATE),
    "recovery": Definition("Recovery", "first session after it with drawdown 0", Unit.DATE),
    "sessions": Definition("Length", "from peak to recovery, or to the end", Unit.SESSIONS),
    "sessions_to_trough": Definition("Fall", "from peak to trough", Unit.SESSIONS),
    "sessions_to_recovery": Definition("Recovery", "from trough to recovery", Unit.SESSIONS),
    "drawdown_count": Definition("Drawdowns", "falls below an earlier highest", Unit.COUNT),
}

_AGAINST = {
    "beta": Definition("Beta", "cov(r, b) / var(b)", Unit.RATIO, JENSEN),
    "alpha": Definition(
        "Jensen's alpha", "252 mean(r) - rf - beta (252 mean(b) - rf)", Unit.YEARLY, JENSEN
    ),
    "tracking_error": Definition("Tracking error", "sqrt(252) x std(r - b), n - 1", Unit.YEARLY),
    "information_ratio": Definition(
        "Information ratio",
        "252 mean(r - b) / tracking_error",
        Unit.RATIO,
        'Goodwin, "The Information Ratio" (1998)',
    ),
    "up_capture": Definition("Up capture", "mean(r) / mean(b) where b_t > 0", Unit.RATIO),
    "down_capture": Definition("Down capture", "mean(r) / mean(b) where b_t < 0", Unit.RATIO),
    "benchmark_return": Definition(
        "Benchmark's return", "b_t, of adjusted closes, on the sessions with r_t", Unit.FRACTION
    ),
    "benchmark_growth": Definition("Benchmark's growth", "growth of b", Unit.RATIO),
    "benchmark_drawdown": Definition("Benchmark's drawdown", "drawdown of b", Unit.FRACTION),
    "benchmark_value": Definition(
        "Same flows in the benchmark",
        "B_t = (B_(t-1) + F_t - C_t)(1 + b_t) + C_t, B_0 = V_0",
        Unit.USD,
        LONG_NICKELS,
    ),
    "same_flows.end_value": Definition("Same flows, end value", "B_T", Unit.USD, LONG_NICKELS),
    "same_flows.profit": Definition(
        "Same flows, profit", "B_T - V_0 - net_flow", Unit.USD, LONG_NICKELS
    ),
    "difference": Definition("Gained over the benchmark", "V_T - B_T", Unit.USD, LONG_NICKELS),
}

_COSTS = {
    "costs": Definition(
        "Trading costs", "fees + |fill - reference price| x shares, summed", Unit.USD
    ),
    "bought": Definition("Bought", "sum of fill price x shares bought", Unit.USD),
    "sold": Definition("Sold", "sum of fill price x shares sold", Unit.USD),
    "turnover": Definition(
        "Turnover", "(bought + sold) / 2 / mean(V) x 252 / sessions", Unit.YEARLY
    ),
    "cost_drag": Definition("Cost drag", "costs / mean(V) x 252 / sessions", Unit.YEARLY),
    "expense_ratio": Definition(
        "Weighted expense ratio",
        "expenses_yearly / mean(K_t), cash at nothing",
        Unit.YEARLY,
    ),
    "expenses_yearly": Definition(
        "Expenses of the funds", "mean over t of (K_t x sum over i of w_it e_i)", Unit.USD_YEARLY
    ),
}

DEFINITIONS: Mapping[str, Definition] = _RETURNS | _MONEY | _RISK | _DRAWDOWNS | _AGAINST | _COSTS
