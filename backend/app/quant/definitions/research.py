"""What factor research says, by the name each figure has in its answers.

In the formulas s_t is a factor's score at the close of session t, h the horizon in sessions,
r_t(h) = P_(t+1+h) / P_(t+1) - 1 the return after the score, Q1 the quantile of the lowest and QN
that of the highest scores, mean_t and std_t are over sessions.
"""

from collections.abc import Mapping

from app.quant.definitions.definition import Definition, Unit

DEFINITIONS: Mapping[str, Definition] = {
    "ic": Definition(
        "Rank information coefficient",
        "Spearman correlation of s_t and r_t(h) over the ETFs of session t; its mean over sessions",
        Unit.RATIO,
        "Grinold and Kahn, Active Portfolio Management (2000); Spearman (1904)",
    ),
    "ic_positive": Definition(
        "Sessions with a positive rank IC", "count(IC > 0) / sessions", Unit.FRACTION
    ),
    "mean": Definition("Mean over sessions", "sum(x) / sessions", Unit.FRACTION),
    "deviation": Definition(
        "Standard deviation over sessions",
        "sqrt(sum((x - mean)^2) / (sessions - 1))",
        Unit.FRACTION,
    ),
    "ratio": Definition(
        "Information ratio of a session",
        "mean / deviation, not annualised; overlapping sessions are not independent",
        Unit.RATIO,
        "Grinold and Kahn (2000)",
    ),
    "error": Definition(
        "Standard error of the mean, allowing for overlap",
        "sqrt((g(0) + 2 sum over k = 1..L of (1 - k / (L + 1)) g(k)) / (sessions - 1)), g(k) the "
        "autocovariance at lag k, L = max(2 (h - 1), automatic lag)",
        Unit.FRACTION,
        "Newey and West (1987, 1994)",
    ),
    "t": Definition("t-statistic", "mean / error", Unit.RATIO),
    "low": Definition(
        "Lower end of the 95 % interval",
        "mean - c error, c = 1.96 + 2.9694 b + 0.416 b^2 - 0.5324 b^3, b = (L + 1) / sessions",
        Unit.FRACTION,
        "Kiefer and Vogelsang (2005)",
    ),
    "high": Definition(
        "Upper end of the 95 % interval",
        "mean + c error, c as for the lower end",
        Unit.FRACTION,
        "Kiefer and Vogelsang (2005)",
    ),
    "returns": Definition(
        "Return of a quantile",
        "mean of r_t(h) over the ETFs whose s_t is above the lower and not above the upper edge of "
        "the quantile; edges are interpolated linearly, equal scores share a quantile",
        Unit.FRACTION,
    ),
    "excess": Definition(
        "Return of a quantile over all",
        "returns - mean of r_t(h) over all that are scored",
        Unit.FRACTION,
    ),
    "spread": Definition(
        "Spread", "returns of QN - returns of Q1: 1 bought and 1 sold short", Unit.FRACTION
    ),
    "spread_yearly": Definition("Spread per year", "mean spread x 252 / h", Unit.YEARLY),
    "rank_correlation": Definition(
        "Monotonicity",
        "Spearman correlation of a quantile's number and its mean return",
        Unit.RATIO,
    ),
    "p_value": Definition(
        "Monotonicity, p-value",
        "share of stationary bootstrap resamples in which min over i of (d*(i) - d(i)) exceeds "
        "min d(i), d(i) the mean return of quantile i + 1 less that of i; small: they do rise",
        Unit.PROBABILITY,
        "Patton and Timmermann (2010)",
    ),
    "net": Definition(
        "Spread after costs",
        "spread - sum over both sides of |change of weight| x cost per value traded",
        Unit.FRACTION,
    ),
    "traded": Definition(
        "Value traded per horizon",
        "sum over both sides of |w_t - w_(t-h) grown by r_(t-h)(h)|, w equal weights of a quantile",
        Unit.RATIO,
    ),
    "cost": Definition(
        "Cost per horizon",
        "sum over both sides of |change of weight| x cost per value traded "
        "(spread, slippage and square-root impact; no commission per order)",
        Unit.FRACTION,
    ),
    "break_even": Definition("Break-even cost", "mean spread / mean value traded", Unit.FRACTION),
    "autocorrelation": Definition(
        "Rank autocorrelation",
        "mean_t of the correlation of the ranks of s_t and s_(t-lag) over the ETFs that have both",
        Unit.RATIO,
    ),
    "turnover_top": Definition(
        "Turnover of the highest quantile",
        "mean_t of the share of the ETFs of QN on t that were not in it on t - lag",
        Unit.FRACTION,
    ),
    "turnover_bottom": Definition(
        "Turnover of the lowest quantile",
        "mean_t of the share of the ETFs of Q1 on t that were not in it on t - lag",
        Unit.FRACTION,
    ),
    "half_life": Definition(
        "Half-life of the score",
        "the lag at which the rank autocorrelation is 0.5, on straight lines between lags",
        Unit.SESSIONS,
    ),
    "alone": Definition(
        "Coefficient alone",
        "mean_t of the slope of r_t(h) on one z-score and an intercept",
        Unit.FRACTION,
        "Fama and MacBeth (1973)",
    ),
    "together": Definition(
        "Coefficient together",
        "mean_t of the slope of r_t(h) on a z-score, the others and an intercept",
        Unit.FRACTION,
        "Fama and MacBeth (1973)",
    ),
    "matrix": Definition(
        "Correlation of factors",
        "mean_t of the correlation of two z-scores over the ETFs that have all of them",
        Unit.RATIO,
    ),
    "cells": Definition(
        "Double sort",
        "mean_t of mean r_t(h) in thirds by another factor, and within each in thirds by s_t",
        Unit.FRACTION,
    ),
    "difference": Definition(
        "Interaction",
        "spread of s (highest less lowest third) in the highest less that in the lowest third of "
        "the other factor",
        Unit.FRACTION,
    ),
    "spreads": Definition(
        "Spread within a third",
        "cell of the highest less that of the lowest third of s, within a third of the other",
        Unit.FRACTION,
    ),
    "sessions": Definition(
        "Sessions that the figure is made from", "count of sessions t", Unit.COUNT
    ),
    "lags": Definition("Lags of the error", "L = max(2 (h - 1), automatic lag)", Unit.SESSIONS),
    "spells": Definition(
        "How many times a regime came", "count of runs of sessions in a row", Unit.COUNT
    ),
    "etfs": Definition("Mean number of ETFs of a session", "count / sessions", Unit.COUNT),
    "incomplete": Definition(
        "Sessions left out because their horizon is not over", "count(t + 1 + h > last)", Unit.COUNT
    ),
    "too_few": Definition(
        "Sessions left out because fewer than 2 ETFs per quantile have a return",
        "count",
        Unit.COUNT,
    ),
    "ended": Definition(
        "ETFs held at their last price because theirs ended within the horizon",
        "count of session and ETF",
        Unit.COUNT,
    ),
    "unfilled": Definition(
        "Scores left out because their ETF had no price to enter at", "count", Unit.COUNT
    ),
}
