"""The headers of every answer of a web page, looked at as ZAP's passive rules do; the numbers are the rules' own."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urljoin, urlsplit

FOREIGN = ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"})
"""What another site's request has, and one under a name that was pointed at this computer (DNS rebinding)."""
SOCKET = "_nicegui_ws/socket.io/?EIO=4&transport=polling"
_UNSAFE = ("'unsafe-inline'", "'unsafe-eval'")
"""In script-src and style-src: NiceGUI's page does not live without them."""


@dataclass(frozen=True)
class Answer:
    """What came of one request: ``what`` it was, its status, headers and body."""

    what: str
    status: int
    headers: Message
    body: bytes


def ask(url: str, headers: dict[str, str] | None = None, *, method: str = "GET", body: bytes | None = None) -> Answer:
    """One request; a refusal is an answer as any other."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(f"{method} {url}", answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(f"{method} {url} {headers or ''}", error.code, error.headers, error.read())


def answers(url: str, cookie: str = "") -> Iterator[Answer]:
    """Of every place of the page, of every file that it names, and of what is refused.

    Args:
        url: with the token, if there is one.
        cookie: that has the token, for all but the first request.
    """
    root = url.partition("?")[0]
    own = {"Cookie": cookie} if cookie else {}
    page = ask(url)
    yield page
    named = set(re.findall(r'"(/_nicegui/[^"]+?\.(?:m?js|css))"', page.body.decode()))
    assert len(named) > 20
    for place in ("favicon.ico", "nowhere", "_nicegui/x/y", SOCKET, *sorted(named)):
        yield ask(urljoin(root, place), own)
    for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "POST"):
        yield ask(root, own, method=method)
    yield ask(urljoin(root, "_nicegui/client/x/upload/1"), own, method="POST", body=b"x")
    yield ask(root, own | {"Content-Length": "999999999"}, method="POST", body=b"")
    for foreign in FOREIGN:
        for place in ("", "favicon.ico", sorted(named)[0], SOCKET):
            yield ask(urljoin(root, place), own | foreign)


def findings(answer: Answer) -> list[str]:
    """What ZAP would say; empty if nothing."""
    headers = answer.headers
    policy = {
        name: values
        for name, *values in (part.split() for part in headers.get("Content-Security-Policy", "").split(";") if part)
    }
    is_file = "/static/" in answer.what or "/components/" in answer.what or "/esm/" in answer.what
    rules = {
        "10020 frames": headers["X-Frame-Options"] == "DENY" and policy.get("frame-ancestors") == ["'none'"],
        "10021 nosniff": headers["X-Content-Type-Options"] == "nosniff",
        "10019, 90011 content type": not answer.body or _is_typed(headers),
        "10038 no policy": policy.get("default-src") == ["'self'"],
        "10055 a policy that is wide": _is_narrow(policy),
        "10063 no Permissions-Policy": "camera=()" in headers.get("Permissions-Policy", ""),
        "referrer": headers["Referrer-Policy"] == "no-referrer",
        "90004 isolation": [headers[f"Cross-Origin-{name}-Policy"] for name in ("Opener", "Resource", "Embedder")]
        == ["same-origin", "same-origin", "require-corp"],
        "10036, 10037 the server's name": not any(headers[name] for name in ("Server", "X-Powered-By", "Via")),
        "10015 kept by caches": is_file or headers["Cache-Control"] == "no-store",
        "10098 CORS": urlsplit(answer.what.split()[1]).netloc in headers.get("Access-Control-Allow-Origin", "own")
        or headers["Access-Control-Allow-Origin"] is None,
        "10010, 10054 cookies": all(
            "httponly" in cookie.lower() and "samesite=strict" in cookie.lower()
            for cookie in headers.get_all("Set-Cookie") or ()
        ),
    }
    return [f"{answer.what}: {answer.status}: {rule}" for rule, holds in rules.items() if not holds]


def _is_typed(headers: Message) -> bool:
    kind = headers.get("Content-Type", "")
    return "charset=utf-8" in kind.lower() if kind.startswith("text/") else "/" in kind


def _is_narrow(policy: dict[str, list[str]]) -> bool:
    """Nothing from elsewhere, and what is unsafe only where NiceGUI needs it."""
    allowed = {
        "script-src": {"'self'", *_UNSAFE},
        "style-src": {"'self'", _UNSAFE[0]},
        "img-src": {"'self'", "data:"},
        "font-src": {"'self'", "data:"},
    }
    rest = {"object-src", "base-uri", "form-action", "frame-ancestors"}
    return all(set(policy.get(name, "*")) <= values for name, values in allowed.items()) and all(
        policy.get(name) == ["'none'"] for name in rest
    )
