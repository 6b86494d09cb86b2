"""What a confined program can do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vww_deploy.boards import confine

pytestmark = pytest.mark.skipif(not confine.available(), reason="this system has no Landlock")


def test_it_reads_what_it_was_given_and_writes_nothing(tmp_path: Path) -> None:
    given, secret, new = (tmp_path / name for name in ("given", "secret", "new"))
    given.write_text("firmware")
    secret.write_text("secret")
    script = f"cat {given}; cat {secret}; echo x > {given}; echo x > {new}; rm {secret}; ls {tmp_path}"
    process = confine.start(["/bin/sh", "-c", script], [given], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, complaints = process.communicate(timeout=30)
    assert said == b"firmware"
    assert complaints.lower().count(b"permission denied") == 5
    assert given.read_text() == "firmware" and secret.read_text() == "secret" and not new.exists()
    assert secret.exists(), "the restriction is the child's alone"
