"""A network as data: the .tflite reader, the IR, the host reference, and costs."""

from vww_deploy.graph.ir import Activation, Graph, Op
from vww_deploy.graph.reader import read_model
from vww_deploy.graph.reference import Reference

__all__ = ["Activation", "Graph", "Op", "Reference", "read_model"]
