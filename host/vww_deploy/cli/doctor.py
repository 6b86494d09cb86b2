"""``vww-deploy doctor``: what is installed, what is missing, and the command that fixes it."""

from __future__ import annotations

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common
from vww_deploy.cli.board_outputs import DoctorOutput


def command(as_json: common.JsonOption = False) -> None:
    """Say what is installed, what is missing and how to get it.

    Example: vww-deploy doctor
    """
    from vww_deploy.boards.doctor import examine

    with common.err.status("Looking around"):
        checks = examine()
    missing = [check for check in checks if check.required and not check.ok]
    if as_json:
        common.print_json(DoctorOutput(checks))
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(width=2)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for check in checks:
            sign = "[green]✓[/]" if check.ok else "[bold red]✗[/]" if check.required else "[yellow]○[/]"
            found = escape(check.found)
            if check.cure and not check.ok:
                found += f"\n[cyan]{escape(check.cure)}[/]"
            table.add_row(sign, escape(check.name), found)
        common.out.print(table)
        common.out.print()
        if missing:
            common.out.print(f"[bold red]{len(missing)} missing.[/] The commands above fix that.")
        else:
            common.out.print("[bold green]Everything needed is here.[/] Next: [bold]vww-deploy boards[/]")
    if missing:
        raise typer.Exit(1)
