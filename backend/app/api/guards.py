"""What is checked before a request reaches a route: its origin, its path, the size of its body."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import MEANING, problem

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


class BodyLimit:
    """Answers 413 to a body over the limit, whoever would read it or not read it.

    A body without a length is read before the request goes on, which the limit makes cheap.
    """

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most:
            await self._refuse(scope, receive, send)
            return
        if "transfer-encoding" in headers:
            messages = await self._read(receive)
            if messages is None:
                await self._refuse(scope, receive, send)
                return
            receive = _again(messages, receive)
        await self._app(scope, receive, send)

    async def _read(self, receive: Receive) -> list[Message] | None:
        """The messages of the whole body, or up to a hang-up; None where it is over the limit."""
        messages: list[Message] = []
        size, more = 0, True
        while more:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self._most:
                return None
            more = message.get("more_body", False)
        return messages

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await problem(413, f"{MEANING[413]}.")(scope, receive, send)


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Gives messages that were received already, then whatever follows them."""
    unread = iter(messages)

    async def replay() -> Message:
        return next(unread, None) or await receive()

    return replay


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
