"""What can go wrong in the arithmetic, as types a caller can act on."""


class QuantError(Exception):
    """A question that has no honest numeric answer."""


class InsufficientHistory(QuantError):
    """Fewer sessions than the calculation needs."""


class Infeasible(QuantError):
    """Constraints that no portfolio meets; the message names them and the smallest relaxation."""


class SolveFailed(QuantError):
    """A solver stopped without a solution that satisfies the constraints."""


class EmptyPeriod(QuantError):
    """A stretch of time without a single return."""
