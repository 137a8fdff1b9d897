"""What `worker` and `beat` begin with: a database at our schema, and Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from app.bootstrap import redis_url
from app.cli import schema
from app.core.config import Settings
from app.workers.registry import HANDLERS
from app.workers.serving import Serving


@contextmanager
def prepared() -> Iterator[Serving]:
    with schema.ready(Settings.load()) as settings, redis_url(settings) as url:
        yield Serving(settings.model_copy(update={"redis_url": SecretStr(url)}), HANDLERS)
