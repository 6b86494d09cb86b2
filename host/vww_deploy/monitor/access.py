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
_NO_STORE: Final = (b"cache-control", b"no-store")
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


HEADERS: Final = (
    ("X-Frame-Options", "DENY"),
    (
        "Content-Security-Policy",
        # NiceGUI's page has inline scripts and styles, and evaluates the handlers that its server sends.
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Permissions-Policy", "camera=(), microphone=(), geolocation=(), usb=(), serial=(), bluetooth=(), payment=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""What every answer carries, those that refuse or fail too: no other site shows the page in a frame, holds on to its
window or reads its files, and the page itself fetches from nowhere else."""


class Guard:
    """ASGI middleware in front of everything, the web socket included.

    A request passes when

    - it names a place that the page has, in plain printable text: no other name comes to the server's log;
    - its ``Origin``, if it has one, is the page's own, and ``Sec-Fetch-Site``, which every browser of today sends and
      no script can change, says that no other site is behind it: none reaches the board through the user's browser.
      A link to the page is followed from anywhere;
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
        if not (_own_origin(headers) and _own_fetch(scope, headers) and (self._known(headers) or in_url)):
            await _refuse(scope, send, 403, "Open the address that vww-deploy monitor printed, with its token.")
            return
        if not _has_place(scope):
            await _refuse(scope, send, 404, "There is nothing here; the page is at /.")
            return
        await self._app(scope, receive, self._completed(send, new_cookie=in_url))

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

    def _completed(self, send: Send, *, new_cookie: bool) -> Send:
        """Answers with the cookie, and kept by no cache unless they say themselves that they may be."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if new_cookie:
                    cookie = f"{_COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
                    headers.append((b"set-cookie", cookie.encode()))
                if b"cache-control" not in (name.lower() for name, _ in headers):
                    headers.append(_NO_STORE)
                message["headers"] = headers
            await send(message)

        return sending


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


def _own_origin(headers: dict[str, str]) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False


def _own_fetch(scope: Message, headers: dict[str, str]) -> bool:
    """Whether the page itself, the user (an address typed, a bookmark) or no browser asks; or a link to the page."""
    if headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return True
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return followed and scope.get("method") == "GET" and scope["path"] == "/"


def _has_place(scope: Message) -> bool:
    path: str = scope["path"]
    known = path in ("/", "/favicon.ico") or path.startswith(("/_nicegui/", "/_nicegui_ws/"))
    return known and path.isascii() and path.isprintable()


async def _refuse(scope: Message, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    text = f"{'Not allowed' if status == 403 else 'Not found'}. {why}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        _NO_STORE,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _host(header: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
