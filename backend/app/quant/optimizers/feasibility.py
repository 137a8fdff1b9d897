"""Whether limits leave any portfolio at all, and if not, which clash and what the least change is.

Each weight lies between the same bounds, each capped class holds at most its cap, and classes do
not overlap. So a class of n names can hold anything from n·min to the lesser of n·max and its cap,
and a portfolio exists exactly when no class needs more than its cap and the sum to be invested
lies between the sums of what the classes need and can hold.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from app.quant.errors import Infeasible
from app.quant.optimizers.problem import TOLERANCE, Limits, Problem


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides whether a portfolio exists: the class of each name, best first, and the limits.

    `complete` says that more names could be had.
    """

    groups: tuple[str, ...]
    limits: Limits
    complete: bool = True

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many names each cap counts."""
        caps = self.limits.caps
        return Counter(group for group in self.groups if group in caps) if caps else {}

    @property
    def reach(self) -> float:
        """The most that all names together can hold."""
        limits, counts = self.limits, self.counts
        capped = sum(min(n * limits.max_weight, limits.caps[g]) for g, n in counts.items())
        return capped + (len(self) - sum(counts.values())) * limits.max_weight


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The least change of one limit (or of several that only help together), exact; `text` rounds
    it so that what it says works."""

    shape: Shape
    text: str


class LimitsClash(Infeasible):
    """Infeasible, with the relaxations that its message names, each of them enough alone."""

    def __init__(self, message: str, relaxations: tuple[Relaxation, ...]) -> None:
        super().__init__(message)
        self.relaxations = relaxations


def require_feasible(problem: Problem) -> None:
    """Raise LimitsClash unless some weights satisfy the limits."""
    check(Shape(problem.groups, problem.limits, problem.complete))


def check(shape: Shape) -> None:
    if not len(shape):
        invested = percent(shape.limits.invested)
        raise LimitsClash(f"no ETF is eligible, but {invested} is to be invested", ())
    if found := list(clashes(shape)):
        ways = tuple(relaxations(shape))
        message = f"{'; '.join(found)}: {_either([way.text for way in ways])}"
        raise LimitsClash(message, ways)


def clashes(shape: Shape) -> Iterator[str]:
    """A sentence for each pair of limits that no portfolio meets together; none if feasible."""
    limits, size = shape.limits, len(shape)
    if limits.min_weight > limits.max_weight + TOLERANCE:
        least, most = percent(limits.min_weight), percent(limits.max_weight)
        yield f"min_weight {least} is above max_weight {most}"
    if size * limits.min_weight > limits.invested + TOLERANCE:
        need, invested = percent(size * limits.min_weight), percent(limits.invested)
        yield (
            f"{_positions(size)} at no less than {percent(limits.min_weight)} need {need} "
            f"but only {invested} is to be invested"
        )
    for group, count in shape.counts.items():
        if count * limits.min_weight > limits.caps[group] + TOLERANCE:
            need, cap = percent(count * limits.min_weight), percent(limits.caps[group])
            least = percent(limits.min_weight)
            yield (
                f"{_positions(count, group)} at no less than {least} need {need} "
                f"but the cap of {group} is {cap}"
            )
    if shape.reach < limits.invested - TOLERANCE:
        reach, invested = percent(shape.reach), percent(limits.invested)
        capped = "".join(
            f", {group} capped at {percent(limits.caps[group])}"
            for group, count in shape.counts.items()
            if count * limits.max_weight > limits.caps[group]
        )
        lack = "" if shape.complete else " (no other ETF is eligible)"
        yield (
            f"{_positions(size)}{lack} at no more than {percent(limits.max_weight)}{capped} "
            f"can hold {reach} "
            f"but {invested} is to be invested"
        )


def relaxations(shape: Shape) -> Iterator[Relaxation]:
    """The single changes that are enough; failing those, min_weight with what else it takes."""
    alone = [way for way in _candidates(shape) if not any(clashes(way.shape))]
    if alone:
        yield from alone
        return
    lower = _min_weight(shape)
    for way in relaxations(lower.shape):
        yield Relaxation(way.shape, f"{lower.text} and {way.text}")


def _candidates(shape: Shape) -> Iterator[Relaxation]:
    yield _min_weight(shape)
    yield from _max_weight(shape)
    yield from _num_positions(shape)
    yield from _cash_buffer(shape)
    yield from _caps(shape)


