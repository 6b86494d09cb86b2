"""Models and pictures on a machine, by their hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from vww_deploy.errors import FleetError
from vww_deploy.fleet.blobs import Blobs


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_only_what_is_missing_has_to_travel(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "b")
    blobs.put(sha(b"one"), b"one")
    assert blobs.missing([sha(b"one"), sha(b"two")]) == [sha(b"two")]
    assert blobs.read(sha(b"one")) == b"one"


def test_bytes_of_another_hash_are_refused(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "b")
    with pytest.raises(FleetError, match="another SHA-256"):
        blobs.put(sha(b"one"), b"two")
    assert blobs.missing([sha(b"one")])


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_a_name_that_is_no_hash_leads_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(FleetError, match="no SHA-256"):
        Blobs(tmp_path / "b").path(name)


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "b")
    for age, data in enumerate([b"1111", b"2222", b"3333"]):
        blobs.put(sha(data), data)
        os.utime(blobs.path(sha(data)), (1000 + age, 1000 + age))
    blobs.missing([sha(b"1111")])  # asked for: used now
    blobs.prune(8)
    assert blobs.missing(map(sha, [b"1111", b"2222", b"3333"])) == [sha(b"2222")]
