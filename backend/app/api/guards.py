"""What is checked before a request reaches a route: where it is sent, from where, and its path."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import problem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class LocalOnly:
    """Refuses other `Host` names (DNS rebinding) and pages of other origins.

    Until accounts are switched on, whoever reaches the server acts as the one local user; a web
    page in that user's browser must not.
    """

    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _host_name(host) not in LOOPBACK:
            refusal = problem(400, "The Host header must be 127.0.0.1 or localhost.")
        elif not self._allows(headers.get("origin"), host, scope):
            refusal = problem(400, "Pages of this origin may not call the API: see CORS_ORIGINS.")
        else:
            await self._app(scope, receive, send)
            return
        await refusal(scope, receive, send)

    def _allows(self, origin: str | None, host: str, scope: Scope) -> bool:
        if origin is None or (scope["type"] == "http" and scope["method"] in SAFE_METHODS):
            return True
        return origin in self._origins or origin in {f"http://{host}", f"https://{host}"}


class AnySlash:
    """Serves a path with and without its trailing slash alike, without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


def _host_name(host: str) -> str:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
    return f"[{name}]" if ":" in name else name