def _min_weight(shape: Shape) -> Relaxation:
    limits = shape.limits
    per_class = [limits.caps[group] / count for group, count in shape.counts.items()]
    least = min(limits.invested / len(shape), limits.max_weight, limits.min_weight, *per_class)
    changed = replace(shape, limits=replace(limits, min_weight=least))
    return Relaxation(changed, f"lower min_weight to {percent(least, math.floor)}")


def _max_weight(shape: Shape) -> Iterator[Relaxation]:
    """Raise every free name and every class below its cap alike, until the sum is reached."""
    limits = shape.limits
    left, sharing = limits.invested, len(shape)
    for group, count in sorted(
        shape.counts.items(), key=lambda entry: limits.caps[entry[0]] / entry[1]
    ):
        if sharing and limits.caps[group] / count >= left / sharing:
            break
        left, sharing = left - limits.caps[group], sharing - count
    if sharing:
        most = max(left / sharing, limits.min_weight, limits.max_weight)
        changed = replace(shape, limits=replace(limits, max_weight=most))
        yield Relaxation(changed, f"raise max_weight to {percent(most, math.ceil)}")


def _num_positions(shape: Shape) -> Iterator[Relaxation]:
    """Fewer: the best ones are kept. More: said only where no cap depends on which they are."""
    for size in range(len(shape) - 1, 0, -1):
        fewer = replace(shape, groups=shape.groups[:size])
        if not any(clashes(fewer)):
            yield Relaxation(fewer, f"lower num_positions to {size}")
            return
    limits = shape.limits
    if shape.complete and not limits.caps and limits.max_weight > 0.0:
        size = math.ceil((limits.invested - TOLERANCE) / limits.max_weight)
        if size > len(shape):
            more = replace(shape, groups=shape.groups + ("",) * (size - len(shape)))
            yield Relaxation(more, f"raise num_positions to {size}")


def _cash_buffer(shape: Shape) -> Iterator[Relaxation]:
    need, reach, limits = len(shape) * shape.limits.min_weight, shape.reach, shape.limits
    if limits.invested < need <= 1.0:
        changed = replace(shape, limits=replace(limits, cash_buffer=1.0 - need))
        yield Relaxation(changed, f"lower cash_buffer to {percent(1.0 - need, math.floor)}")
    if reach < limits.invested:
        changed = replace(shape, limits=replace(limits, cash_buffer=1.0 - reach))
        yield Relaxation(changed, f"raise cash_buffer to {percent(1.0 - reach, math.ceil)}")


def _caps(shape: Shape) -> Iterator[Relaxation]:
    limits = shape.limits
    needs = {group: count * limits.min_weight for group, count in shape.counts.items()}
    tight = {group: need for group, need in needs.items() if need > limits.caps[group] + TOLERANCE}
    if tight and max(tight.values()) <= 1.0:
        yield _with_caps(shape, tight)
    missing = limits.invested - shape.reach
    for group, count in shape.counts.items():
        wider = min(limits.caps[group] + missing, 1.0)
        if missing > 0.0 and wider <= count * limits.max_weight:
            yield _with_caps(shape, {group: wider})


def _with_caps(shape: Shape, caps: Mapping[str, float]) -> Relaxation:
    changed = replace(shape.limits, caps={**shape.limits.caps, **caps})
    named = [f"the cap of {group} to {percent(cap, math.ceil)}" for group, cap in caps.items()]
    return Relaxation(replace(shape, limits=changed), f"raise {' and '.join(named)}")


def percent(fraction: float, towards: Callable[[float], int] = round) -> str:
    """As in "4.9 %", with at most two decimals."""
    # A hair against the rounding, so that 0.049 stored as 0.04900000000000001 stays 4.9 %.
    hair = 1e-7 if towards is math.floor else -1e-7 if towards is math.ceil else 0.0
    return f"{towards(fraction * 1e4 + hair) / 100:.2f}".rstrip("0").rstrip(".") + " %"


def _positions(count: int, group: str = "") -> str:
    return f"{count} {group + ' ' if group else ''}position{'' if count == 1 else 's'}"


def _either(ways: list[str]) -> str:
    return " or ".join([", ".join(ways[:-1]), ways[-1]] if len(ways) > 1 else ways)
