"""What several commands share: options, output, and finding a board."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment

from vww_deploy.errors import VwwError
from vww_deploy.files import JSON_SCHEMA, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from rich.progress import Progress
    from rich.status import Status

    from vww_deploy.graph.model import Model

# Control characters other than tab and line end, both sets.
_COMMANDS: Final = dict.fromkeys(i for i in (*range(32), *range(127, 160)) if i not in (9, 10))
_LINE_END_SPACES: Final = re.compile(r" +$", re.MULTILINE)


class PlainConsole(Console):
    """Prints text as text: escape sequences in names, notes and paths of somebody's files command no terminal.

    In a pipe or a file nothing is wrapped or cut, unless COLUMNS says how wide it is, and no line ends in spaces.
    """

    @property
    def size(self) -> ConsoleDimensions:
        """The terminal's; in a pipe as wide as any line."""
        size = super().size
        return size if self.is_terminal or "COLUMNS" in os.environ else ConsoleDimensions(_PIPE_WIDTH, size.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's. A table's cells are filled up with spaces, which only a terminal's colours need."""
        if self.is_terminal:
            super().print(*objects, **options)
            return
        with self.capture() as printed:
            super().print(*objects, **options)
        try:
            self.file.write(_LINE_END_SPACES.sub("", printed.get()))
            self.file.flush()
        except BrokenPipeError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Not rich's own exit code."""
        end_unread()

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Rich's own control segments stay as they are."""
        for segment in super().render(renderable, options):
            text = shown(segment.text).translate(_COMMANDS)
            yield segment if segment.control or text == segment.text else Segment(text, segment.style)


out = PlainConsole(highlight=False)
"""What was asked for: stdout."""

err = PlainConsole(stderr=True, highlight=False)
"""Everything else: progress, notices, errors."""

NO_MODEL: Final = "no MODEL was named: this is the shipped person_96_gray"
"""Said where a command took :data:`vww_deploy.graph.model.DEFAULT_MODEL` by itself."""

NO_OVERLAP: Final = "the board has no RAM for a second picture: each upload waits for the inference before it"
"""Said of a firmware without ``Feature.STAGED_INPUT``."""

_BROKEN_PIPE: Final = 141  # exit code: 128 and the number of SIGPIPE, as shells have it
_PIPE_WIDTH: Final = 2000
_STATUS_WIDTH: Final = 76  # a step stays on one line

BoardOption = Annotated[
    str | None,
    typer.Option(
        "--board",
        "-b",
        metavar="BOARD",
        help="A board of the catalogue; default: the one attached, else the virtual board.",
    ),
]
PortOption = Annotated[
    str | None,
    typer.Option(
        "--port",
        "-p",
        metavar="PORT",
        help="Device path or pyserial URL (socket://, rfc2217://); default: the board's.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="The run store; default: the user's own.", dir_okay=False, metavar="FILE"),
]
ModelArgument = Annotated[
    str | None,
    typer.Argument(help="A .tflite file or the name of a shipped model; default: person_96_gray.", metavar="MODEL"),
]
BoardModelArgument = Annotated[
    str | None,
    typer.Argument(
        help="A .tflite file or the name of a shipped model; default: what the board runs.", metavar="MODEL"
    ),
]
BoardModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="A .tflite file or a shipped model; default: what the board runs."
    ),
]


def _known_board(name: str) -> str:
    """The board of ``--as``, of which there must be something to say."""
    from vww_deploy.boards.catalogue import get_board, load_boards
    from vww_deploy.errors import BoardError

    get_board(name)  # says when there is none
    names = [board.name for board in load_boards() if board.estimated_ms(1) is not None]
    if name not in names:
        raise BoardError(
            f"no time can be estimated for the board {name}", hint=f"there are estimates for: {', '.join(names)}"
        )
    return name


