"""`vww-deploy profile` on the shipped model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vww_deploy.cli import build


@pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None or shutil.which("qemu-system-arm") is None,
    reason="needs arm-none-eabi-g++ and qemu-system-arm",
)
def test_json_and_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "a, b"))  # QEMU's lists of options have commas
    listing = tmp_path / "listing.txt"
    result = CliRunner().invoke(build(), ["profile", "person_64_small", "--json", "--listing", str(listing)])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["instructions"] <= sum(f["instructions"] for f in found["functions"])
    assert {layer["kind"] for layer in found["layers"]} >= {"CONV_2D", "DEPTHWISE_CONV_2D", "SOFTMAX"}
    assert all(layer["instructions"] > 0 and layer["cycles"] > 0 for layer in found["layers"])
    lines = listing.read_text().splitlines()
    executed = sum(int(line.split()[1]) for line in lines if not line.endswith(":"))
    assert executed == found["instructions"]
