"""Numbers that may be missing keep the reason on their way."""

from app.quant.measured import Missing, number, ratio

UNKNOWN, OTHER = Missing("it is unknown"), Missing("it is too short")


def test_a_ratio_is_missing_with_the_first_reason_found() -> None:
    assert ratio(UNKNOWN, OTHER, "nothing to divide by") == UNKNOWN
    assert ratio(1.0, OTHER, "nothing to divide by") == OTHER
    assert ratio(1.0, 0.0, "nothing to divide by") == Missing("nothing to divide by")
    assert ratio(1.0, 4.0, "nothing to divide by") == 0.25


def test_only_what_is_measured_has_a_number() -> None:
    assert (number(0.5), number(UNKNOWN)) == (0.5, None)
