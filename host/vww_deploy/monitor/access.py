"""Who may talk to the web page: this computer only, or whoever has the token; never another site's scripts."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_COOKIE: Final = "vww_deploy_token"
_LOCAL_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def is_local(host: str) -> bool:
    """Whether an address to listen on can be reached from this computer only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(18)


class Guard:
    """ASGI middleware in front of everything, the web socket included.

    A request passes when

    - its ``Origin``, if it has one, is the page's own: no other site's script reaches the board through the user's
      browser;
    - without a token: its ``Host`` is a name of this computer, so that no foreign name can be pointed at it;
    - with a token: it carries the token in the URL, which is answered with a cookie, or in that cookie.

    Args:
        app: what is guarded.
        token: the token, or empty if the page listens on this computer only.
    """

    def __init__(self, app: App, token: str = "") -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        in_url = bool(self._token) and self._matches(parse_qs(scope["query_string"].decode("latin-1")).get("token"))
        if not self._own_origin(headers) or not (self._known(headers) or in_url):
            await self._refuse(scope, send)
            return
        await self._app(scope, receive, self._with_cookie(send) if in_url else send)

    def _known(self, headers: dict[str, str]) -> bool:
        if not self._token:
            return _host(headers.get("host", "")) in _LOCAL_NAMES
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._matches([cookie.value])

    def _matches(self, given: list[str] | None) -> bool:
        return bool(given) and given is not None and secrets.compare_digest(given[0].encode(), self._token.encode())

    def _own_origin(self, headers: dict[str, str]) -> bool:
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc == headers.get("host")

    def _with_cookie(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{_COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
                message["headers"] = [*message.get("headers", ()), (b"set-cookie", cookie.encode())]
            await send(message)

        return sending

    async def _refuse(self, scope: Message, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        text = b"Not allowed. Open the address that vww-deploy monitor printed, with its token.\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": text})


class BodyLimit:
    """ASGI middleware that takes no more than so many bytes of a request; what the page asks of browsers, the rest too.

    A request that says that it is longer is answered with 413; one that turns out to be is cut off.

    Args:
        app: what is guarded.
        most: bytes of a request's body.
    """

    def __init__(self, app: App, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or len(said) > 18 or int(said) > self._most:
            await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        taken = 0

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message if taken <= self._most else {"type": "http.disconnect"}

        await self._app(scope, receiving, send)


def _host(header: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
