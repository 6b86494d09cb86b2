"""Reading .tflite files: what is folded, what is repaired, what is refused and how it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.random_models import RandomModel, random_model
from tests.support.tflite_writer import ModelWriter, options
from vww_deploy.compiler import HostEngine, compile_model
from vww_deploy.errors import ModelError
from vww_deploy.graph import Reference, read_model
from vww_deploy.graph.multipliers import activation_clamp, quantize_multiplier
from vww_deploy.graph.operators.conv2d import Conv2D
from vww_deploy.graph.operators.mean import Mean


def refusal(model: bytes) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read_model(model)
    return caught.value


def with_outputs(*shapes: tuple[int, ...]) -> bytes:
    """A model whose outputs have these shapes, each made of a part of the picture."""
    model = RandomModel(np.random.default_rng(1), 8, 8, 3)
    model.conv(kernel=3, stride=1)
    ends: list[int] = []
    for shape in shapes:
        scale, zero_point = model.now.scale, model.now.zero_point
        ends.append(model.writer.tensor(shape, scale=scale, zero_point=zero_point, name=f"end{len(ends)}"))
        size = model.writer.tensor((len(shape),), dtype="INT32", data=np.array(shape))
        model.writer.op("RESHAPE", [model.now.index, size], [ends[-1]], options("ReshapeOptions"))
    return model.writer.write([model.input.index], ends)


# --- files that are no models ---


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "nothing.tflite"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"nothing\.tflite: the file is empty") as caught:
        read_model(path)
    assert caught.value.hint


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_model(tmp_path / "absent.tflite")


def test_something_else() -> None:
    assert "not a .tflite file" in refusal(b"\x89PNG\r\n\x1a\n" * 10).message


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_random_bytes(data: bytes) -> None:
    assert refusal(data[:4] + b"TFL3" + data[4:]).message


def test_several_outputs_are_told_and_what_to_do_about_them() -> None:
    said = refusal(with_outputs((1, 2), (1, 10)))
    assert "1 inputs and 2 outputs ('end0' [1, 2], 'end1' [1, 10]); one of each is needed" in said.message
    assert "tf.keras.Model(model.input, model.outputs[0])" in said.hint
    detector = refusal(with_outputs((1, 30, 4), (1, 30, 2)))
    assert "[1, 30, 4]" in detector.message and "a map of cells (FOMO)" in detector.hint
    assert "outputs[0]" not in detector.hint
    many = refusal(with_outputs(*[(1, 2)] * 6))
    assert "6 outputs" in many.message and "'end3' [1, 2], ...)" in many.message


def test_every_truncation(mobilenet: bytes) -> None:
    for size in range(0, len(mobilenet) - 1, 97):
        assert refusal(mobilenet[:size]).message


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_damage_is_refused_or_harmless(mobilenet: bytes, seed: int) -> None:
    """A flatbuffer has no checksum: flipped bytes may go unseen, but never as anything but a ModelError."""
    random = np.random.default_rng(seed)
    data = bytearray(mobilenet)
    for position in random.integers(0, len(data), int(random.integers(1, 8))):
        data[position] = int(random.integers(256))
    try:
        graph = read_model(bytes(data))
    except ModelError:
        return
    if graph.input_activation.size < 1 << 16:
        compile_or_refuse(bytes(data))


def compile_or_refuse(model: bytes) -> None:
    try:
        compile_model(model)
    except ModelError as error:
        assert error.message


# --- models that cannot be compiled ---


def test_unsupported_operators_are_all_named() -> None:
    model = RandomModel(np.random.default_rng(1), 8, 8, 3)
    model.conv()
    for kind in ("EXP", "CUMSUM"):
        source, out = model.now, model.output(model.now.shape)
        model.writer.op(kind, [source.index], [out.index])
        model.conv()
    error = refusal(model.finish())
    assert "1 EXP 't4': this operator is not supported" in error.message
    assert "3 CUMSUM 't8': this operator is not supported" in error.message
    assert "CONV_2D" in error.hint


def test_float_model() -> None:
    writer = ModelWriter()
    source = writer.tensor((1, 4, 4, 1), dtype="FLOAT32")
    weights = writer.tensor((2, 3, 3, 1), dtype="FLOAT32", data=np.ones((2, 3, 3, 1)))
    bias = writer.tensor((2,), dtype="FLOAT32", data=np.zeros(2))
    out = writer.tensor((1, 4, 4, 2), dtype="FLOAT32", name="result")
    fields = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    writer.op("CONV_2D", [source, weights, bias], [out], options("Conv2DOptions", Padding=0, **fields))
    error = refusal(writer.write([source], [out]))
    assert "float model (CONV_2D 'result' computes in FLOAT32)" in error.message
    assert "quantize" in error.hint


@pytest.mark.parametrize("dtype", ["INT8", "FLOAT32"])
def test_an_operator_without_an_output(dtype: str) -> None:
    writer = ModelWriter()
    a, b = writer.tensor((1, 2, 2, 1), dtype=dtype), writer.tensor((1, 2), dtype=dtype)
    writer.op("CONV_2D", [a], [])
    with pytest.raises(ModelError, match="leads nowhere"):
        read_model(writer.write([a], [b]))


@pytest.mark.parametrize(("inputs", "outputs"), [([-1], [0]), ([0], [-1])])
def test_an_input_or_output_that_is_no_tensor(inputs: list[int], outputs: list[int]) -> None:
    writer = ModelWriter()
    writer.tensor((1, 2, 2, 1), dtype="FLOAT32")
    with pytest.raises(ModelError, match="leads nowhere"):
        read_model(writer.write(inputs, outputs))


def test_uint8_where_litert_computes_in_floating_point() -> None:
    model = RandomModel(np.random.default_rng(1), 4, 4, 2, "UINT8")
    model.resize("RESIZE_BILINEAR")
    assert "floating point" in refusal(model.finish()).message


def test_batches() -> None:
    writer = ModelWriter()
    source = writer.tensor((2, 4, 4, 2), scale=1.0)
    out = writer.tensor((2, 4, 4, 2), scale=2.0)
    writer.op("QUANTIZE", [source], [out])
    assert "batch 1" in refusal(writer.write([source], [out])).message


def test_two_inputs() -> None:
    writer = ModelWriter()
    left, right = writer.tensor((1, 4, 4, 2), scale=1.0), writer.tensor((1, 4, 4, 2), scale=1.0)
    out = writer.tensor((1, 4, 4, 2), scale=2.0)
    writer.op("ADD", [left, right], [out], options("AddOptions"))
    assert "2 inputs" in refusal(writer.write([left, right], [out])).message


def test_giants_are_refused_before_anything_is_computed() -> None:
    writer = ModelWriter()
    source = writer.tensor((1, 4000, 4000, 3), scale=1.0, name="picture")
    out = writer.tensor((1, 4000, 4000, 3), scale=2.0)
    writer.op("QUANTIZE", [source], [out])
    refused = refusal(writer.write([source], [out]))
    assert "48,000,000 values" in refused.message and "smaller pictures" in refused.hint


def test_two_writers_of_one_tensor() -> None:
    writer = ModelWriter()
    source, out = writer.tensor((1, 4, 4, 2), scale=1.0), writer.tensor((1, 4, 4, 2), scale=2.0)
    for _ in range(2):
        writer.op("QUANTIZE", [source], [out])
    message = refusal(writer.write([source], [out])).message
    assert "two operators write one tensor" in message and "cut off" not in message


def test_options_of_another_operator() -> None:
    model = RandomModel(np.random.default_rng(1), 1, 1, 4)
    source, out = model.now, model.output((1, 1, 1, 4))
    model.writer.op("SOFTMAX", [source.index], [out.index], options("AddOptions", FusedActivationFunction=1))
    assert "0 SOFTMAX 't1': its options are another operator's (AddOptions)" in refusal(model.finish()).message


@pytest.mark.parametrize("beta", [0.0, -1.0])
def test_a_softmax_at_which_the_reference_aborts(beta: float) -> None:
    model = RandomModel(np.random.default_rng(1), 1, 1, 4)
    source, out = model.now, model.output((1, 1, 1, 4), 1 / 256, -128)
    model.writer.op("SOFTMAX", [source.index], [out.index], options("SoftmaxOptions", Beta=beta))
    error = refusal(model.finish())
    assert f"beta {beta:g}; a number above 0 is needed" in error.message
    assert "SOFTMAX" not in error.hint, "the operator itself is supported"


def test_a_softmax_so_flat_that_the_reference_aborts() -> None:
    model = RandomModel(np.random.default_rng(1), 1, 1, 4)
    source, out = model.now, model.output((1, 1, 1, 4), 1 / 256, -128)
    model.writer.op("SOFTMAX", [source.index], [out.index], options("SoftmaxOptions", Beta=1e-9))
    assert "so small that LiteRT aborts" in refusal(model.finish()).message


def test_a_hard_swish_of_giants() -> None:
    model = RandomModel(np.random.default_rng(1), 2, 2, 4)
    first, source = model.now, model.output((1, 2, 2, 4), 5e7, 0)
    model.writer.tensors[first.index]["scales"] = np.array([5e7], np.float32)
    model.writer.op("QUANTIZE", [first.index], [source.index], options("QuantizeOptions"))
    out = model.output((1, 2, 2, 4), 6e7, 0)
    model.writer.op("HARD_SWISH", [source.index], [out.index], options("HardSwishOptions"))
    assert "LiteRT's own arithmetic overflows" in refusal(model.finish()).message


def test_scales_at_which_the_references_arithmetic_overflows() -> None:
    model = RandomModel(np.random.default_rng(1), 4, 4, 2)
    source, out = model.now, model.output((1, 4, 4, 2), model.now.scale * 2.0**-30, 0)
    model.writer.op("QUANTIZE", [source.index], [out.index], options("QuantizeOptions"))
    assert "LiteRT's own arithmetic overflows" in refusal(model.finish()).message


# --- what is folded ---


def exact(model: bytes) -> None:
    compiled = compile_model(model)
    engine, reference = HostEngine(compiled), Reference(compiled.graph)
    random = np.random.default_rng(0)
    for _ in range(3):
        picture = random.integers(-128, 128, compiled.graph.input_activation.shape).astype(np.int8)
        np.testing.assert_array_equal(engine.run(picture), reference.run(picture))


def edges(dtype: str) -> bytes:
    """A model whose input and output are uint8 or float, its core int8."""
    inner = RandomModel(np.random.default_rng(2), 6, 6, 3)
    writer = inner.writer
    first = inner.now
    scales: dict[str, Any] = {} if dtype == "FLOAT32" else {"scale": first.scale, "zero_point": first.zero_point + 128}
    source = writer.tensor(first.shape, dtype=dtype, **scales)
    writer.op("QUANTIZE", [source], [first.index], options("QuantizeOptions"))
    inner.conv()
    last = inner.now
    scales = {} if dtype == "FLOAT32" else {"scale": last.scale, "zero_point": last.zero_point + 128}
    out = writer.tensor(last.shape, dtype=dtype, **scales)
    writer.op("DEQUANTIZE" if dtype == "FLOAT32" else "QUANTIZE", [last.index], [out])
    return writer.write([source], [out])


@pytest.mark.parametrize("dtype", ["UINT8", "FLOAT32"])
def test_edges_present_the_int8_core(dtype: str) -> None:
    graph = read_model(edges(dtype))
    assert [op.kind for op in graph.ops] == ["CONV_2D"]
    assert graph.folded
    exact(edges(dtype))


def test_pad_folds_into_the_convolution() -> None:
    model = RandomModel(np.random.default_rng(4), 9, 7, 2)
    amounts = model.writer.tensor((4, 2), dtype="INT32", data=np.array([[0, 0], [1, 2], [2, 0], [0, 0]]))
    source, out = model.now, model.output((1, 12, 9, 2), model.now.scale, model.now.zero_point)
    model.writer.op("PAD", [source.index, amounts], [out.index])
    model.conv(kernel=3, stride=2)
    graph = read_model(model.finish())
    assert [op.kind for op in graph.ops] == ["CONV_2D"]
    assert isinstance(graph.ops[0], Conv2D)
    assert graph.ops[0].window.padding.top >= 1
    exact(model.finish())


def test_paddings_are_whole_numbers() -> None:
    """Halves were once cut off in silence, and numpy warned of what is no number."""
    model = RandomModel(np.random.default_rng(4), 9, 7, 2)
    amounts = model.writer.tensor((4, 2), dtype="FLOAT32", data=np.array([[0, 0], [1.5, 2], [2, 0], [0, 0]]), name="p")
    source, out = model.now, model.output((1, 12, 9, 2), model.now.scale, model.now.zero_point)
    model.writer.op("PAD", [source.index, amounts], [out.index])
    assert "'p' is float32; whole numbers are needed" in refusal(model.finish()).message


def test_dynamic_batch_tail_folds() -> None:
    model = RandomModel(np.random.default_rng(6), 1, 1, 4)
    model.pointwise()
    writer, source = model.writer, model.now
    shape = writer.tensor((4,), dtype="INT32")
    zero, one = (writer.tensor((1,), dtype="INT32", data=np.array([n])) for n in (0, 1))
    batch = writer.tensor((), dtype="INT32")
    size = writer.tensor((), dtype="INT32", data=np.array(source.shape[3]))
    packed = writer.tensor((2,), dtype="INT32")
    writer.op("SHAPE", [source.index], [shape], options("ShapeOptions", OutType=2))
    writer.op("STRIDED_SLICE", [shape, zero, one, one], [batch], options("StridedSliceOptions", ShrinkAxisMask=1))
    writer.op("PACK", [batch, size], [packed], options("PackOptions", ValuesCount=2, Axis=0))
    out = model.output((1, source.shape[3]), source.scale, source.zero_point)
    writer.op("RESHAPE", [source.index, packed], [out.index])
    graph = read_model(model.finish())
    assert [op.kind for op in graph.ops] == ["CONV_2D"]
    exact(model.finish())


@pytest.mark.parametrize("axes", [(3, 2), (2, 2), (2, 3)])
def test_transposed_means(axes: tuple[int, int]) -> None:
    """PyTorch's export: channels first, then a mean over one axis after the other."""
    model = RandomModel(np.random.default_rng(7), 5, 6, 3)
    model.conv(kernel=3, stride=1)
    writer, source = model.writer, model.now
    _, h, w, c = source.shape
    order = writer.tensor((4,), dtype="INT32", data=np.array([0, 3, 1, 2]))
    turned = model.output((1, c, h, w), source.scale, source.zero_point)
    writer.op("TRANSPOSE", [source.index, order], [turned.index], options("TransposeOptions"))
    if axes == (2, 3):
        both = writer.tensor((2,), dtype="INT32", data=np.array(axes))
        out = model.output((1, c), source.scale, source.zero_point)
        writer.op("MEAN", [turned.index, both], [out.index], options("ReducerOptions", KeepDims=False))
    else:
        for axis in axes:
            shape = tuple(d for i, d in enumerate(model.now.shape) if i != axis)
            index = writer.tensor((1,), dtype="INT32", data=np.array([axis]))
            before, out = model.now, model.output(shape, source.scale, source.zero_point)
            writer.op("MEAN", [before.index, index], [out.index], options("ReducerOptions", KeepDims=False))
    graph = read_model(model.finish())
    assert all(isinstance(op, Conv2D | Mean) for op in graph.ops)
    exact(model.finish())


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_first_input(channels: int) -> None:
    """PyTorch's export begins with a TRANSPOSE."""
    model = RandomModel(np.random.default_rng(8), 1, 1, 1)
    writer = model.writer = ModelWriter()
    index = writer.tensor((1, channels, 6, 5), scale=0.5, zero_point=3, name="input")
    model.input.index = index
    order = writer.tensor((4,), dtype="INT32", data=np.array([0, 2, 3, 1]))
    turned = model.output((1, 6, 5, channels), 0.5, 3)
    writer.op("TRANSPOSE", [index, order], [turned.index], options("TransposeOptions"))
    model.conv(kernel=3, stride=1)
    assert read_model(model.finish()).input_activation.shape == (6, 5, channels)
    exact(model.finish())


