"""Makes docs/json.md of the dataclasses that the commands print with ``--json``.

    python docs/json_page.py

``COMMANDS`` names them; the meaning of a field is its docstring, or the class's "Attributes". ``tests/unit/cli`` keeps
the page up to date and compares what commands print with the same dataclasses.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from vww_deploy.cli import board_outputs, model_outputs
from vww_deploy.files import JSON_SCHEMA
from vww_deploy.runs.export import ExportedComparison, ExportedRun
from vww_deploy.session import events
from vww_deploy.training.package import Packed
from vww_deploy.training.transfer import FineTuned

PAGE: Final = Path(__file__).with_name("json.md")

COMMANDS: Final[dict[str, tuple[type, ...]]] = {
    "bench": (board_outputs.BenchOutput, board_outputs.FleetBenchOutput),
    "boards": (board_outputs.BoardsOutput, board_outputs.BoardsAddOutput),
    "camera": (board_outputs.CameraOutput, board_outputs.CameraCheckOutput),
    "compile": (model_outputs.CompileOutput, model_outputs.CompileArduinoOutput),
    "costs": (model_outputs.CostsOutput,),
    "dataset check": (model_outputs.DatasetCheckOutput,),
    "doctor": (board_outputs.DoctorOutput,),
    "evaluate": (model_outputs.EvaluateOutput,),
    "fleet init": (board_outputs.FleetInitOutput,),
    "fleet status": (board_outputs.FleetStatusOutput,),
    "flash": (board_outputs.FlashOutput, board_outputs.FlashBuildOutput),
    "inspect": (model_outputs.InspectOutput,),
    "mlperf": (board_outputs.MlperfOutput,),
    "models": (model_outputs.ModelsOutput,),
    "profile": (model_outputs.ProfileOutput,),
    "quantize": (Packed,),
    "run": (ExportedRun,),
    "runs list": (model_outputs.RunsListOutput,),
    "runs show": (ExportedRun,),
    "runs compare": (ExportedComparison,),
    "search": (model_outputs.SearchOutput,),
    "train": (model_outputs.TrainOutput, FineTuned),
    "verify": (board_outputs.VerifyOutput, board_outputs.FleetVerifyOutput),
}
"""What each command prints: one of these."""

EVENTS: Final[dict[str, type]] = {
    "connection": events.Connection,
    "frame": board_outputs.ShownPictureEvent,
    "result": board_outputs.ResultEvent,
    "timing": events.LayerTimes,
    "console": events.ConsoleLine,
    "link": events.LinkReport,
    "skipped": events.Skipped,
}
"""What ``monitor`` prints, by the field ``event``."""

_HEAD: Final = f"""# What `--json` prints, and exit codes

<!-- Made by docs/json_page.py of the code: change it there. -->

Every command with `--json` prints one object on stdout and nothing else there; `monitor --json`
prints an object a line. Each has `schema`, now {JSON_SCHEMA}: it goes up when a field goes away or means
something else. New fields may come at any time, so a reader takes the fields that it knows.
Progress, notices and errors go to stderr. Nothing is wrapped or cut. `runs export -o RUN.json`
writes what `runs show --json` prints.

Hashes are hexadecimal, `at` is seconds since 1970 or ISO 8601, both UTC. `latency_us` is
microseconds by the board's own clock and null where the board counts instructions; `estimate` is
then what the compiler's model of a core makes of them, and `clock_hz` no rate. `board_serial` of a
result is the serial number of the board that gave it, empty where it has none.

A command that fails prints `schema` and `error`: an object of `kind`, `message`, `hint` and
`exit_code`. That of `inspect` has, for a model that is refused, `would_be` (`report`, `flash_bytes`
and `boards`, by name whether it fits) and `left_out` (`index`, `kind`, `name`, `reason`, `advice`
of each refused operator) besides.

Objects within these have a table of their own at the end of this page.
"""

_EXIT_CODES: Final = """## Exit codes

