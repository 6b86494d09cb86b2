"""Forms of ``.tflite`` that are not full int8: each is called what it is, with what makes an int8 model of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from vww_deploy.errors import ModelError
from vww_deploy.graph.tflite_file import FileOperator, FileTensor, TfliteFile

_WEIGHTED: Final = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_MOST_LISTED: Final = 4  # outputs whose names are listed
_DECODERS: Final = ("CUSTOM 'TFLite_Detection_PostProcess'", "CUSTOM 'PosenetDecoderOp'")
_FLOATS: Final = ("FLOAT32", "FLOAT16")
_QUANTIZE: Final = "make it one: vww-deploy quantize {} PICTURES/ -o {}"
CONVERT: Final = (
    "convert the float model again for full int8: TFLiteConverter with a representative dataset, "
    "target_spec.supported_ops = [TFLITE_BUILTINS_INT8], inference_input_type and inference_output_type int8; "
    "or: vww-deploy quantize FLOAT_MODEL PICTURES/"
)


def check_accelerator(file: TfliteFile) -> None:
    """Raise ModelError, with what to do, if a file is compiled for an accelerator."""
    for operator in file.operators:
        if operator.kind.startswith("CUSTOM 'edgetpu"):
            raise ModelError(
                f"{file.name}: compiled for the Edge TPU (Coral): its layers are hidden in {operator.kind}",
                hint="take the int8 .tflite that it was made from: the same name without _edgetpu",
            )
        if operator.kind.startswith("CUSTOM 'ethos"):
            raise ModelError(
                f"{file.name}: compiled by Vela for Arm's Ethos-U: its layers are hidden in {operator.kind}",
                hint="take the int8 .tflite that it was made from: the same name without _vela",
            )


def check_ends(file: TfliteFile) -> None:
    """Raise ModelError, with what to do, if a file has not one input and one output."""
    if len(file.inputs) == len(file.outputs) == 1:
        return
    outputs = [file.tensors[i] for i in file.outputs]
    listed = ", ".join(f"'{tensor.name[:40]}' {list(tensor.shape)}" for tensor in outputs[:_MOST_LISTED])
    more = ", ..." if len(outputs) > _MOST_LISTED else ""
    if len(file.inputs) != 1:
        hint = "convert the model with a single picture as its input; a fixed second input can be a constant in it"
    elif any(_is_of_boxes(tensor) for tensor in outputs) or any(op.kind in _DECODERS for op in file.operators):
        hint = "it finds boxes or points, which are no single answer: take a classifier or a map of cells (FOMO)"
    else:
        hint = (
            "convert it again with the output that answers; of a Keras model the first one: "
            "tf.keras.Model(model.input, model.outputs[0])"
        )
    raise ModelError(
        f"{file.name}: {len(file.inputs)} inputs and {len(outputs)} outputs ({listed}{more}); one of each is needed",
        hint=hint,
    )


def _is_of_boxes(tensor: FileTensor) -> bool:
    """Whether an output has four numbers, or some more, for each of many places or things."""
    return len(tensor.shape) == 3 and tensor.shape[1] > 1 and tensor.shape[2] >= 4


def check_form(file: TfliteFile, path: Path) -> None:
    """Raise ModelError, with what to do, if a file is not full int8."""
    weighted = [op for op in file.operators if op.kind in _WEIGHTED and len(op.inputs) > 1 and op.outputs]
    if not weighted or any(min(op.inputs[0], op.inputs[1], op.outputs[0]) < 0 for op in weighted):
        return
    tensors = file.tensors
    first = weighted[0]
    given = {tensors[op.inputs[0]].dtype for op in weighted}
    weights = {tensors[op.inputs[1]].dtype for op in weighted}
    if given <= set(_FLOATS):
        what = "a float model"
        if "INT8" in weights:
            what = "a dynamic-range quantised model: int8 weights, but float activations"
        elif "FLOAT16" in weights or _widened(file, weighted):
            what = "a float16 model"
        raise ModelError(
            f"{file.name}: {what} ({first.kind} '{tensors[first.outputs[0]].name[:60]}' computes in "
            f"{tensors[first.inputs[0]].dtype}); int8 is needed",
            hint=_QUANTIZE.format(shlex.quote(str(path)), shlex.quote(f"{path.stem}_int8.tflite")),
        )
    floats = [op for op in weighted if tensors[op.inputs[0]].dtype in _FLOATS]
    if floats:
        raise ModelError(
            f"{file.name}: a partly quantised model: {len(floats)} of {len(weighted)} layers with weights compute in "
            f"floating point ({floats[0].kind} '{tensors[floats[0].outputs[0]].name[:60]}' and others); int8 is needed",
            hint=CONVERT,
        )
    if "INT16" in given:
        raise ModelError(
            f"{file.name}: a 16x8 model, int16 activations with int8 weights; int8 activations are needed",
            hint=CONVERT,
        )


def _widened(file: TfliteFile, weighted: list[FileOperator]) -> bool:
    """Whether weights are float16 constants that a DEQUANTIZE widens."""
    widened = {
        op.outputs[0]
        for op in file.operators
        if op.kind == "DEQUANTIZE" and op.inputs and file.tensors[op.inputs[0]].dtype == "FLOAT16"
    }
    return any(op.inputs[1] in widened for op in weighted)
