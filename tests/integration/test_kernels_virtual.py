"""Kernels on the virtual board: every layer of models that are not the shipped one's kind."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.channel_runs import model_in_runs
from vww_deploy.boards.flash import flash
from vww_deploy.boards.virtual import VirtualBoard
from vww_deploy.compiler import compile_model, layer_digest
from vww_deploy.graph import Reference
from vww_deploy.link.device import Device
from vww_deploy.link.transport import open_transport

pytestmark = [
    pytest.mark.virtual,
    pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs QEMU"),
    pytest.mark.skipif(shutil.which("arm-none-eabi-g++") is None, reason="needs the ARM compiler"),
]


def test_convolutions_in_runs_of_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path))
    compiled = compile_model(model_in_runs(0))
    picture = np.random.default_rng(0).integers(-128, 128, compiled.graph.input_activation.shape).astype(np.int8)
    expected = Reference(compiled.graph).run_all(picture)
    flash(compiled, "virtual")
    board = VirtualBoard()
    try:
        with Device.connect(open_transport(str(board.tty))) as device:
            digests = device.layer_digests(picture)
    finally:
        board.stop()
    assert digests == [layer_digest(expected[layer.activation.id]) for layer in compiled.layers]
