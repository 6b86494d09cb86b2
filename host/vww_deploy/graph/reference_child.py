"""LiteRT's interpreter with its reference kernels, as a program of its own: see :mod:`vww_deploy.graph.reference`.

A request is a line of JSON and the bytes that it announces; so is its answer. Nothing of this package is imported, so
that it starts quickly.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers until there are no more requests."""
    interpreters: dict[int, Any] = {}
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["size"])
        for number in request["forget"]:
            interpreters.pop(number, None)
        try:
            values = carry_out(interpreters, request, content)
        except (ValueError, RuntimeError) as error:
            answers.write(json.dumps({"error": str(error)}).encode() + b"\n")
        else:
            shapes = [[value.dtype.name, value.shape] for value in values]
            answers.write(json.dumps({"values": shapes}).encode() + b"\n")
            for value in values:
                answers.write(value.tobytes())
        answers.flush()


def carry_out(interpreters: dict[int, Any], request: dict[str, Any], content: bytes) -> list[npt.NDArray[Any]]:
    """One request's values: none for ``try``, an empty one of the input's type for ``load``, for ``run`` the tensors
    that it names.
    """
    if request["do"] == "try":
        try_out(content)
        return []
    number = request["model"]
    if request["do"] == "load":
        interpreters[number] = interpreter = load(content)
        return [np.zeros(0, interpreter.get_input_details()[0]["dtype"])]
    interpreter = interpreters[number]
    given = interpreter.get_input_details()[0]
    interpreter.set_tensor(given["index"], np.frombuffer(content, given["dtype"]).reshape(given["shape"]))
    interpreter.invoke()
    return [interpreter.get_tensor(index) for index in request["tensors"]]


def try_out(content: bytes) -> None:
    """Runs a model on zeros with the fast kernels, as calibration has them and as all else has them."""
    for kind in (OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.AUTO):
        interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kind)
        interpreter.allocate_tensors()
        for given in interpreter.get_input_details():
            interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
        interpreter.invoke()
    interpreter.get_tensor_details()  # names that are no UTF-8 are refused


def load(content: bytes) -> Any:
    """An interpreter that keeps every tensor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that keeping them takes memory
        interpreter = Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
    interpreter.allocate_tensors()
    return interpreter


if __name__ == "__main__":
    # What LiteRT prints goes where errors go: the answers have the pipe for themselves.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, pipe)
