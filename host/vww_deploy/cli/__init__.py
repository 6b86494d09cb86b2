"""The command line: a file for each subcommand, over the public Python API.

A command is a module of this package with a function ``command``, or with a Typer application ``app`` if it has
subcommands. Its docstring is its help and ends with an example. To add one, write the module and name it in
:data:`COMMANDS`. Modules import what is heavy inside their functions: ``--help`` reads all of them.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from pathlib import Path
from typing import Any, Final

import typer
import typer.main

from vww_deploy.cli import common
from vww_deploy.errors import VwwError

COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "Start here": ("demo", "doctor", "boards"),
    "Models": ("inspect", "compile", "profile", "models", "costs", "search"),
    "Training": ("dataset", "train", "quantize", "evaluate"),
    "On a board": ("flash", "run", "verify", "bench", "monitor", "camera", "collect", "mlperf", "init_hil", "stop"),
    "Many boards": ("fleet", "worker"),
    "Afterwards": ("runs",),
}
"""The modules by the heading that ``--help`` shows them under, in its order."""

_HELP: Final = ["-h", "--help"]


def command_line() -> Any:
    """The whole command line, ready to be called; its help shows ``--count N`` rather than ``--count <int range>``."""
    whole = typer.main.get_command(build())
    _name_values(whole)
    return whole


def _name_values(command: Any) -> None:
    for parameter in command.get_params(typer.Context(command, help_option_names=_HELP)):
        if not hasattr(parameter, "is_flag") or parameter.is_flag:
            # An argument's name is its placeholder and a flag has no value: no type beside them.
            vars(parameter)["display_type_rich"] = lambda ctx: None
        elif parameter.metavar is None and not parameter.type_descriptor.is_choice:
            parameter.metavar = "N"
    for below in getattr(command, "commands", {}).values():
        _name_values(below)


def build() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        name="vww-deploy",
        help="From a person-detection .tflite to a board that runs it, watched over its serial port.",
        epilog="Start with: vww-deploy doctor",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": _HELP},
    )
    app.callback()(_global_options)
    for panel, names in COMMANDS.items():
        for name in names:
            module = importlib.import_module(f"{__name__}.{name}")
            if hasattr(module, "app"):
                app.add_typer(module.app, name=name, rich_help_panel=panel, no_args_is_help=True)
            else:
                app.command(name.replace("_", "-"), rich_help_panel=panel)(module.command)
    return app


def main() -> None:
    """The entry point: errors that a user can meet become a message and a hint on stderr, and the exit code."""
    try:
        try:
            command_line()(prog_name="vww-deploy")
        finally:
            sys.stdout.flush()  # here, where its failure can still be reported
    except VwwError as error:
        common.print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        common.end_unread()
    except OSError as error:  # a full disk, a folder without permission: where no module had more to say about it
        common.print_error(VwwError(str(error)))
        common.discard_output()
        sys.exit(VwwError.exit_code)


def _versions() -> list[tuple[str, str]]:
    """This program, and what its results depend on."""
    import shutil
    import subprocess
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name, package in (
        ("vww-deploy", "vww-deploy"),
        ("PlatformIO", "platformio"),
        ("LiteRT", "ai-edge-litert"),
        ("TFLite schema", "tflite"),
    ):
        try:
            found.append((name, version(package)))
        except PackageNotFoundError:
            found.append((name, "not installed"))
    compiler = "arm-none-eabi-gcc"
    said = ""
    if shutil.which(compiler) is not None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            arguments = [compiler, "-dumpfullversion"]
            said = subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    return [*found, (compiler, said or "not installed")]


def _print_version(wanted: bool) -> None:
    if wanted:
        for name, version in _versions():
            typer.echo(f"{name} {version}")
        raise typer.Exit


def _global_options(
    version: bool = typer.Option(
        False,
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Show versions: this program's, PlatformIO's, LiteRT's and the compiler's.",
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Say which programs are started."),
    trace: Path | None = typer.Option(  # noqa: B008
        None,
        "--trace",
        help="Write each frame and message on the link into a file, with times; before the subcommand.",
        metavar="FILE",
        dir_okay=False,
    ),
) -> None:
    package = logging.getLogger("vww_deploy")
    if verbose:
        _log_to(logging.StreamHandler(), logging.INFO, "%(message)s")
        package.setLevel(logging.INFO)
    if trace is not None:
        _log_to(logging.FileHandler(trace, "w", "utf-8"), logging.DEBUG, "%(asctime)s.%(msecs)03d %(name)s %(message)s")
        package.setLevel(logging.DEBUG)


def _log_to(handler: logging.Handler, level: int, form: str) -> None:
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(form, "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger("vww_deploy").addHandler(handler)
