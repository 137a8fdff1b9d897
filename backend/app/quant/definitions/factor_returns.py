"""What a market's factors returned, by the path of each figure in the answer."""

from collections.abc import Mapping

from app.quant.definitions.attribution import FACTOR_MODEL
from app.quant.definitions.definition import Definition, Unit

NEWEY_WEST = "Newey and West (1987, 1994)"

DEFINITIONS: Mapping[str, Definition] = {
    "series.factors.value": Definition(
        "Factor return of a session",
        "b in r_i = b_0 + sum_k b_k z_ik + e_i, ordinary least squares over the ETFs scored at the "
        "close before; b_0 is the market",
        Unit.FRACTION,
        FACTOR_MODEL,
    ),
    "series.factors.t": Definition(
        "t-statistic of a session", "b / s(b), s from s^2 (X'X)^-1, s^2 = e'e / (n - k)", Unit.RATIO
    ),
    "factors.cumulative": Definition(
        "Compounded factor return", "prod_t (1 + b_t) - 1", Unit.FRACTION
    ),
    "factors.mean": Definition("Mean factor return", "252 * mean(b_t)", Unit.YEARLY),
    "factors.volatility": Definition("Volatility", "sqrt(252) * std(b_t), n - 1", Unit.YEARLY),
    "factors.error": Definition(
        "Standard error of the mean",
        "252 * sqrt(S / (n - 1)), S = c_0 + 2 sum_l (1 - l / (L + 1)) c_l, L chosen from the data",
        Unit.YEARLY,
        NEWEY_WEST,
    ),
    "factors.mean_t": Definition("t-statistic of the mean", "mean / error", Unit.RATIO, NEWEY_WEST),
    "series.r_squared": Definition(
        "Explained share of a session", "1 - e'e / sum_i (r_i - r)^2", Unit.RATIO
    ),
}
