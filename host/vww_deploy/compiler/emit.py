"""The C++ library: constants, parameter structs, views and the calls, in files that any C++17 compiler takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy import __version__
from vww_deploy.compiler.kernels import Kernel, rule_of
from vww_deploy.compiler.plan import Plan
from vww_deploy.compiler.schedule import Segment
from vww_deploy.graph.ir import Graph, Op
from vww_deploy.resources import firmware_dir

DEFAULT_NAME: Final = "vww_model"
"""Of a library: its headers, and what its public names begin with."""

_LINE = 30  # numbers on a line of an array


@dataclass(frozen=True)
class LayerTable:
    """Which ops of the prepared graph are layers of the emitted library: index -> position in ``graph.ops``."""

    positions: tuple[int, ...]


def layer_table(graph: Graph) -> LayerTable:
    """The file's operators; copies that the compiler put in are no layers."""
    return LayerTable(tuple(i for i, op in enumerate(graph.ops) if op.index >= 0))


def emit(graph: Graph, plan: Plan, kernels: Mapping[int, Kernel], name: str = DEFAULT_NAME) -> dict[str, str]:
    """The library's files by path relative to its folder; the same model gives the same text.

    Args:
        name: of the headers, what every public name begins with. Under another name than the default one the kernels,
            too, are in a folder and a namespace of that name: several such libraries go into one program.
    """
    named = {"name": name, "macro": name.upper(), "kernels": kernels_name(name)}
    values = _Writer(graph, plan, kernels).values() | named
    source = render("model.cpp.jinja", values)
    files = {
        f"src/{name}.h": render("model.h.jinja", values),
        f"src/{name}.cpp": _in_namespace(source, name),
        "library.json": _library_json(name),
        "library.properties": _library_properties(graph, name),
    }
    for path in _kernel_files({kernel.source for kernel in kernels.values()}):
        files[f"src/{kernels_name(name)}/{path.name}"] = _in_namespace(path.read_text(encoding="utf-8"), name)
    return files


def render(template: str, values: Mapping[str, object]) -> str:
    """A file of ``templates/`` with these values in it."""
    import jinja2  # not needed to inspect a model

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vww_deploy.compiler"), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["float"] = lambda value: f"{float(np.float32(value)):.9e}f"
    environment.filters["text"] = _c_text
    return environment.get_template(template).render(values)


def kernels_name(name: str) -> str:
    """The folder of a library's kernels."""
    return "vww_nn" if name == DEFAULT_NAME else f"{name}_nn"


def _in_namespace(text: str, name: str) -> str:
    """C++ with the kernels' namespace called as the library wants it."""
    return text if name == DEFAULT_NAME else re.sub(r"\bvww(?=::)|(?<=namespace )vww\b", kernels_name(name), text)


def _c_text(text: str) -> str:
    """A string literal of C, its UTF-8 beyond ASCII in octal."""
    safe = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    return '"' + "".join(safe) + '"'


def _kernel_files(used: Set[str]) -> list[Path]:
    """The files of the kernels used, and the headers that are no single kernel's."""
    found = sorted((firmware_dir() / "lib" / "vww_nn").iterdir())
    operators = {path.stem for path in found if path.suffix == ".cpp"}
    return [
        path
        for path in found
        if path.suffix in (".h", ".cpp") and (path.stem in used or (path.suffix == ".h" and path.stem not in operators))
    ]


def _library_json(name: str) -> str:
    library = {
        "name": name,
        "version": __version__,
        "description": "A person detection network as C++, written by vww-deploy",
        "build": {"flags": ["-O2", "-std=gnu++17"], "unflags": ["-Os", "-std=gnu++14", "-std=gnu++11"]},
    }
    return json.dumps(library, indent=2) + "\n"


def _library_properties(graph: Graph, name: str) -> str:
    return "".join(
        f"{key}={value}\n"
        for key, value in {
            "name": name,
            "version": __version__,
            "author": "vww-deploy",
            "maintainer": "vww-deploy",
            "sentence": f"The person detection network {plain_name(graph.name)} as C++.",
            "paragraph": "Written by vww-deploy; no interpreter, no heap.",
            "category": "Data Processing",
            "url": "",  # as in the Arduino library of compiler/arduino.py
            "architectures": "*",
            "includes": f"{name}.h",
        }.items()
    )


def plain_name(name: str) -> str:
    """A model's name fit for a C string and a comment."""
    return "".join(c if (c.isascii() and c.isalnum()) or c in " ._-" else "_" for c in name)


