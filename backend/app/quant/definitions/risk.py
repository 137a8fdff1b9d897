"""Figures of `GET /api/risk/{id}` and of backtests' risk, by their path in the answer.

Notation: w weights, r daily simple returns of the portfolio, r_i of a position, T their number, S
the sample covariance of what is held, VaR_a and CVaR_a returns (a loss is negative), a the tail.
"""

from collections.abc import Mapping

from app.quant.definitions.definition import Definition, Unit

BOOTSTRAP = "Politis and Romano 1994; Politis and White 2004; Efron 1979"
FILTERED = "Barone-Adesi, Giannopoulos and Vosper 1999; Hull and White 1998; RiskMetrics 1996"
TASCHE = "Tasche 1999"
ROSENBERG = "Rosenberg 1974"

_SERIES = {
    "volatility": Definition(
        "Sample volatility", "sqrt(252) * std(r), n - 1, of the last 252 sessions", Unit.YEARLY
    ),
    "volatility_error": Definition(
        "Standard error of the volatility",
        "volatility / 2 * sqrt(k / T + 2 / (T - 1)), k the excess kurtosis; days independent",
        Unit.YEARLY,
        "Kendall and Stuart 1969",
    ),
    "volatility_ewma": Definition(
        "Exponentially weighted volatility",
        "sqrt(252 * sum(0.94^j r_(t-j)^2) / sum(0.94^j)), j = 0 the newest; mean taken as 0",
        Unit.YEARLY,
        "RiskMetrics 1996",
    ),
    "volatility_ewma_error": Definition(
        "Standard error of the exponentially weighted volatility",
        "volatility_ewma / 2 * sqrt((k + 2) / n), n = 1.94 / 0.06 the days that the weights equal",
        Unit.YEARLY,
        "Kendall and Stuart 1969",
    ),
    "volatility_shrunk": Definition(
        "Volatility of a shrunk covariance",
        "sqrt(252 * w'((1 - d) S + d m I) w), m the mean variance, d the shrinkage",
        Unit.YEARLY,
        "Ledoit and Wolf 2004",
    ),
    "volatility_shrunk_error": Definition(
        "Standard error of the shrunk volatility",
        "(1 - d) * volatility_error * volatility / volatility_shrunk, d taken as given",
        Unit.YEARLY,
    ),
    "shrinkage": Definition(
        "Shrinkage",
        "d, the share of the target that minimises expected squared error",
        Unit.FRACTION,
        "Ledoit and Wolf 2004",
    ),
}

_VAR = {
    "historical": (
        "the a-quantile of the last 252 returns, linearly interpolated",
        "the mean of the int((T - 1) a) + 1 lowest of the last 252 returns",
        "",
    ),
    "normal": (
        "mean(r) + z_a std(r) of the last 252 returns, z_a the normal quantile",
        "mean(r) - std(r) phi(z_a) / a of the last 252 returns, phi the normal density",
        "RiskMetrics 1996",
    ),
    "filtered": (
        "s_(t+1) times the a-quantile of r_j / s_j, s_j the EWMA volatility known before day j",
        "s_(t+1) times the mean of the lowest r_j / s_j up to their a-quantile",
        FILTERED,
    ),
}

_TAILS = {
    f"tails.{method}.{name}": Definition(f"{title}, {method}", formula, Unit.FRACTION, source)
    for method, (var, cvar, source) in _VAR.items()
    for name, title, formula in (
        ("var", "Value at risk of one session", var),
        ("cvar", "Expected shortfall of one session", cvar),
    )
}