| code | means |
|---|---|
| 0 | done, and everything is as it should be |
| 1 | an error, explained on stderr with what to do; or the answer is no: results differ from the reference, a model does not fit, something is missing |
| 2 | the command line cannot be understood |
| 3 | `run`: all results equal the reference, but some pictures had to be skipped |
| 130 | stopped with Ctrl-C; what was measured is stored |
| 141 | the reader of a pipe has gone |
"""  # noqa: E501


def fields(cls: type) -> dict[str, Any]:
    """The fields of a dataclass with their types; names that are imported for the type checker only are found, too."""
    names: dict[str, Any] = {}
    for one in reversed(cls.__mro__[:-1]):
        module = sys.modules[one.__module__]
        names.update(vars(module))
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                for line in node.body:
                    if isinstance(line, ast.ImportFrom) and line.module is not None:
                        origin = importlib.import_module(line.module)
                        names.update({a.asname or a.name: getattr(origin, a.name, None) for a in line.names})
    hints = typing.get_type_hints(cls, names)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def matches(value: Any, kind: Any, place: str = "") -> Iterator[str]:
    """Where a JSON value is not of a type: a field too many, one that lacks, or a value of another type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return
    if origin in (typing.Union, types.UnionType):
        if all(list(matches(value, one, place)) for one in inner):
            yield f"{place}: {value!r:.60} is no {named(kind)}"
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
        known = fields(kind)
        if not isinstance(value, dict) or value.keys() != known.keys():
            got = sorted(value) if isinstance(value, dict) else value
            yield f"{place}: {got!r:.200} instead of {sorted(known)}"
            return
        for name, field in known.items():
            yield from matches(value[name], field, f"{place}.{name}")
    elif origin is tuple and inner[-1] is not Ellipsis:
        if not isinstance(value, list) or len(value) != len(inner):
            yield f"{place}: {value!r:.60} is no {named(kind)}"
            return
        for number, one in enumerate(inner):
            yield from matches(value[number], one, f"{place}[{number}]")
    elif origin in (list, tuple):
        if not isinstance(value, list):
            yield f"{place}: {value!r:.60} is no {named(kind)}"
            return
        for number, one in enumerate(value):
            yield from matches(one, inner[0], f"{place}[{number}]")
    elif _is_mapping(kind):
        if not isinstance(value, dict):
            yield f"{place}: {value!r:.60} is no {named(kind)}"
            return
        for name, one in value.items():
            yield from matches(one, inner[1], f"{place}.{name}")
    elif origin is typing.Literal:
        if value not in inner:
            yield f"{place}: {value!r:.60} is none of {inner}"
    elif not isinstance(value, _plain(kind)) or (isinstance(value, bool) and kind is not bool):
        yield f"{place}: {value!r:.60} is no {named(kind)}"


def named(kind: Any) -> str:
    """A type as a reader of JSON has it."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return "any value"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(named(one) for one in inner)
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"[{', '.join(named(one) for one in inner)}]"
    if origin in (list, tuple):
        return f"array of {named(inner[0])}"
    if _is_mapping(kind):
        return f"object of {named(inner[1])}"
    if origin is typing.Literal:
        return " or ".join(f'"{one}"' for one in inner)
    if dataclasses.is_dataclass(kind):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return {str: "string", dict: "object", bool: "boolean", float: "number", int: "integer", type(None): "null"}[
        _plain(kind)[0]
    ]


def _is_mapping(kind: Any) -> bool:
    origin = typing.get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _plain(kind: Any) -> tuple[type, ...]:
    """The Python types of a plain JSON value."""
    if kind is float:
        return (float, int)
    if isinstance(kind, type) and issubclass(kind, enum.IntFlag):
        return (int,)
    return (str,) if kind is Path else (kind,)


def meanings(cls: type) -> dict[str, str]:
    """What the docstrings say of a dataclass's fields, in one line each."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__[:-1]):
        body = typing.cast(ast.ClassDef, ast.parse(inspect.getsource(one)).body[0]).body
        _, _, listed = (inspect.getdoc(one) or "").partition("Attributes:\n")
        for name, text in re.findall(r"^ {4}(\w+): (.+(?:\n {6,}.+)*)", listed, re.MULTILINE):
            found[name] = text
        for field, text_node in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text_node, ast.Expr):
                found[ast.unparse(field.target)] = ast.literal_eval(text_node.value)
    return {name: text[:1].upper() + text[1:] for name, text in ((name, plain(text)) for name, text in found.items())}


def plain(text: str) -> str:
    """A docstring as one line of Markdown."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", " ".join(text.split()).replace("``", "`"))
    return text.replace("None", "null").replace("|", "\\|")


def table(cls: type) -> Iterator[str]:
    """The fields of a dataclass."""
    said = meanings(cls)
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for name, kind in fields(cls).items():
        yield f"| `{name}` | {named(kind)} | {said.get(name, '')} |"


def summary(cls: type) -> str:
    """A dataclass's docstring up to its sections."""
    return textwrap.fill(
        plain(re.split(r"\n\n(?:Attributes|Raises):\n", inspect.getdoc(cls) or "")[0]), 100, break_on_hyphens=False
    )


def below(kind: Any) -> Iterator[type]:
    """The dataclasses that a type contains."""
    within = fields(kind).values() if dataclasses.is_dataclass(kind) else typing.get_args(kind)
    for one in within:
        if dataclasses.is_dataclass(one) and isinstance(one, type):
            yield one
        yield from below(one)


def lines() -> Iterator[str]:
    """The page, in parts."""
    yield _HEAD
    yield _EXIT_CODES
    shared: dict[str, type] = {}
    for command, printed in COMMANDS.items():
        yield f"## {command}\n"
        for cls in printed:
            earlier = next((name for name, has in COMMANDS.items() if cls in has), command)
            if earlier != command:
                yield f"As `{earlier}`.\n"
                continue
            yield f"{summary(cls)}\n"
            yield from table(cls)
            yield ""
            shared.update((one.__name__, one) for one in below(cls))
    yield "## monitor\n"
    yield "A line for each event, with `schema`, `event` and the fields of the event.\n"
    for name, cls in EVENTS.items():
        yield f"### Event `{name}`\n"
        yield f"{summary(cls)}\n"
        yield from table(cls)
        yield ""
        shared.update((one.__name__, one) for one in below(cls))
    yield "## Objects in these\n"
    for name, cls in sorted(shared.items()):
        yield f"### {name}\n"
        yield f"{summary(cls)}\n"
        yield from table(cls)
        yield ""


def page() -> str:
    """The whole page."""
    return "\n".join(lines()).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
