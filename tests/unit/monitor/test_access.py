"""Who may talk to the page: checked on the middleware alone, in front of an application that says yes to all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vww_deploy.monitor.access import BodyLimit, Guard, is_local, new_token


def ask(
    token: str = "", kind: str = "http", query: str = "", path: str = "/", **headers: str
) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the application was reached, and what was sent."""
    reached = False
    sent: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal reached
        reached = True
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope = {
        "type": kind,
        "path": path,
        "method": "GET",
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(application, token)(scope, receive, send))
    return reached, sent


@pytest.mark.parametrize("host", ["127.0.0.1:8427", "localhost:8427", "[::1]:8427", "LOCALHOST"])
def test_this_computers_names_pass(host: str) -> None:
    assert ask(host=host)[0]


@pytest.mark.parametrize("host", ["evil.example:8427", "127.0.0.1.evil.example", "", "[", "192.168.0.7"])
def test_other_names_do_not_even_when_they_point_here(host: str) -> None:
    reached, sent = ask(host=host)
    assert not reached
    assert sent[0]["status"] == 403


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_another_sites_script_does_not_pass(kind: str) -> None:
    assert not ask(kind=kind, host="127.0.0.1:8427", origin="https://evil.example")[0]
    assert not ask(kind=kind, host="127.0.0.1:8427", origin="http://127.0.0.1:9999")[0]
    assert not ask(kind=kind, host="127.0.0.1:8427", origin="null")[0]
    assert ask(kind=kind, host="127.0.0.1:8427", origin="http://127.0.0.1:8427")[0]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])  # same-site: another port of this computer, too
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_what_another_site_fetches_does_not_pass(kind: str, site: str) -> None:
    assert not ask(kind=kind, host="127.0.0.1", sec_fetch_site=site)[0]
    assert not ask(kind=kind, host="127.0.0.1", sec_fetch_site=site, sec_fetch_mode="no-cors")[0]
    for own in ("same-origin", "none"):
        assert ask(kind=kind, host="127.0.0.1", sec_fetch_site=own)[0]


def test_a_link_to_the_page_is_followed_but_not_into_a_frame_or_to_elsewhere() -> None:
    link = {"host": "127.0.0.1", "sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert ask(**link, sec_fetch_dest="document")[0]
    assert not ask(**link, sec_fetch_dest="iframe")[0]
    assert not ask(path="/_nicegui/x", **link, sec_fetch_dest="document")[0]


@pytest.mark.parametrize(
    "path", ["/x", "/\x1b]0;owned\x07", "/_nicegui/\x1b[31m", "/_nicegui/a\nb", "//", "/_nicegui/\u202e"]
)
def test_places_that_the_page_does_not_have_never_reach_the_application_and_its_log(path: str) -> None:
    reached, sent = ask(path=path, host="127.0.0.1")
    assert not reached
    assert sent[0]["status"] == 404
    assert path.encode() not in sent[1]["body"]


def test_a_refused_web_socket_is_closed() -> None:
    _, sent = ask(kind="websocket", host="evil.example")
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("query", ["", "token=", "token=wrong", "token=%ff", "other=secret"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_without_the_token_nothing_passes(query: str, kind: str) -> None:
    assert not ask("secret", kind, query, host="127.0.0.1")[0]
    assert not ask("secret", kind, query, host="127.0.0.1", cookie="vww_deploy_token=wrong; a=b")[0]
    assert not ask("secret", kind, query, host="127.0.0.1", cookie="=;;=")[0]


def test_the_token_in_the_url_is_answered_with_a_cookie_that_passes() -> None:
    reached, sent = ask("secret", query="token=secret", host="192.168.0.7:8427")
    assert reached
    headers = dict(sent[0]["headers"])
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"set-cookie"] == b"vww_deploy_token=secret; Path=/; HttpOnly; SameSite=Strict"
    assert ask("secret", "websocket", host="192.168.0.7:8427", cookie="vww_deploy_token=secret")[0]


def test_the_token_does_not_open_the_door_to_other_sites() -> None:
    cookie = "vww_deploy_token=secret"
    assert not ask("secret", host="192.168.0.7:8427", origin="https://evil.example", cookie=cookie)[0]


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_which_addresses_need_a_token(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_tokens_are_long_and_differ() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 24


@pytest.mark.parametrize(
    ("said", "pieces", "status", "taken"),
    [
        ("10", [10], 200, 10),
        ("11", [11], 413, 0),
        ("-1", [1], 413, 0),
        ("9" * 5000, [1], 413, 0),
        (None, [5, 5], 200, 10),
        (None, [5, 5, 5, 5], 200, 10),
    ],
)
def test_a_request_is_no_longer_than_it_may_be(said: str | None, pieces: list[int], status: int, taken: int) -> None:
    waiting = [{"type": "http.request", "body": bytes(size), "more_body": True} for size in pieces]
    sent: list[Any] = []
    read = 0

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal read
        for _ in pieces:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            read += len(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return waiting.pop(0)

    headers = [] if said is None else [(b"content-length", said.encode())]
    asyncio.run(BodyLimit(application, 10)({"type": "http", "headers": headers}, receive, send))
    assert sent[0]["status"] == status
    assert read == taken
