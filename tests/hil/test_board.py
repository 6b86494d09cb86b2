"""What a flashed board must do, the virtual one and unchanged a real one: pytest tests/hil --vww-board nano33ble"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vww_deploy.graph.model import Model
from vww_deploy.graph.reference import Reference
from vww_deploy.hil import (
    BoardDevice,
    BoardUnderTest,
    HilError,
    assert_accuracy,
    assert_bit_exact,
    assert_latency,
    assert_ram,
)
from vww_deploy.link.faults import Faults, FaultyTransport, LineFault
from vww_deploy.link.transport import open_transport
from vww_deploy.pictures.samples import write_samples
from vww_deploy.session import mlperf
from vww_deploy.session.verify import noise_inputs, verify

pytestmark = pytest.mark.virtual

Samples = list[tuple[str, np.ndarray, bool]]


@pytest.fixture(scope="module")
def samples(vww_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """scikit-image's photographs as inputs of the model, and whether a person is there."""
    paths: list[Path] = write_samples(tmp_path_factory.mktemp("samples"))
    return [(path.name, vww_model.to_input(Image.open(path)), path.parent.name == "person") for path in paths]


def test_results_are_the_references(vww_device: BoardDevice, vww_board: BoardUnderTest, samples: Samples) -> None:
    shape = vww_device.info.input_shape
    pictures = {name: picture for name, picture, _ in samples} | dict(noise_inputs(shape))
    assert_bit_exact(vww_device, vww_board, pictures)


def test_every_layer_is_the_references(vww_device: BoardDevice, vww_board: BoardUnderTest) -> None:
    inputs = noise_inputs(vww_device.info.input_shape, 1)
    for check in verify(vww_device, vww_board.compiled, inputs):
        assert check.layers == len(vww_board.compiled.layers)
        assert check.differing == ()


def test_photographs_are_told_as_by_the_reference(
    vww_device: BoardDevice, vww_board: BoardUnderTest, vww_reference: Reference, samples: Samples
) -> None:
    """How good a model is, ten pictures cannot say; but on the board it must be as good as on the host."""
    model = vww_board.model
    right = {
        name: (model.outputs.p_person(vww_reference.run(picture)) >= model.card.threshold) == person
        for name, picture, person in samples
    }
    accuracy = sum(right.values()) / len(samples)
    assert_accuracy(vww_device, vww_board, samples, at_least=accuracy)
    with pytest.raises(HilError) as caught:
        assert_accuracy(vww_device, vww_board, samples, at_least=accuracy + 0.01)
    assert {failure.name for failure in caught.value.failures} == {name for name in right if not right[name]}


def test_latency_does_not_depend_on_the_picture(vww_device: BoardDevice, samples: Samples) -> None:
    ticks = [result.ticks for result in vww_device.infer_many(picture for _, picture, _ in samples[:4])]
    assert max(ticks) - min(ticks) <= 0.001 * min(ticks)
    assert_latency(vww_device, max_us=1_000_000)


def test_ram_is_within_the_boards(vww_board: BoardUnderTest) -> None:
    assert_ram(vww_board, max_bytes=vww_board.board.ram_bytes)


@pytest.mark.vww_camera
def test_a_board_with_a_camera_says_so(vww_board: BoardUnderTest) -> None:
    assert vww_board.board.cameras


def test_a_reset_board_starts_from_nothing(vww_device: BoardDevice) -> None:
    assert vww_device.stats().inferences == 0


@pytest.mark.parametrize("kind", [*LineFault, "all"])
def test_a_bad_line_costs_no_result(
    vww_board: BoardUnderTest, vww_reference: Reference, samples: Samples, kind: LineFault | str
) -> None:
    """One fault in 20,000 bytes, each way: about one in two pictures; resets by the board's button, if it has one."""
    faults = Faults(5e-5, list(LineFault) if kind == "all" else {LineFault(kind)}, seed=2)
    port = open_transport(vww_board.port, vww_board.board.baudrate)
    transport = FaultyTransport(port, faults, reset=vww_board.press_reset)
    with BoardDevice.connect(transport) as device:
        results = list(device.infer_many(picture for _, picture, _ in samples))
    for (name, picture, _), result in zip(samples, results, strict=True):
        assert list(result.outputs) == vww_reference.run(picture).reshape(-1).tolist(), name
    assert transport.counts.total() > 0


def test_a_board_that_restarts_costs_no_result(
    vww_board: BoardUnderTest, vww_device: BoardDevice, vww_reference: Reference, samples: Samples
) -> None:
    """In the middle of uploads and of inferences, by whatever button there is."""
    for number, (name, picture, _) in enumerate(samples):
        if number % 3 == 1:
            vww_board.press_reset()
        result = vww_device.infer(picture)
        assert list(result.outputs) == vww_reference.run(picture).reshape(-1).tolist(), name


def test_the_benchmarks_console_gives_the_same_results(
    vww_board: BoardUnderTest, vww_reference: Reference, samples: Samples
) -> None:
    scale = vww_board.model.graph.output_activation.quantization
    transport = open_transport(vww_board.port, vww_board.board.baudrate)
    try:
        dut = mlperf.Dut(transport)
        assert dut.identify() == f"vww-deploy {vww_board.board.name}"
        for _, picture, _ in samples[:2]:
            dut.load((picture.view(np.uint8) ^ 0x80).tobytes())
            window = dut.infer(3, 1)
            expected = (vww_reference.run(picture).reshape(-1) - np.float32(scale.zero_point)) * scale.scale
            assert window.results == pytest.approx(expected[:2], abs=0.0006)
            assert window.elapsed_us > 0
    finally:
        transport.close()
