"""``vww-deploy boards``: the catalogue and what is plugged in."""

from __future__ import annotations

from dataclasses import asdict

from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common


def command(as_json: common.JsonOption = False) -> None:
    """Show the boards there are, and which are attached where.

    Example: vww-deploy boards
    """
    from vww_deploy.boards.catalogue import load_boards
    from vww_deploy.boards.drivers import attached

    boards = load_boards()
    found = attached()
    if as_json:
        # Hexadecimal, as the catalogue, lsusb and udev rules have them.
        boards_json = [
            {
                **asdict(board),
                "usb_ids": [f"{vendor:04x}:{product:04x}" for vendor, product in board.usb_ids],
                "bootloader_usb_ids": [f"{vendor:04x}:{product:04x}" for vendor, product in board.bootloader_usb_ids],
            }
            for board in boards
        ]
        attached_json = [
            {"board": a.board.name, "port": a.port, "serial_number": a.serial_number, "in_bootloader": a.in_bootloader}
            for a in found
        ]
        common.print_json({"boards": boards_json, "attached": attached_json})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("board", no_wrap=True, min_width=34)
    table.add_column("core", no_wrap=True)
    for name in ("flash KB", "RAM KB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("camera", no_wrap=True)
    for board in boards:
        table.add_row(
            f"[bold]{escape(board.name)}[/]\n[dim]{escape(board.title)}[/]",
            f"{escape(board.core)}\n[dim]{board.clock_hz / 1e6:g} MHz[/]",
            f"{board.flash_bytes / 1024:.0f}",
            f"{board.ram_bytes / 1024:.0f}{'' if board.figures == 'linked' else '*'}",
            escape(", ".join(board.cameras) or "-"),
        )
    common.out.print(table)
    common.out.print(
        "[dim]Flash and RAM: what the board's framework leaves. USB ids: --json.[/]"
        "\n[dim]* estimated from the vendor's figures: the firmware was never built for this board.[/]"
    )
    common.out.print()
    for a in found:
        state = " (in its bootloader)" if a.in_bootloader else ""
        common.out.print(
            f"[green]attached:[/] [bold]{escape(a.board.name)}[/] at {escape(a.port)}{state}", soft_wrap=True
        )
    if not found:
        start = "[bold]vww-deploy flash --board virtual[/]"
        common.out.print(f"Nothing is attached. The virtual board starts with: {start}", soft_wrap=True)
