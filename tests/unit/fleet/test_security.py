"""Who may join a fleet: this machine, or who has its key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from vww_deploy.errors import FleetError
from vww_deploy.fleet.security import key_folder, make_key, security_for


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VWW_DEPLOY_STATE", str(tmp_path / "state"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.8.8"])
def test_this_machine_is_spoken_to_plainly(host: str) -> None:
    assert not security_for(f"tcp://{host}:8786").require_encryption


@pytest.mark.parametrize("host", ["192.168.1.9", "scheduler", "0.0.0.0", "[::]", "localhost.example.org"])
def test_beyond_this_machine_nothing_is_plain_and_the_command_that_helps_is_named(host: str) -> None:
    with pytest.raises(FleetError, match="not encrypted") as caught:
        security_for(f"tcp://{host}:8786")
    assert "vww-deploy fleet init" in caught.value.hint
    assert f"tls://{host}:8786" in caught.value.hint


@pytest.mark.parametrize("address", ["scheduler:8786", "tcp://127.0.0.1", "http://127.0.0.1:1", "tcp://[::1", ""])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(FleetError, match="no address of a fleet"):
        security_for(address)


def test_without_a_key_the_command_that_makes_one_is_named() -> None:
    with pytest.raises(FleetError, match="no key of a fleet") as caught:
        security_for("tls://scheduler:8786")
    assert "vww-deploy fleet init" in caught.value.hint


def test_the_key_is_its_owners_alone_and_makes_tls_of_every_connection() -> None:
    certificate, key = make_key()
    assert certificate.parent == key.parent == key_folder()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    security = security_for("tls://scheduler:8786")
    assert security.require_encryption
    for role in ("client", "scheduler", "worker"):
        assert security.get_tls_config_for_role(role)["key"] == str(key)


def test_a_key_is_never_replaced() -> None:
    _, key = make_key()
    before = key.read_bytes()
    with pytest.raises(FleetError, match="already"):
        make_key()
    assert key.read_bytes() == before
