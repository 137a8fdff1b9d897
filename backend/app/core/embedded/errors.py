"""What can go wrong with a server that we start ourselves."""

from app.core.errors import ETFTraderError


class EmbeddedServerFailed(ETFTraderError):
    """A server cannot be started, joined or used; the message says what to do."""