_TESTS = {
    "tails.interval": Definition(
        "Ends of the 95 % interval of VaR and CVaR",
        "percentiles 2.5 and 97.5 of 500 stationary-bootstrap resamples of the sample",
        Unit.FRACTION,
        BOOTSTRAP,
    ),
    "coverage.exceptions": Definition(
        "Exceptions",
        "days with r < VaR forecast from the 252 returns before them; of the filtered method with "
        "63 more before those, for its first volatility",
        Unit.COUNT,
    ),
    "coverage.expected": Definition("Expected exceptions", "a * forecasts", Unit.COUNT),
    "coverage.after_calm": Definition(
        "Exceptions after a day without one", "n_01", Unit.COUNT, "Christoffersen 1998"
    ),
    "coverage.after_exception": Definition(
        "Exceptions after an exception", "n_11", Unit.COUNT, "Christoffersen 1998"
    ),
    "coverage.kupiec": Definition(
        "Proportion of failures",
        "-2 ln((1-a)^(n-x) a^x / ((1-x/n)^(n-x) (x/n)^x)); p-value by chi-squared, 1 degree",
        Unit.RATIO,
        "Kupiec 1995",
    ),
    "coverage.independence": Definition(
        "Independence",
        "-2 ln((1-q)^(n00+n10) q^(n01+n11) / ((1-q0)^n00 q0^n01 (1-q1)^n10 q1^n11)), "
        "q0 = n01 / (n00 + n01), q1 = n11 / (n10 + n11), q of both; chi-squared, 1 degree",
        Unit.RATIO,
        "Christoffersen 1998",
    ),
    "coverage.conditional": Definition(
        "Conditional coverage",
        "kupiec + independence; chi-squared, 2 degrees",
        Unit.RATIO,
        "Christoffersen 1998",
    ),
}

_LEVELS = {
    f"{name}_{level}": Definition(
        f"{title} at {level} %", f"{_VAR['historical'][place]}, a = {tail}", Unit.FRACTION
    )
    for level, tail in ((95, 0.05), (99, 0.01))
    for place, (name, title) in enumerate((("var", "Value at risk"), ("cvar", "CVaR")))
}

_PARTS = {
    "beta": Definition("Beta", "cov(r, b) / var(b), b the benchmark's returns", Unit.RATIO),
    "beta_error": Definition(
        "Standard error of beta",
        "HAC, Bartlett weights, automatic lag",
        Unit.RATIO,
        "Newey and West 1987, 1994",
    ),
    "concentration.hhi": Definition(
        "Herfindahl-Hirschman index", "sum(w_i^2) / sum(w_i)^2", Unit.RATIO, "Hirschman 1964"
    ),
    "concentration.effective_number": Definition(
        "Effective number of positions", "1 / hhi", Unit.COUNT
    ),
    "concentration.effective_bets": Definition(
        "Effective number of bets",
        "exp(-sum p_k ln p_k), p_k = (e_k'w)^2 l_k / w'Sw, e_k, l_k eigenvectors and -values of S",
        Unit.COUNT,
        "Meucci 2009",
    ),
    "contributions.marginal": Definition(
        "Marginal volatility", "cov(r_i, r) / std(r) * sqrt(252)", Unit.YEARLY, TASCHE
    ),
    "contributions.component": Definition(
        "Component of volatility", "w_i * marginal", Unit.YEARLY, TASCHE
    ),
    "contributions.share": Definition(
        "Share of volatility", "component / volatility", Unit.FRACTION, TASCHE
    ),
    "contributions.marginal_cvar": Definition(
        "Marginal CVaR", "mean of r_i over the days that CVaR is the mean of", Unit.FRACTION, TASCHE
    ),
    "contributions.component_cvar": Definition(
        "Component of CVaR", "w_i * marginal_cvar", Unit.FRACTION, TASCHE
    ),
    "correlations.matrix": Definition(
        "Correlation", "cov(r_i, r_j) / (std(r_i) std(r_j)) of the common sessions", Unit.RATIO
    ),
    "correlations.average": Definition("Mean correlation", "mean over pairs i < j", Unit.RATIO),
    "portfolio_drawdown": Definition(
        "Drawdown",
        "1 - growth / highest growth so far: positive, as thresholds of stops are",
        Unit.FRACTION,
    ),
    "drawdown": Definition(
        "Drawdown of a series at its end", "as portfolio_drawdown: positive", Unit.FRACTION
    ),
    "positions.drawdown": Definition(
        "Fall of a position",
        "1 - price / entry price, of a trailing stop 1 - price / highest close since: positive",
        Unit.FRACTION,
    ),
    "positions.distance_to_stop": Definition(
        "Distance to the stop",
        "threshold - drawdown: what of the first price may still be lost; below 0 it is past",
        Unit.FRACTION,
    ),
}

