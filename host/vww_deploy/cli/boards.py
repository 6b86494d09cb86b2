"""``vww-deploy boards``: the catalogue and what is plugged in."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common
from vww_deploy.cli.board_outputs import AttachedRow, BoardRow, BoardsAddOutput, BoardsOutput

if TYPE_CHECKING:
    from vww_deploy.boards.catalogue import Board


def command(
    add: Annotated[
        bool, typer.Option("--add", help="Write the entries of a board that is plugged in and not known.")
    ] = False,
    platformio: Annotated[
        str | None,
        typer.Option(
            "--platformio",
            metavar="ID",
            help="With --add: PlatformIO's name of the board; default: the one with its USB id.",
        ),
    ] = None,
    port: Annotated[
        str | None,
        typer.Option("--port", "-p", metavar="PORT", help="With --add: its port; default: the one not known."),
    ] = None,
    as_json: common.JsonOption = False,
) -> None:
    """Show the boards there are, and which are attached where; or add one.

    Example: vww-deploy boards
    """
    from vww_deploy.boards.catalogue import load_boards
    from vww_deploy.boards.drivers import attached

    if add:
        _add(port, platformio, as_json)
        return
    if port is not None or platformio is not None:
        raise typer.BadParameter("--port and --platformio go with --add")

    boards = load_boards()
    found = attached()
    if as_json:
        attached_json = [AttachedRow(a.board.name, a.port, a.serial_number, a.in_bootloader) for a in found]
        common.print_json(BoardsOutput([_to_json(board) for board in boards], attached_json))
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
            f"{escape(board.core)}\n[dim]{_speed(board)}[/]",
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


def _speed(board: Board) -> str:
    return "counts only" if board.counts_instructions else f"{board.clock_hz / 1e6:g} MHz"


def _add(port: str | None, platformio: str | None, as_json: bool) -> None:
    from vww_deploy.boards import adding
    from vww_deploy.boards.catalogue import usb_id_text

    with common.err.status("Asking PlatformIO for the board"):
        added = adding.add(port, platformio)
    board, there = added.board, added.port
    if as_json:
        output = BoardsAddOutput(
            board=_to_json(board),
            platformio_board=added.platformio.id,
            port=there.device,
            usb_id=usb_id_text(there.usb_id),
            entry=added.entry,
            environment=added.environment,
            unknown=added.unknown,
        )
        common.print_json(output)
        return
    say = functools.partial(common.out.print, soft_wrap=True)
    say(f"[green]added:[/] [bold]{escape(board.name)}[/], {escape(board.title)} ({escape(board.mcu)})")
    say(f"  {escape(str(added.entry))}\n  {escape(str(added.environment))}")
    say("PlatformIO knows its processor, clock, RAM and flash. Not known or assumed:")
    for line in added.unknown:
        say(f"  - {escape(line)}")
    where = "" if board.usb_ids else f" --port {there.device}"
    say(f"Next: [bold]vww-deploy flash person_96_gray --board {escape(board.name + where)}[/]")


def _to_json(board: Board) -> BoardRow:
    from vww_deploy.boards.catalogue import usb_id_text

    return BoardRow(
        name=board.name,
        title=board.title,
        mcu=board.mcu,
        core=board.core,
        driver=board.driver,
        counts_instructions=board.counts_instructions,
        clock_hz=board.clock_hz,
        flash_bytes=board.flash_bytes,
        ram_bytes=board.ram_bytes,
        figures=board.figures,
        usb_ids=[usb_id_text(one) for one in board.usb_ids],
        bootloader_usb_ids=[usb_id_text(one) for one in board.bootloader_usb_ids],
        bootloader=board.bootloader,
        images=list(board.images),
        baudrate=board.baudrate,
        cameras=list(board.cameras),
    )
