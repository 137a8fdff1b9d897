"""What the figures of a report show, by the name of the figure."""

from collections.abc import Mapping

from app.quant.definitions.definition import Definition, Unit

DEFINITIONS: Mapping[str, Definition] = {
    "rolling_sharpe": Definition(
        "Rolling Sharpe ratio",
        "The Sharpe ratio of the sessions up to each day, as many as the name says: "
        "(252 mean(r) - rf) / (sqrt(252) x std(r))",
        Unit.RATIO,
        "Sharpe 1966, 1994",
    ),
    "rolling_volatility": Definition(
        "Rolling volatility",
        "sqrt(252) x std(r), n - 1, of the sessions up to each day, as many as the name says",
        Unit.YEARLY,
    ),
    "rolling_beta": Definition(
        "Rolling beta",
        "cov(r, b) / var(b) of the sessions up to each day, as many as the name says",
        Unit.RATIO,
    ),
    "months": Definition(
        "Monthly returns, in percent",
        "product of (1 + r_t) - 1 within the month; the first and the last may be parts of one. "
        "Colours are full at the 98th percentile of the absolute returns",
        Unit.FRACTION,
    ),
    "years": Definition(
        "Yearly returns",
        "product of (1 + r_t) - 1 within the year; the first and the last may be parts of one",
        Unit.FRACTION,
    ),
    "waterfall_positions": Definition(
        "What made the return: positions",
        "Daily contributions (weight x return), linked by Carino's factors so that the parts add "
        "up to the total. Positions beside the largest are summed.",
        Unit.FRACTION,
        "Carino 1999",
    ),
    "waterfall_factors": Definition(
        "What made the return: factors",
        "Exposure x factor return of every day, and what is left (selection), cash and costs; "
        "linked by Carino's factors so that the parts add up to the total.",
        Unit.FRACTION,
        "Carino 1999",
    ),
    "waterfall_classes": Definition(
        "What made the return: asset classes against the benchmark",
        "Allocation, selection and interaction of each asset class, linked so that they add up to "
        "the difference from the benchmark.",
        Unit.FRACTION,
        "Brinson, Hood and Beebower 1986",
    ),
    "exposure_classes": Definition(
        "Weights of asset classes over time",
        "Value of the class at a close over the capital of the next session; cash is the rest. "
        "Long histories show the last session of each week.",
        Unit.FRACTION,
    ),
    "exposure_factors": Definition(
        "Factor exposures over time",
        "sum over i of w_i z_i over the holdings with a score z at the close before. Long "
        "histories show the last session of each week.",
        Unit.RATIO,
    ),
    "invested": Definition(
        "Invested part over time",
        "Value of the positions over the value of the whole portfolio at the close.",
        Unit.FRACTION,
    ),
    "traded": Definition(
        "Bought and sold by month",
        "Sums of the value of the month's trades, in USD at their fills; what was sold is below "
        "the line.",
        Unit.USD,
    ),
    "costs": Definition(
        "Trading costs by month",
        "Fees, and what fills were worse than the price that the trade was decided at, in USD.",
        Unit.USD,
    ),
    "distribution": Definition(
        "Distribution of daily returns",
        "Sessions by their return; bins by the rule of Freedman and Diaconis. Lines are the "
        "historical value at risk and the mean return beyond it (CVaR).",
        Unit.COUNT,
        "Freedman and Diaconis 1981",
    ),
    "risk_contributions": Definition(
        "Contributions to volatility",
        "w_i (S w)_i / w'Sw: parts of the volatility of holding the weights; they add up to 1",
        Unit.FRACTION,
    ),
    "correlations": Definition(
        "Correlations of what is held",
        "Of daily returns on the sessions that both ETFs have, twins side by side.",
        Unit.RATIO,
    ),
    "factor_risk": Definition(
        "Volatility by factor",
        "Parts of the yearly volatility under the factor model, and what is specific to the ETFs; "
        "they add up to the total.",
        Unit.YEARLY,
    ),
    "crises": Definition(
        "Crises within the period",
        "product of (1 + r_t) - 1 over the sessions of the episode, as it was lived through.",
        Unit.FRACTION,
    ),
    "replays": Definition(
        "Past crises, replayed with the weights held",
        "sum over i of w_i R_i over the episode, R_i the ETF's return, or its proxy's where it is "
        "too young",
        Unit.FRACTION,
    ),
}