_MODEL = {
    "factor_risk.total": Definition(
        "Volatility of the model",
        "sqrt(x'Fx + w'Dw + 2 x'C), x exposures, C covariance of factor returns with w'e",
        Unit.YEARLY,
        ROSENBERG,
    ),
    "factor_risk.systematic": Definition(
        "Factor volatility",
        "sqrt(x'Fx), F = 252 * covariance of factor returns",
        Unit.YEARLY,
        ROSENBERG,
    ),
    "factor_risk.specific": Definition(
        "Specific volatility",
        "sqrt(w'Dw), D = 252 * covariance of e_i = r_i - exposures times factor returns",
        Unit.YEARLY,
        ROSENBERG,
    ),
    "factor_risk.correlation": Definition(
        "Correlation of the factors' and the specific part",
        "x'C / (systematic * specific)",
        Unit.RATIO,
    ),
    "factor_risk.factors.component": Definition(
        "Component of a factor", "cov(x_k f_k, x'f + w'e) / total", Unit.YEARLY, TASCHE
    ),
    "factor_risk.specific_component": Definition(
        "Component of the specific risk", "cov(w'e, x'f + w'e) / total", Unit.YEARLY, TASCHE
    ),
    "factor_risk.systematic_share": Definition(
        "Share of the factors", "sum of their components / total", Unit.FRACTION, TASCHE
    ),
}

_SCENARIOS = {
    "liquidity.days": Definition(
        "Days to liquidate",
        "max over positions of value / (0.1 * mean close * volume of 63 sessions)",
        Unit.SESSIONS,
    ),
    "liquidity.within": Definition(
        "Share sold within h sessions",
        "sum min(value_i, h * 0.1 * daily value_i) / sum value_i",
        Unit.FRACTION,
    ),
    "replays.total": Definition(
        "Return in a crisis", "sum w_i (prod(1 + r_i) - 1) from start to end", Unit.FRACTION
    ),
    "replays.drawdown": Definition(
        "Deepest fall in a crisis",
        "min of value / highest value since the start - 1: negative, it is a return",
        Unit.FRACTION,
    ),
    "replays.worst_day": Definition("Worst session of a crisis", "min of r", Unit.FRACTION),
    "replays.positions.slope": Definition(
        "Slope on a proxy", "cov(r_i, r_p) / var(r_p) over all common sessions", Unit.RATIO
    ),
    "class_shocks.alone": Definition(
        "A class falls alone",
        "weight of the class * move, move = -3 sqrt(21) std of the class's mean daily return",
        Unit.FRACTION,
    ),
    "class_shocks.together": Definition(
        "A class falls and others follow",
        "sum w_i b_i move, b_i the beta of position i to the class's mean return",
        Unit.FRACTION,
        "Kupiec 1998",
    ),
    "factor_shocks.alone": Definition(
        "A factor moves alone", "x_k * move, move = -3 sqrt(21 F_kk) daily", Unit.FRACTION
    ),
    "factor_shocks.together": Definition(
        "A factor moves and others follow",
        "sum x_j F_jk / F_kk * move",
        Unit.FRACTION,
        "Kupiec 1998",
    ),
    "stop_ladder.weight": Definition(
        "Weight whose stops a fall would reach",
        "sum w_i over price_i (1 - fall) <= stop price_i",
        Unit.FRACTION,
    ),
}

DEFINITIONS: Mapping[str, Definition] = {
    **_SERIES,
    **_TAILS,
    **_TESTS,
    **_LEVELS,
    **_PARTS,
    **_MODEL,
    **_SCENARIOS,
}
