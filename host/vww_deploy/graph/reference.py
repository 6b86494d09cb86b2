"""What LiteRT's reference kernels (BUILTIN_REF) compute: the truth that host builds and boards are compared with."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.ir import Graph, Int8Array


class Reference:
    """Runs the model of a graph in LiteRT's reference interpreter.

    >>> reference = Reference(read_model("person.tflite"))       # doctest: +SKIP
    >>> probabilities = reference.run(picture)                    # doctest: +SKIP
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        try:
            self._interpreter = Interpreter(
                model_content=graph.tflite,
                experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
                experimental_preserve_all_tensors=True,
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"{graph.name}: LiteRT refuses this model: {error}", hint="convert the model again"
            ) from error
        self._input = self._interpreter.get_input_details()[0]

    def run(self, picture: npt.NDArray[np.int8]) -> Int8Array:
        """The int8 output, [height, width, channels], for an int8 input [height, width, channels]."""
        self._invoke(picture)
        return self._value(self._graph.output)

    def run_all(self, picture: npt.NDArray[np.int8]) -> Mapping[int, Int8Array]:
        """Every activation by id, [height, width, live channels] int8, the input among them."""
        self._invoke(picture)
        return {identity: self._value(identity) for identity in self._graph.activations}

    def _value(self, identity: int) -> Int8Array:
        activation = self._graph.activations[identity]
        return activation.from_file(self._interpreter.get_tensor(activation.source))

    def _invoke(self, picture: npt.NDArray[np.int8]) -> None:
        activation = self._graph.input_activation
        if picture.dtype != np.int8 or picture.shape != activation.shape:
            raise DataError(
                f"the model takes int8 {list(activation.shape)}, not {picture.dtype} {list(picture.shape)}",
                hint="resize and quantise the picture as the model card says",
            )
        shape = self._input["shape"]
        value: npt.NDArray[np.generic] = picture
        if self._input["dtype"] == np.uint8:
            value = (picture.astype(np.int16) + 128).astype(np.uint8)
        elif self._input["dtype"] == np.float32:
            quantization = activation.quantization
            value = ((picture.astype(np.float32) - quantization.zero_point) * np.float32(quantization.scale)).astype(
                np.float32
            )
        self._interpreter.set_tensor(
            self._input["index"], np.ascontiguousarray(activation.to_file(value)).reshape(shape)
        )
        self._interpreter.invoke()
