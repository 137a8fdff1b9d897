"""How many trials were really made: nearly equal ones count once.

A sweep over settings makes many runs that hold nearly the same funds on nearly all days. They are
one attempt, and counting each would deflate the best result too much; counting none but the last
would deflate it too little.

The rule: trials are merged bottom-up by average linkage (UPGMA, Sokal and Michener 1958) on the
distance 1 - correlation of daily returns, as long as the mean correlation between the members of
two clusters is at least `nearly_equal` (0.95). Correlations are taken over the sessions that both
trials have; with fewer than `FEWEST` of them, or where one does not vary, a pair is not comparable
and counts as uncorrelated, so that a trial about which nothing is known counts on its own.

A cluster's Sharpe ratio is that of its inverse-variance weighted average (López de Prado and Lewis,
"Detection of false investment strategies using unsupervised learning methods", 2018), and the
variance of these ratios is what the deflated Sharpe ratio takes. More than `MOST_COMPARED` trials
are not compared, since that takes memory with their square: each counts, and nothing is said to be
better than it is. Trials are put into an order of
their content first, so that the result does not depend on the order in which they come.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from app.quant import statistics
from app.quant.evidence.sharpe import per_session
from app.quant.measured import Measured, Missing
from app.quant.panel import FloatArray, IntArray

NEARLY_EQUAL = 0.95
FEWEST = 63
"""Common sessions below which two trials cannot be called equal, nor one be measured."""
MOST_COMPARED = 3_000
UNCORRELATED = 1.0
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class EffectiveTrials:
    """Clusters of nearly equal trials.

    `clusters` holds the positions of the trials as they came, each cluster ascending, in the order
    of their first members. `sharpes` has the ratio of each cluster per session, missing where it
    has too few sessions; `variance` is theirs (n - 1), per session.
    """

    made: int
    clusters: tuple[tuple[int, ...], ...]
    sharpes: tuple[Measured, ...]
    variance: Measured

    @property
    def number(self) -> int:
        return len(self.clusters)


def effective(
    returns: FloatArray, *, rf: float, nearly_equal: float = NEARLY_EQUAL, fewest: int = FEWEST
) -> EffectiveTrials:
    """The effective trials among N rows of T daily returns, NaN where a trial has none.

    A cluster with fewer than `fewest` sessions counts, but has no ratio: the fewer there are, the
    more a ratio is off by chance, and it would be compared with those of longer ones.
    """
    if not 0.0 < nearly_equal <= 1.0:
        raise ValueError(f"a correlation above 0 and up to 1, not {nearly_equal}")
    order = _by_content(returns)
    groups = _clusters(returns[order], nearly_equal)
    found = sorted(
        (tuple(sorted(int(i) for i in order[group])), _sharpe(returns[order[group]], rf, fewest))
        for group in groups
    )
    ratios = [ratio for _, ratio in found if not isinstance(ratio, Missing)]
    return EffectiveTrials(
        made=len(returns),
        clusters=tuple(members for members, _ in found),
        sharpes=tuple(ratio for _, ratio in found),
        variance=_variance(ratios),
    )


def correlations(returns: FloatArray) -> FloatArray:
    """Pairwise correlations of N rows over their common sessions, NaN where not comparable."""
    known = np.isfinite(returns)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, returns, 0.0)
    centred -= np.where(known, centred.sum(axis=1, keepdims=True) / count, 0.0)
    scale = np.sqrt((centred * centred).sum(axis=1, keepdims=True) / count)
    centred /= np.where(scale > statistics.NEGLIGIBLE, scale, np.inf)
    # Sums of row i over the sessions of row j: the same for all j that have the same sessions.
    spans: dict[bytes, int] = {}
    pattern = np.array([spans.setdefault(row.tobytes(), len(spans)) for row in known])
    seen = known[np.unique(pattern, return_index=True)[1]].astype(np.float64)
    common = (seen @ seen.T)[np.ix_(pattern, pattern)]
    shared = np.maximum(common, 1.0)
    sums = (centred @ seen.T)[:, pattern]
    variation = ((centred * centred) @ seen.T)[:, pattern] - sums * sums / shared
    covariation = centred @ centred.T - sums * sums.T / shared
    # Over its own sessions a row has a variance of one; this little is a constant stretch.
    varies = variation > ROUNDING * shared
    comparable = (common >= FEWEST) & varies & varies.T
    answer = np.full_like(common, np.nan)
    np.divide(covariation, np.sqrt(np.abs(variation * variation.T)), out=answer, where=comparable)
    return answer.clip(-1.0, 1.0)


def _by_content(returns: FloatArray) -> IntArray:
    """An order of the rows that depends on nothing but what is in them."""
    plain = np.where(np.isfinite(returns), returns + 0.0, np.nan)
    digests = [hashlib.sha256(row.tobytes()).digest() for row in np.ascontiguousarray(plain)]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def _clusters(returns: FloatArray, nearly_equal: float) -> list[list[int]]:
    if not 2 <= len(returns) <= MOST_COMPARED:
        return [[i] for i in range(len(returns))]
    # Loading it takes as long as a thousand trials.
    from scipy.cluster import hierarchy  # noqa: PLC0415

    distances = 1.0 - correlations(returns)
    distances[np.isnan(distances)] = UNCORRELATED
    condensed = distances[np.triu_indices(len(returns), 1)]
    tree = hierarchy.linkage(condensed, "average")
    labels = hierarchy.fcluster(tree, 1.0 - nearly_equal + ROUNDING, "distance")
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for i, label in enumerate(labels):
        groups[int(label)].append(i)
    return list(groups.values())


def _sharpe(members: FloatArray, rf: float, fewest: int) -> Measured:
    """The ratio per session of the inverse-variance weighted average of a cluster's members."""
    returns = members[0] if len(members) == 1 else _average(members)
    returns = returns[np.isfinite(returns)]
    if len(returns) < max(fewest, FEWEST):
        return Missing(f"fewer than {max(fewest, FEWEST)} sessions")
    ratio = statistics.sharpe(returns, rf)
    return ratio if isinstance(ratio, Missing) else per_session(ratio)


def _average(members: FloatArray) -> FloatArray:
    known = np.isfinite(members)
    weights = known / np.nanvar(members, axis=1, keepdims=True)
    total = weights.sum(axis=0)
    weighted = (weights * np.where(known, members, 0.0)).sum(axis=0)
    average = np.full_like(total, np.nan)
    np.divide(weighted, total, out=average, where=total > 0.0)
    return average


def _variance(ratios: list[float]) -> Measured:
    if len(ratios) < 2:
        return Missing("fewer than 2 distinct trials that are long enough")
    return float(np.var(sorted(ratios), ddof=1))
