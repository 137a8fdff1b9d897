"""The one place that reads settings and opens resources: database, Redis, market data, broker."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.core import embedded
from app.core.config import Settings


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The configured database, or the embedded one, which runs at least while the block does."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with embedded.postgres(settings.data_dir) as url:
        yield url
