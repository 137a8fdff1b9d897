"""The one place that reads the clock; everything else takes time as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the doors call this, services get the value
