"""Ports that cannot be opened: each says what is wrong and what to do."""

from __future__ import annotations

import errno
import os
import pty
from pathlib import Path

import pytest
import serial

from vww_deploy.errors import LinkError
from vww_deploy.link import transport as transport_module
from vww_deploy.link.transport import WRITE_PIECE_BYTES, open_transport


def test_no_such_port() -> None:
    with pytest.raises(LinkError, match=r"/dev/ttyNOWHERE: there is no such port") as caught:
        open_transport("/dev/ttyNOWHERE")
    assert "vww-deploy boards" in caught.value.hint


def test_a_port_that_another_program_holds() -> None:
    master, slave = pty.openpty()
    port = os.ttyname(slave)
    try:
        first = open_transport(port)
        with pytest.raises(LinkError, match="another program has it open") as caught:
            open_transport(port)
        assert "fuser" in caught.value.hint
        first.close()
        open_transport(port).close()
    finally:
        os.close(master)
        os.close(slave)


def test_a_port_without_permission(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    port = tmp_path / "tty"
    port.touch()
    monkeypatch.setattr("serial.serialposix.os.open", refused)
    with pytest.raises(LinkError, match="no permission") as caught:
        open_transport(str(port))
    assert "dialout" in caught.value.hint


def test_a_file_is_no_port(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(LinkError, match="not a serial port"):
        open_transport(str(path))


@pytest.mark.parametrize("url", ["socket://127.0.0.1:1", "rfc2217://127.0.0.1:1", "nonsense://x"])
def test_urls_that_lead_nowhere(url: str) -> None:
    with pytest.raises(LinkError, match=url.split(":")[0]):
        open_transport(url)


def test_the_port_that_vanishes() -> None:
    master, slave = pty.openpty()
    transport = open_transport(os.ttyname(slave))
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkError, match="the board is gone") as caught:
        for _ in range(3):
            transport.read(0.1)
    assert isinstance(caught.value.__cause__, (serial.SerialException, OSError))
    with pytest.raises(LinkError, match="the board is gone"):
        transport.write(b"x")
    transport.close()
    transport.close()


def test_a_board_that_takes_bytes_slowly_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to write is for a piece: one that is so long is not given up while it goes on."""
    master, slave = pty.openpty()
    transport = open_transport(os.ttyname(slave))
    pieces: list[bytes] = []

    def take(data: bytes) -> int:
        if len(data) > WRITE_PIECE_BYTES:
            raise serial.SerialTimeoutException("Write timeout")
        pieces.append(data)
        return len(data)

    monkeypatch.setattr(transport._serial, "write", take)
    data = os.urandom(5 * WRITE_PIECE_BYTES + 7)
    transport.write(data)
    assert b"".join(pieces) == data
    transport.close()
    for end in (master, slave):
        os.close(end)


def test_a_board_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "WRITE_TIMEOUT_S", 0.05)
    master, slave = pty.openpty()
    transport = open_transport(os.ttyname(slave))
    with pytest.raises(LinkError, match="takes no more bytes"):
        transport.write(bytes(1 << 20))
    transport.close()
    for end in (master, slave):
        os.close(end)
