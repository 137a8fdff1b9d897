"""What made a return, by the path of each figure in the answer."""

from collections.abc import Mapping

from app.quant.definitions.definition import Definition, Unit

CARINO = "Carino, Combining attribution effects over time (1999)"
BRINSON = "Brinson and Fachler (1985); Brinson, Hood and Beebower (1986)"
FACTOR_MODEL = "Fama and MacBeth (1973); Grinold and Kahn, Active Portfolio Management (2000)"

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
    "factors.market_exposure": Definition(
        "Exposure to the market",
        "mean_t sum_i w_it over holdings that were scored at the close before",
        Unit.FRACTION,
    ),
    "factors.market": Definition(
        "Part of the scored market",
        "sum_t k_t / K * x_t * f_t; x = weight of what was scored at the close before, f = "
        "intercept of the day's regression of returns on scores",
        Unit.FRACTION,
        FACTOR_MODEL,
    ),
    "factors.factors.contribution": Definition(
        "Part of a factor",
        "sum_t k_t / K * x_t * f_t; x = sum_i w_i z_i over scored holdings at the close before, f "
        "= slope of the day's regression of returns on scores",
        Unit.FRACTION,
        FACTOR_MODEL,
    ),
    "factors.factors.exposure": Definition(
        "Exposure to a factor",
        "mean_t sum_i w_it z_it over scored holdings, both of the close before; a score that is "
        "unknown is 0",
        Unit.RATIO,
        FACTOR_MODEL,
    ),
    "factors.selection": Definition(
        "Selection",
        "sum_t k_t / K * (sum_i contribution_it - market_t - sum_k factor_kt)",
        Unit.FRACTION,
        FACTOR_MODEL,
    ),
    "factors.unexplained_sessions": Definition(
        "Sessions without factor returns", "count of t without f_t", Unit.SESSIONS
    ),
    "factors.unscored_weight": Definition(
        "Weight without a score",
        "mean_t sum_i w_it over holdings that had no score at the close before",
        Unit.FRACTION,
    ),
    "asset_classes.allocation": Definition(
        "Allocation", "sum_t k_t / K * (w_p - w_b) (r_b - R_b)", Unit.FRACTION, BRINSON
    ),
    "asset_classes.selection": Definition(
        "Selection within a class", "sum_t k_t / K * w_b (r_p - r_b)", Unit.FRACTION, BRINSON
    ),
    "asset_classes.interaction": Definition(
        "Interaction", "sum_t k_t / K * (w_p - w_b) (r_p - r_b)", Unit.FRACTION, BRINSON
    ),
    "asset_classes.trading": Definition(
        "Trading within sessions",
        "sum_t k_t / K * sum_i (contribution_it - w_it * r_it), r_it from close to close",
        Unit.FRACTION,
        CARINO,
    ),
    "asset_classes.interest": Definition(
        "Interest and rounding",
        "sum_t k_t / K * (r_t - sum_i contribution_it + costs_t), linked as `active` is",
        Unit.FRACTION,
        CARINO,
    ),
    "asset_classes.costs": Definition(
        "Trading costs", "costs as above, linked as `active` is", Unit.FRACTION, CARINO
    ),
    "asset_classes.benchmark_return": Definition(
        "Return of the benchmark",
        "R_b = prod_t (1 + sum_j w_j r_jt) - 1, weights restored every session",
        Unit.FRACTION,
    ),
    "asset_classes.active": Definition(
        "Return above the benchmark",
        "R - R_b; its parts are linked by k_t = (ln(1 + r_t) - ln(1 + b_t)) / (r_t - b_t)",
        Unit.FRACTION,
        CARINO,
    ),
}