class _Writer:
    def __init__(self, graph: Graph, plan: Plan, kernels: Mapping[int, Kernel]) -> None:
        self.graph = graph
        self.plan = plan
        self.kernels = kernels
        self.layer_of = {position: i for i, position in enumerate(layer_table(graph).positions)}
        self.view_names: dict[tuple[int, ...], str] = {}
        self.array_names: dict[int, dict[str, str]] = {}
        self.views: list[dict[str, object]] = []

    def values(self) -> dict[str, object]:
        arrays, structs = self._constants()
        body = [line for segment in self.plan.segments for line in self._segment(segment)]
        graph, plan = self.graph, self.plan
        return {
            "model": plain_name(graph.name),
            "version": __version__,
            "sha256": graph.sha256,
            "input": graph.input_activation,
            "output": graph.output_activation,
            "input_offset": plan.places[graph.input].offset,
            "output_offset": plan.places[graph.output].offset,
            "arena_bytes": plan.arena_bytes,
            "layers": self.layer_of,
            "headers": _headers(self.kernels.values()),
            "arrays": arrays,
            "structs": structs,
            "views": self.views,
            "helpers": [name for name in ("least", "most") if any(f"{name}(" in line for line in body)],
            "body": body,
        }

    def _constants(self) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        arrays: list[dict[str, str]] = []
        structs: list[dict[str, str]] = []
        seen: dict[bytes, str] = {}
        for position, kernel in self.kernels.items():
            names = {}
            for name, kind, values in kernel.arrays:
                key = kind.encode() + values.tobytes()
                if key not in seen:
                    seen[key] = f"k{name.capitalize()}{position}"
                    arrays.append({"type": kind, "name": seen[key], "text": _numbers(values)})
                names[name] = seen[key]
            self.array_names[position] = names
            if kernel.params:
                fields = ", ".join(
                    f"/*{label}=*/{Template(text).substitute(names)}" for label, text in kernel.params.fields
                )
                structs.append(
                    {"struct": kernel.params.struct.name, "name": f"kLayer{position}", "fields": _wrap(fields)}
                )
        return arrays, structs

    # --- calls ---

    def view(self, tensor: int, changes: Mapping[str, int]) -> str:
        place = self.plan.places[tensor]
        fields = {name: getattr(place, name) for name in ("offset", "channel_stride", "row_stride", "rows")}
        fields.update(changes)
        key = tuple(fields.values())
        if key not in self.view_names:
            self.view_names[key] = f"kView{len(self.views)}"
            self.views.append({"name": self.view_names[key], **fields})
        return self.view_names[key]

    def _segment(self, segment: Segment) -> list[str]:
        if not segment.is_band:
            position = segment.begin
            height = self.graph.activations[self.graph.ops[position].output].height
            return [*self._call(position, "0", str(height)), *self._report(position, "0", str(height))]
        return self._band(segment)

    def _backward(self, segment: Segment) -> list[str]:
        position, rows = segment.begin, segment.rows
        height = self.graph.activations[self.graph.ops[position].output].height
        begin = f"row - {rows}" if height % rows == 0 else f"most(row - {rows}, 0)"
        lines = [*self._call(position, begin, "row"), *self._report(position, begin, "row")]
        return [f"for (int row = {height}; row > 0; row -= {rows}) {{", *(f"  {line}" for line in lines), "}"]

    def _band(self, segment: Segment) -> list[str]:
        if segment.backward:
            return self._backward(segment)
        positions = range(segment.begin, segment.end)
        ops = [self.graph.ops[i] for i in positions]
        heights = [self.graph.activations[op.output].height for op in ops]
        lines = ["{"]
        made = ", ".join(f"made{i} = 0" for i in positions[:-1])
        if made:
            lines.append(f"  int {made};")
        last = positions[-1]
        step = f"row += {segment.rows}" if segment.rows > 1 else "++row"
        lines.append(f"  for (int row = {-segment.lead * segment.rows}; row < {heights[-1]}; {step}) {{")
        end = f"least(row + {segment.rows}, {heights[-1]})" if heights[-1] % segment.rows else f"row + {segment.rows}"
        lines.append(f"    const int need{last} = {end};")
        for offset in range(len(ops) - 2, -1, -1):
            consumer = positions[offset + 1]
            # Before the first row the numbers of rows that are needed are negative, and what follows from them right.
            from_zero = segment.lead == 0
            need = self._rows_expression(ops[offset + 1], f"need{consumer}", heights[offset], from_zero=from_zero)
            whole = f"need{last} == {heights[-1]} ? {heights[offset]} : "
            lines.append(f"    const int need{positions[offset]} = {whole}{need};")
        for offset, position in enumerate(positions):
            begin = f"made{position}" if offset + 1 < len(ops) else "row"
            body = self._call(position, begin, f"need{position}") + self._report(position, begin, f"need{position}")
            if offset + 1 < len(ops):
                body.append(f"made{position} = need{position};")
            if segment.lead:
                done = begin if offset + 1 < len(ops) else "0"
                body = [f"if (need{position} > {done}) {{", *(f"  {line}" for line in body), "}"]
            lines += [f"    {line}" for line in body]
        return [*lines, "  }", "}"]

    def _rows_expression(self, op: Op, need: str, height: int, *, from_zero: bool) -> str:
        """C++ for the rows that an operator reads of its input, of ``height`` rows, to make its first ``need`` rows.

        With ``from_zero`` it is never negative, as ``need`` is not.
        """
        row_map = op.row_map(self.graph)
        assert row_map is not None
        constant = row_map.end - row_map.stride
        if row_map.repeat > 1:
            need = f"({need} + {row_map.repeat - 1}) / {row_map.repeat}"
        expression = need if row_map.stride == 1 else f"{need} * {row_map.stride}"
        if constant:
            expression += f" {'+' if constant > 0 else '-'} {abs(constant)}"
        first = row_map.rows(0, 1, height)[1]
        text = f"least({expression}, {height})"
        return text if constant >= -1 or first > 0 or not from_zero else f"({expression} < 0 ? 0 : {text})"

    def _call(self, position: int, begin: str, end: str) -> list[str]:
        op = self.graph.ops[position]
        lines = rule_of(op).call(self.graph, op, self.kernels[position], _Site(self, position, f"{begin}, {end}"))
        if self.kernels[position].params is None:  # nothing in the call says whose it is; the profiler reads this
            lines = [f"{line}  // kLayer{position}" for line in lines]
        return lines

    def _report(self, position: int, begin: str, end: str) -> list[str]:
        layer = self.layer_of.get(position)
        if layer is None:
            return []
        out = self.graph.activations[self.graph.ops[position].output]
        view = self.view(out.id, {})
        shape = f"{out.channels}, {out.width}, {out.height}"
        if self.graph.is_interleaved(out.id):  # each row is one channel, as wide as its bytes
            shape = f"1, {out.width * out.channels}, {out.height}"
        return [f"if constexpr (kHooked) report(hook, context, {layer}, {view}, {shape}, {begin}, {end});"]


