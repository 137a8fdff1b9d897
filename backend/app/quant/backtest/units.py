"""In what integers simulations count."""

SHARE = 1_000_000
"""Millionths in a share, and of a dollar in a price."""
CENT_MICROS = 10_000
"""Millionths of a dollar in a cent."""
BILLION = 1_000_000_000
"""Fractions are counted in billionths."""
