"""The command line as a whole: help, errors, exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.support.json_shapes import json_page
from vww_deploy import __version__
from vww_deploy import cli as command_line
from vww_deploy.errors import VwwError


def all_commands() -> dict[str, Any]:
    def walk(name: str, command: Any) -> dict[str, Any]:
        if hasattr(command, "commands"):
            below = (walk(f"{name} {child}".strip(), sub) for child, sub in command.commands.items())
            return {path: one for found in below for path, one in found.items()}
        return {name: command}

    return walk("", command_line.command_line())


def all_help() -> dict[str, str]:
    return {name: command.help or "" for name, command in all_commands().items()}


def test_every_command_that_prints_json_is_in_its_page() -> None:
    printing = {name for name, command in all_commands().items() if any("--json" in p.opts for p in command.params)}
    assert printing == {*json_page().COMMANDS, "monitor"}


def test_the_page_of_json_is_that_of_the_code() -> None:
    page = json_page()
    assert page.PAGE.read_text() == page.page(), "make it again with: python docs/json_page.py"


@pytest.mark.parametrize(("name", "text"), all_help().items(), ids=all_help())
def test_every_command_says_what_it_does_with_an_example(name: str, text: str) -> None:
    assert len(text.split("Example:")[0]) > 20
    assert f"Example: vww-deploy {name}" in text


def test_help_says_what_an_option_takes_in_words_of_its_own() -> None:
    for name, command in all_commands().items():
        context = typer.Context(command, info_name=name, help_option_names=["-h", "--help"])
        for parameter in command.get_params(context):
            shown = parameter.display_type_rich(context) or ""
            # Choices are shown as <one|two>; <str> or TEXT says nothing.
            assert not re.search(r"<[^|]+>|TEXT|INTEGER|FLOAT", shown), (name, parameter.opts)
        assert not any("[" in piece[1:] for piece in command.collect_usage_pieces(context)), name


def test_help_lists_the_commands_under_their_headings(cli: Callable[..., Any]) -> None:
    ran = cli("--help")
    assert ran.code == 0
    for heading in command_line.COMMANDS:
        assert heading in ran.out


def test_version(cli: Callable[..., Any]) -> None:
    lines = cli("--version").out.splitlines()
    assert lines[0] == f"vww-deploy {__version__}"
    assert [line.rsplit(" ", 1)[0] for line in lines[1:]] == [
        "PlatformIO",
        "LiteRT",
        "TFLite schema",
        "arm-none-eabi-gcc",
    ]


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from vww_deploy import cli; cli.build(); "
        "print([m for m in ('numpy.linalg.lapack_lite', 'ai_edge_litert', 'tflite', 'PIL', 'tensorflow', 'platformio', "
        "'nicegui', 'plotly', 'serial') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_demo_without_its_pictures_says_so_before_it_builds_anything(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    ran = cli("demo")
    assert ran.code == 1
    assert "the sample pictures are scikit-image's, which is not installed" in ran.err
    assert ran.out == ""


def test_an_error_is_a_message_and_a_hint(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class OddError(VwwError):
        exit_code = 7

    def fail() -> None:
        raise OddError("the board [red]is[/] away", hint="look under the [desk]")

    monkeypatch.setattr("vww_deploy.boards.doctor.examine", fail)
    ran = cli("doctor")
    assert ran.code == 7
    assert "error: the board [red]is[/] away" in ran.err
    assert "try: look under the [desk]" in ran.err
    assert ran.out == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_takes_nothing_is_said(unbuffered: str) -> None:
    code = "from vww_deploy.cli import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "boards"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: [Errno 28] No space left on device")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGPIPE")
@pytest.mark.parametrize("json", [(), ("--json",)], ids=["text", "json"])
def test_a_reader_that_leaves_ends_a_command_quietly(json: tuple[str, ...]) -> None:
    code = "import sys; sys.stdin.read(); from vww_deploy.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "boards", *json],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_wrong_option_is_a_usage_error(cli: Callable[..., Any]) -> None:
    ran = cli("doctor", "--colour", "green")
    assert ran.code == 2
    assert "--colour" in ran.err