@dataclass(frozen=True)
class _Site:
    """Names of what a call may mention."""

    writer: _Writer
    position: int
    rows: str

    @property
    def params(self) -> str:
        return f"kLayer{self.position}"

    def view(self, tensor: int, **changes: int) -> str:
        return self.writer.view(tensor, changes)

    def fields(self, tensor: int) -> tuple[int, int, int, int]:
        place = self.writer.plan.places[tensor]
        return place.offset, place.channel_stride, place.row_stride, place.rows

    def array(self, name: str) -> str:
        return self.writer.array_names[self.position][name]

    def address(self, tensor: int) -> str:
        return f"g_arena + {self.writer.plan.places[tensor].offset}"

    def scratch(self) -> str:
        offset = self.writer.plan.scratch.get(self.position)
        return "nullptr" if offset is None else f"g_arena + {offset}"


def _numbers(values: npt.NDArray[np.generic]) -> str:
    texts = [str(v) for v in values.reshape(-1).tolist()]
    if values.dtype == np.int32:
        texts = ["INT32_MIN" if text == "-2147483648" else text for text in texts]
    per_line = _LINE if values.dtype.itemsize == 1 else _LINE // 3
    return "\n".join("    " + ", ".join(texts[i : i + per_line]) + "," for i in range(0, len(texts), per_line))


def _headers(kernels: Iterable[Kernel]) -> list[str]:
    """What declares the functions that are called."""
    return sorted({kernel.source for kernel in kernels})


def _wrap(fields: str) -> str:
    lines = [""]
    for part in fields.split(", "):
        if len(lines[-1]) + len(part) > 108:
            lines.append("")
        lines[-1] += ("" if not lines[-1] else " ") + part + ","
    return "\n    ".join(lines).rstrip(",")