AsOption = Annotated[
    str,
    typer.Option(
        "--as",
        help="The real board that the virtual board's instructions are estimated for.",
        metavar="BOARD",
        callback=_known_board,
    ),
]
AS_DEFAULT: Final = "nano33ble"
"""As :data:`vww_deploy.session.latency.ESTIMATE_BOARD`, which ``--help`` need not import."""


LabelsOption = Annotated[
    Path | None,
    typer.Option("--labels", help="The names of the model's classes, one a line.", dir_okay=False, metavar="FILE"),
]
PersonLabelOption = Annotated[
    str | None,
    typer.Option(
        "--person-label", metavar="NAME", help="The class that counts as a person, if its name does not say so."
    ),
]


def model_of_board(
    named: str | None,
    board: str | None,
    port: str | None,
    *,
    labels: Path | None = None,
    person_label: str | None = None,
) -> Model:
    """The model that was named; else what the board runs, if this computer knows it; else the shipped one.

    Says so where nobody knows which of its outputs is a person.

    Raises:
        VwwError: the model cannot be read, or the board cannot be reached.
    """
    from vww_deploy.graph import known
    from vww_deploy.graph.model import DEFAULT_MODEL, Model
    from vww_deploy.session.connect import running_model

    found = None
    if named is None:
        found = known.find(running_model(board, port), labels=labels, person_label=person_label)
    found = found or Model.load(named, labels=labels, person_label=person_label)
    if named is None and found.name != DEFAULT_MODEL:
        notice(f"the board runs {found.name}; --model names another one")
    if found.outputs.doubt:
        notice(found.outputs.doubt)
    return found


def print_error(error: VwwError) -> None:
    """Message and hint on stderr; where JSON was asked for, an object with the key ``error`` on stdout, too."""
    if "--json" in sys.argv:
        said = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        with contextlib.suppress(OSError):
            error_object = {**said, "exit_code": error.exit_code, **error.details}
            typer.echo(json.dumps({"schema": JSON_SCHEMA, "error": error_object}, default=_plain))
    err.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)
    if error.hint:
        err.print(f"[bold cyan]  try:[/] {escape(error.hint)}", soft_wrap=True)


def notice(text: str) -> None:
    """A line on stderr that is no error."""
    err.print(f"[yellow]note:[/] {escape(text)}", soft_wrap=True)


def discard_output() -> None:
    """What could not be written must not fail once more at the interpreter's end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def end_unread() -> NoReturn:
    """The reader of a pipe, as head, has seen enough: no more is said."""
    discard_output()
    sys.exit(_BROKEN_PIPE)


def print_json(value: DataclassInstance) -> None:
    """A dataclass that docs/json_page.py names as JSON on stdout, with the version of its schema, indented for people.

    Other dataclasses, paths and arrays may be in it.
    """
    try:
        typer.echo(json.dumps({"schema": JSON_SCHEMA, **asdict(value)}, indent=2, default=_plain))
    except BrokenPipeError:  # here, for Typer would end it with another exit code
        end_unread()


def progress_to(status: Status) -> Callable[[str], None]:
    """Shows the steps of a build in ``status``, without PlatformIO's rules and blank lines."""

    def show(line: str) -> None:
        if line[:1].isalpha():
            status.update(escape(line[:_STATUS_WIDTH]))

    return show


def steps_to(status: Status) -> Callable[[str], None]:
    """Shows in ``status`` what long work says that it does."""
    return lambda text: status.update(text.capitalize())


def progress() -> Progress:
    """A progress bar in the terminal, silent where there is none.

    It is drawn on the console that also prints the results, if that one is a terminal: only so does rich keep both
    apart.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    console = out if out.is_terminal else err
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def count(number: int) -> str:
    """1234567 as ``1,234,567``."""
    return f"{number:,}"


def estimate(milliseconds: float | None) -> str:
    """An estimated latency; ``-`` where there is none."""
    return "-" if milliseconds is None else f"{milliseconds:.0f}"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy's arrays and numbers, recognised without importing it
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
