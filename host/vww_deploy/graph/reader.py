"""From a .tflite file to a normalised :class:`~vww_deploy.graph.ir.Graph`.

Normalising: QUANTIZE/DEQUANTIZE at the edges become the tensor's own type, shape arithmetic and reshapes that move
nothing fold away, strips of rows are joined, PAD folds into the convolution behind it, paddings become explicit, scales
become fixed-point multipliers. What cannot be compiled is refused, all of it at once, by operator, tensor name and
reason.
"""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import Final

from vww_deploy.errors import ModelError
from vww_deploy.graph.forms import CONVERT, check_accelerator, check_ends, check_form
from vww_deploy.graph.ir import Graph, Op
from vww_deploy.graph.operators import READERS
from vww_deploy.graph.operators.pad import fold_padding
from vww_deploy.graph.operators.reshape import Reshape
from vww_deploy.graph.operators.transpose import Transpose
from vww_deploy.graph.reading import Reader, RefusedError, TooLargeError
from vww_deploy.graph.refused import Refusal, advice_on
from vww_deploy.graph.row_tiles import join_row_tiles
from vww_deploy.graph.shapes import check_shape
from vww_deploy.graph.tflite_file import FileOperator, TfliteFile, load

MALFORMED: Final = (struct.error, ArithmeticError, LookupError, ValueError, TypeError, AttributeError)
"""What reading raises where a file's numbers lead nowhere."""
_MOST_OPERATORS: Final = 2_000
_SMALLER: Final = "no microcontroller runs it: train a smaller model, or one for smaller pictures"
_MOST_MACS: Final = 20_000_000_000
"""Minutes of a microcontroller."""


def read_model(source: str | Path | bytes, *, name: str = "model") -> Graph:
    """Reads a .tflite file (path or its bytes) and normalises it.

    ``name`` names a model given as bytes. Raises ModelError when the file is damaged, is not quantised to int8, or
    holds something that cannot be compiled; the message names every such operator and tensor.
    """
    path = Path(f"{name}.tflite") if isinstance(source, bytes) else Path(source)
    return _normalised(load(source, name=name), path)


def _normalised(file: TfliteFile, path: Path) -> Graph:
    reader = Reader(file, Transpose, Reshape)
    check_accelerator(file)
    check_ends(file)
    check_limits(file)
    check_form(file, path)
    try:
        reader.start()
    except RefusedError as refusal:
        name = reader.tensors[file.inputs[0]].name
        hint = _SMALLER if isinstance(refusal, TooLargeError) else CONVERT
        raise ModelError(f"{file.name}: input '{name}': {refusal}", hint=hint) from refusal
    for operator in file.operators:
        read_operator(reader, operator)
    if reader.refusals:
        lines = "\n  ".join(map(str, reader.refusals))
        unknown = any(refusal.kind not in READERS for refusal in reader.refusals)
        supported = "supported: " + ", ".join(sorted(READERS)) + ", on int8 activations" if unknown else ""
        raise ModelError(
            f"{file.name}: {len(reader.refusals)} operator(s) cannot be compiled:\n  {lines}",
            hint=". ".join(filter(None, (advice_on(reader.refusals), supported))) or CONVERT,
        )
    return finished(reader)


def check_limits(file: TfliteFile) -> None:
    """Raises ModelError for more operators than any model has."""
    if len(file.operators) > _MOST_OPERATORS:
        raise ModelError(
            f"{file.name}: {len(file.operators):,} operators; at most {_MOST_OPERATORS:,} are compiled",
            hint="no microcontroller runs it: train a smaller model",
        )


def finished(reader: Reader) -> Graph:
    """The graph of all that was read; raises ModelError if it leads to no output, or is beyond any device."""
    file = reader.file
    output = reader.values.get(file.outputs[0])
    if output is None:
        raise ModelError(
            f"{file.name}: the output '{reader.tensors[file.outputs[0]].name}' is no int8 tensor of an operator"
        )
    graph = Graph(
        name=file.name,
        sha256=file.sha256,
        tflite=file.content,
        activations=reader.activations,
        ops=tuple(reader.ops),
        input=reader.input_id,
        output=output.id,
        notices=file.notices,
    )
    if graph.macs > _MOST_MACS:
        raise ModelError(
            f"{file.name}: {graph.macs:,} multiply-accumulates an inference; at most {_MOST_MACS:,} are compiled",
            hint=_SMALLER,
        )
    graph = join_row_tiles(remove_dead_ops(fold_padding(graph)))
    graph = remove_dead_ops(fold_padding(graph))  # what stood before slices that are gone now
    if not graph.ops:
        raise ModelError(f"{file.name}: the model computes nothing: its output is its input")
    folded = Counter(op.kind for op in file.operators) - Counter(op.kind for op in graph.ops)
    return graph.replace(folded=dict(sorted(folded.items())))


def read_operator(reader: Reader, operator: FileOperator) -> None:
    """Adds an operator to what was read, or a refusal."""
    name = reader.tensors[operator.outputs[0]].name if operator.outputs and operator.outputs[0] >= 0 else ""
    rule = READERS.get(operator.kind)
    try:
        if rule is None:
            raise RefusedError("this operator is not supported")
        if operator.wrong_options:
            raise RefusedError(f"its options are another operator's ({operator.wrong_options})")
        several = len(operator.outputs) > 1 and operator.kind not in ("SPLIT", "SPLIT_V")
        if not operator.inputs or several or any(i < 0 for i in operator.outputs):
            raise RefusedError("inputs or outputs are missing")
        if reader.refusals and any(
            i >= 0 and i not in reader.values and i not in reader.constants and i not in reader.file.inputs
            for i in operator.inputs
        ):
            # Fed by an operator that was refused already: mark its output unknown and stay silent.
            return
        check_shape(reader, operator)
        rule(reader, operator)
    except RefusedError as refusal:
        reader.refusals.append(Refusal(operator.index, operator.kind, name, str(refusal)))
    except MALFORMED as error:
        reader.refusals.append(Refusal(operator.index, operator.kind, name, f"malformed ({error})"))


def remove_dead_ops(graph: Graph) -> Graph:
    """Drops operators, then activations, that the output does not depend on."""
    needed = {graph.output}
    ops: list[Op] = []
    for op in reversed(graph.ops):
        if op.output in needed:
            ops.append(op)
            needed.update(op.inputs)
    needed.add(graph.input)
    return graph.replace(
        ops=tuple(reversed(ops)), activations={i: a for i, a in graph.activations.items() if i in needed}
    )
