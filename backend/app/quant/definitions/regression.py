"""Regressions on published factors, by the field of each figure in the answer."""

from collections.abc import Mapping

from app.quant.definitions.definition import Definition, Unit

NEWEY_WEST = "Newey and West (1987)"

DEFINITIONS: Mapping[str, Definition] = {
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
