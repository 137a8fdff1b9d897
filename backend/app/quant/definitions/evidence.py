"""What says whether a backtest can be believed, by the field of its evidence."""

from collections.abc import Mapping

from app.quant.definitions.definition import Definition, Unit

DEFINITIONS: Mapping[str, Definition] = {
    "trials": Definition(
        "Trials made",
        "Runs that you made on this market, withdrawn ones too: the best of many looks good "
        "because it was chosen.",
        Unit.COUNT,
    ),
    "distinct_trials": Definition(
        "Distinct trials",
        "Trials with nearly equal ones (mean correlation of at least 0.95) counted once.",
        Unit.COUNT,
        "López de Prado and Lewis 2018",
    ),
    "sharpe": Definition(
        "Sharpe ratio",
        "(252 mean(r) - rf) / (sqrt(252) x std(r))",
        Unit.RATIO,
        "Sharpe 1966, 1994",
    ),
    "psr": Definition(
        "Probabilistic Sharpe ratio (PSR)",
        "Probability that the true Sharpe ratio is above zero, given length, skew and kurtosis.",
        Unit.PROBABILITY,
        "Bailey and López de Prado 2012",
    ),
    "expected_maximum": Definition(
        "Expected maximum",
        "The best Sharpe ratio that so many distinct trials show without any skill.",
        Unit.RATIO,
        "Bailey and López de Prado 2014",
    ),
    "dsr": Definition(
        "Deflated Sharpe ratio (DSR)",
        "Probability that the true Sharpe ratio is above the expected maximum. Below 0.95 is not "
        "evidence.",
        Unit.PROBABILITY,
        "Bailey and López de Prado 2014",
    ),
    "min_track_record": Definition(
        "Minimum track record, in sessions",
        "After how many sessions a Sharpe ratio of this size and shape is above zero with 95 % "
        "confidence.",
        Unit.SESSIONS,
        "Bailey and López de Prado 2012",
    ),
    "pbo": Definition(
        "Probability of backtest overfitting (PBO)",
        "How often the run that is best on one half of the time is in the lower half on the other.",
        Unit.PROBABILITY,
        "Bailey, Borwein, López de Prado and Zhu 2015",
    ),
}