def test_impossible_quantized_dimension_is_repaired(shared: Path) -> None:
    graph = read_model(shared / "models" / "person_detect.tflite")
    assert "quantized_dimension" in graph.notices[0]
    assert Reference(graph).run(np.zeros((96, 96, 1), np.int8)).shape == (1, 1, 2)


def test_person_detect_on_its_own_pictures(shared: Path) -> None:
    """The outputs that TFLM gives for the two pictures of its example."""
    graph = read_model(shared / "models" / "person_detect.tflite")
    engine = HostEngine(compile_model(graph))
    for name, expected in (("tflm_person", [-113, 113]), ("tflm_no_person", [57, -57])):
        data = (shared / "models" / "pictures" / f"{name}.bmp").read_bytes()
        picture = np.frombuffer(data[-96 * 96 :], np.int8).reshape(96, 96, 1)[::-1]
        assert engine.run(picture).ravel().tolist() == expected


# --- numbers ---


@pytest.mark.parametrize(
    ("real", "expected"),
    [(1.0, (1 << 30, 1)), (0.5, (1 << 30, 0)), (0.0, (0, 0)), (2.0**-40, (0, 0)), (1 - 2.0**-40, (1 << 30, 1))],
)
def test_multipliers(real: float, expected: tuple[int, int]) -> None:
    assert quantize_multiplier(real) == expected


def test_clamps() -> None:
    assert activation_clamp("NONE", 0.1, 3) == (-128, 127)
    assert activation_clamp("RELU", 0.1, 3) == (3, 127)
    assert activation_clamp("RELU6", 0.1, 3) == (3, 63)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-39, 3e-11])
def test_no_clamp_of_endless_range(scale: float) -> None:
    """numpy once warned about it, over the reader's own words; LiteRT's pools clamp to what lay in memory."""
    with pytest.raises(ValueError, match=f"scale of {scale:g}"):
        activation_clamp("RELU6", scale, 0)


def test_options_outside_the_file() -> None:
    """Options are read when an operator is; these damages once left the reader as struct.error."""
    for seed in (1252, 1540, 1612, 1886, 2118):
        data = bytearray(random_model(seed % 50))
        random = np.random.default_rng(seed)
        for position in random.integers(0, len(data), int(random.integers(1, 6))):
            data[position] = int(random.choice([0, 255, 128, int(random.integers(256))]))
        assert "malformed" in refusal(bytes(data)).message
