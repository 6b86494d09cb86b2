"""The MLPerf Tiny dialogue on the virtual board: a recorded one, as the public runner holds it, and our own."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path

import numpy as np
import pytest
import serial
from typer.testing import CliRunner

from vww_deploy.cli import build
from vww_deploy.graph.model import Model
from vww_deploy.graph.reference import Reference
from vww_deploy.hil import BoardUnderTest

pytestmark = pytest.mark.virtual

DIALOGUE = Path(__file__).parents[1] / "golden" / "mlperf_dialogue.txt"
ANSWER_TIMEOUT_S = 60


def exchanges() -> list[tuple[str, list[str]]]:
    """Commands with the lines that answer them; ``<n>`` is any number."""
    out: list[tuple[str, list[str]]] = []
    for line in DIALOGUE.read_text().splitlines():
        if line.startswith("> "):
            out.append((line[2:], []))
        else:
            out[-1][1].append(line[2:])
    return out


def open_port(board: BoardUnderTest) -> serial.Serial:
    return serial.Serial(board.port, 115200, timeout=ANSWER_TIMEOUT_S)


def test_the_recorded_dialogue(vww_board: BoardUnderTest, vww_model: Model) -> None:
    assert vww_model.graph.input_activation.shape == (96, 96, 1), "the transcript is of the shipped model's input"
    port = open_port(vww_board)
    results: dict[str, str] = {}
    for number, (command, expected) in enumerate(exchanges()):
        if number == 2:
            # After name and profile the runner closes the port and opens it again at once.
            port.close()
            port = open_port(vww_board)
        # The runner sends the percent sign by itself.
        port.write(command[:-1].encode())
        port.write(b"%")
        for line in expected:
            # A batch that would fill its last USB packet has one carriage return before it (vww_tx_buffer.cpp).
            said = port.readline().decode().strip("\r\n")
            pattern = re.escape(line).replace("<n>", "[0-9.]+")
            assert re.fullmatch(pattern, said), f"{command}: {said!r} instead of {line!r}"
            if said.startswith("m-results"):
                results[command] = said
    assert results["infer 20 5%"] == results["results%"]
    port.timeout = 0.3
    assert port.read(100) == b""
    port.close()


def test_both_modes_over_a_folder(
    vww_board: BoardUnderTest, vww_model: Model, vww_reference: Reference, tmp_path: Path
) -> None:
    rng = np.random.default_rng(8)
    height, width, channels = vww_model.graph.input_activation.shape
    pictures = rng.integers(0, 256, (6, height, width, channels), np.uint8)
    expected = [int(np.argmax(vww_reference.run((p ^ 0x80).view(np.int8)).reshape(-1))) for p in pictures]
    # Half of the labels are what the model says.
    truths = [label if i % 2 else 1 - label for i, label in enumerate(expected)]
    with (tmp_path / "y_labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows((f"{i}.bin", 2, truth) for i, truth in enumerate(truths))
    for i, picture in enumerate(pictures):
        (tmp_path / f"{i}.bin").write_bytes(picture.tobytes())
    started = time.monotonic()
    run = CliRunner().invoke(build(), ["mlperf", str(tmp_path), "--port", vww_board.port])
    assert run.exit_code == 0, run.output
    assert "MLPerf Tiny vww01 on vww-deploy virtual" in run.output
    assert "Top 1% = 50.0 of 6 samples" in run.output
    assert "inf./sec." not in run.output and " ms\n" not in run.output  # no time was measured
    assert re.search(r"Median is [0-9,]+ instructions \(estimate: \d+ ms on nano33ble\)", run.output)
    assert re.search(r"AUC = ([0-9.]+|-)", run.output)
    assert time.monotonic() - started < 280
