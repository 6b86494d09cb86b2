"""The C++ codec against the same golden table as the Python one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "golden" / "frames.json").read_text())


def events_of(program: Path, wire: bytes) -> list[list[Any]]:
    said = subprocess.run([str(program), "decode"], input=wire, capture_output=True, check=True).stdout.decode()
    events: list[list[Any]] = []
    for line in said.splitlines():
        word, _, rest = line.partition(" ")
        if word == "frame":
            version, message_type, sequence, payload = rest.split(" ")
            events.append(["frame", int(version), int(message_type), int(sequence), payload])
        elif word == "text" and events and events[-1][0] == "text":
            events[-1][1] += rest
        elif word == "text":
            events.append(["text", rest])
        else:
            events.append([line])
    return events


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_golden_decoding(host_device: Path, case: dict[str, Any]) -> None:
    assert events_of(host_device, bytes.fromhex(case["wire"])) == case["events"]


def test_golden_encoding(host_device: Path) -> None:
    cases = [case for case in GOLDEN if "encode" in case]
    assert len(cases) > 10
    lines = "".join(f"{kind} {sequence} {payload or '-'}\n" for kind, sequence, payload in (c["encode"] for c in cases))
    said = subprocess.run([str(host_device), "encode"], input=lines, capture_output=True, check=True, text=True).stdout
    assert said.split() == [case["wire"] for case in cases]
