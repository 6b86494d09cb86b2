"""Hooks of mkdocs.yml: the command line's page is made from the commands' own help."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs calls this with the text of each page."""
    return markdown.replace(MARK, "\n".join(commands())) if MARK in markdown else markdown


def on_page_content(html: str, **_: Any) -> str:
    """MkDocs calls this with each page's HTML: the roles of the docstrings are not for readers."""
    return re.sub(r":(?:class|meth|func|data|attr|mod|exc):<code>~?", "<code>", html)


def commands() -> Iterator[str]:
    """A heading and the help of each command, subcommands included."""
    # Typer's own variable: no escape sequences, and lines that fit a page.
    os.environ.update(NO_COLOR="1", TERM="dumb", COLUMNS="100")
    import typer
    from typer.testing import CliRunner

    from vww_deploy.cli import build

    app, runner = build(), CliRunner()

    def walk(command: Any, path: list[str]) -> Iterator[str]:
        for name, child in sorted(command.commands.items()):
            words = [*path, name]
            ran = runner.invoke(app, [*words, "--help"])
            yield f"## {' '.join(words)}\n\n```text\n{ran.output.strip()}\n```\n"
            if hasattr(child, "commands"):
                yield from walk(child, words)

    yield from walk(typer.main.get_command(app), [])
