"""What made a return: the figures of an attribution, of factor returns and of a regression."""

from collections.abc import Mapping

from app.quant.definitions.definition import Definition, Unit

CARINO = "Carino, Combining attribution effects over time (1999)"
BRINSON = "Brinson and Fachler (1985); Brinson, Hood and Beebower (1986)"
FACTOR_MODEL = "Fama and MacBeth (1973); Grinold and Kahn, Active Portfolio Management (2000)"
NEWEY_WEST = "Newey and West (1987)"

DEFINITIONS: Mapping[str, Definition] = {
    "total": Definition("Time-weighted return", "R = prod_t (1 + r_t) - 1", Unit.FRACTION),
    "positions": Definition(
        "Contribution of a position",
        "sum_t k_t / K * profit_it / capital_t; k_t = ln(1 + r_t) / r_t, K = ln(1 + R) / R; profit "
        "= change of value - bought + sold, both at reference prices, + dividends after tax",
        Unit.FRACTION,
        CARINO,
    ),
    "cash": Definition(
        "Interest and rounding",
        "sum_t k_t / K * (r_t - sum_i contribution_it + costs_t)",
        Unit.FRACTION,
        CARINO,
    ),
    "costs": Definition(
        "Trading costs",
        "- sum_t k_t / K * (fees_t + |fill - reference| * shares) / capital_t",
        Unit.FRACTION,
        CARINO,
    ),
    "market": Definition(
        "Part of the scored market",
        "sum_t k_t / K * x_t * f_t; x = weight of what was scored at the close before, f = "
        "intercept of the day's regression of returns on scores",
        Unit.FRACTION,
        FACTOR_MODEL,
    ),
    "contribution": Definition(
        "Part of a factor",
        "sum_t k_t / K * x_t * f_t; x = sum_i w_i z_i over scored holdings at the close before, f "
        "= slope of the day's regression of returns on scores",
        Unit.FRACTION,
        FACTOR_MODEL,
    ),
    "selection": Definition(
        "Selection",
        "sum_t k_t / K * (sum_i contribution_it - market_t - sum_k factor_kt)",
        Unit.FRACTION,
        FACTOR_MODEL,
    ),
    "unscored_weight": Definition(
        "Weight without a score",
        "mean_t sum_i w_it over holdings that had no score at the close before",
        Unit.FRACTION,
    ),
    "allocation": Definition(
        "Allocation", "sum_t k_t / K * (w_p - w_b) (r_b - R_b)", Unit.FRACTION, BRINSON
    ),
    "class_selection": Definition(
        "Selection within a class", "sum_t k_t / K * w_b (r_p - r_b)", Unit.FRACTION, BRINSON
    ),
    "interaction": Definition(
        "Interaction", "sum_t k_t / K * (w_p - w_b) (r_p - r_b)", Unit.FRACTION, BRINSON
    ),
    "trading": Definition(
        "Trading within sessions",
        "sum_t k_t / K * sum_i (contribution_it - w_it * r_it), r_it from close to close",
        Unit.FRACTION,
        CARINO,
    ),
    "active": Definition(
        "Return above the benchmark",
        "R - R_b; its parts are linked by k_t = (ln(1 + r_t) - ln(1 + b_t)) / (r_t - b_t)",
        Unit.FRACTION,
        CARINO,
    ),
}

FACTOR_RETURNS: Mapping[str, Definition] = {
    "value": Definition(
        "Factor return of a session",
        "b in r_i = b_0 + sum_k b_k z_ik + e_i, ordinary least squares over the ETFs scored at the "
        "close before; b_0 is the market",
        Unit.FRACTION,
        FACTOR_MODEL,
    ),
    "t": Definition(
        "t-statistic of a session", "b / s(b), s from s^2 (X'X)^-1, s^2 = e'e / (n - k)", Unit.RATIO
    ),
    "cumulative": Definition("Compounded factor return", "prod_t (1 + b_t) - 1", Unit.FRACTION),
    "mean": Definition("Mean factor return", "252 * mean(b_t)", Unit.YEARLY),
    "volatility": Definition("Volatility", "sqrt(252) * std(b_t), n - 1", Unit.YEARLY),
    "error": Definition(
        "Standard error of the mean",
        "252 * sqrt(S / (n - 1)), S = c_0 + 2 sum_l (1 - l / (L + 1)) c_l, L chosen from the data",
        Unit.YEARLY,
        "Newey and West (1987, 1994)",
    ),
    "mean_t": Definition("t-statistic of the mean", "mean / error", Unit.RATIO, NEWEY_WEST),
    "r_squared": Definition(
        "Explained share of a session", "1 - e'e / sum_i (r_i - r)^2", Unit.RATIO
    ),
}

REGRESSION: Mapping[str, Definition] = {
    "alpha": Definition(
        "Alpha",
        "252 * a in r_t - rf_t = a + sum_k b_k f_kt + e_t, ordinary least squares",
        Unit.YEARLY,
        "Jensen (1968); Fama and French (1993, 2015); Carhart (1997)",
    ),
    "loadings": Definition(
        "Loading", "b_k of that regression", Unit.RATIO, "Fama and French (1993, 2015)"
    ),
    "error": Definition(
        "Standard error",
        "sqrt(S / (n - k)), S = c_0 + 2 sum_l (1 - l / (L + 1)) c_l of (X'X / n)^-1 x_t e_t, "
        "L = floor(4 (n / 100)^(2/9))",
        Unit.RATIO,
        NEWEY_WEST,
    ),
    "t": Definition("t-statistic", "estimate / error", Unit.RATIO, NEWEY_WEST),
    "p_value": Definition(
        "Probability by chance", "P(|N(0, 1)| > |t|)", Unit.PROBABILITY, NEWEY_WEST
    ),
    "low": Definition("Lower end of the interval", "estimate - 1.96 * error, 95 %", Unit.RATIO),
    "high": Definition("Upper end of the interval", "estimate + 1.96 * error, 95 %", Unit.RATIO),
    "r_squared": Definition("Explained share", "1 - e'e / sum_t (y_t - y)^2", Unit.RATIO),
    "adjusted_r_squared": Definition(
        "Explained share, adjusted", "1 - (1 - R^2) (n - 1) / (n - k)", Unit.RATIO
    ),
    "residual_volatility": Definition(
        "Volatility of the residual", "sqrt(252 * e'e / (n - k))", Unit.YEARLY
    ),
}
