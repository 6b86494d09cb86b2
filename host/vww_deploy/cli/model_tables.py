"""A compiled model's layers, memory and boards, as `inspect` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common

if TYPE_CHECKING:
    from vww_deploy.boards.catalogue import Board
    from vww_deploy.compiler.report import Report

_NAME_WIDTH = 18  # what a layer's name needs at least; columns give way to it


def layer_table(report: Report) -> Table:
    """All layers in as many columns as there is room for; in a pipe with the file's own names."""
    from vww_deploy.graph.layer_names import cut, short_name

    in_pipe = not common.out.is_terminal
    operators = [layer.kind.replace("DEPTHWISE_CONV_2D", "DW_CONV_2D") for layer in report.layers]
    columns = {
        "shape": ["x".join(map(str, layer.shape)) for layer in report.layers],
        "MACs": [f"{layer.macs:,}" for layer in report.layers],
        "weights B": [f"{layer.constant_bytes:,}" for layer in report.layers],
        "scratch B": [f"{layer.scratch_bytes:,}" for layer in report.layers],
    }
    widths = {title: 2 + max(len(title), *map(len, cells)) for title, cells in columns.items()}
    taken = 2 + 2 + max(map(len, operators)) + 1 + 2  # number, operator and its mark
    room = common.out.width - taken - sum(widths.values())
    for name in ("scratch B", "weights B", "MACs"):
        if room < _NAME_WIDTH:
            del columns[name]
            room += widths[name]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("operator", no_wrap=True)
    table.add_column("output" if in_pipe else "layer", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for i, layer in enumerate(report.layers):
        table.add_row(
            str(layer.index),
            operators[i] + ("[cyan]~[/]" if layer.streamed else ""),
            escape(layer.name if in_pipe else cut(short_name(layer.name, layer.kind), max(room, _NAME_WIDTH))),
            *(cells[i] for cells in columns.values()),
        )
    if any(layer.streamed for layer in report.layers):
        table.caption = "~ runs row by row in a band: its whole output never exists in memory"
        table.caption_justify = "left"
    return table


def print_memory(report: Report) -> None:
    saved = [saving for saving in report.passes if saving.macs_saved or saving.bytes_saved]
    common.out.print()
    for saving in saved:
        figures = f"saves {saving.macs_saved:,} MACs, {saving.bytes_saved:,} bytes"
        common.out.print(f"{escape(saving.name)}: {escape(saving.text)}; {figures}", soft_wrap=True)
    common.out.print(
        f"[bold]RAM[/]   {report.ram_bytes:,} bytes, and {report.stack_bytes:,} of stack\n"
        f"      activations {report.activation_bytes:,}, scratch {report.scratch_bytes:,}; they share memory"
    )
    common.out.print(
        f"[bold]flash[/] {report.flash_bytes:,} bytes\n"
        f"      weights {report.weight_bytes:,}, tables {report.table_bytes:,}, engine code {report.code_bytes:,}"
    )
    common.out.print()


def fit_table(report: Report, boards: list[Board]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("board", no_wrap=True)
    table.add_column("fits")
    for name in ("RAM free B", "flash free B", "~ms"):
        table.add_column(name, justify="right")
    for board in boards:
        fit = report.fit(ram_bytes=board.ram_bytes, flash_bytes=board.flash_bytes)
        verdict = "[yellow]yes, tight[/]" if fit.tight else "[green]yes[/]"
        if not fit.ok:
            over = [f"{n:,} B {what}" for n, what in ((fit.ram_over, "RAM"), (fit.flash_over, "flash")) if n]
            verdict = f"[red]no: {' and '.join(over)} too much[/]"
        table.add_row(
            escape(board.name),
            verdict,
            f"{board.ram_bytes - report.ram_bytes - report.stack_bytes:,}",
            f"{board.flash_bytes - report.flash_bytes:,}",
            common.estimate(board.estimated_ms(report.instructions)) if fit.ok else "",
        )
    return table
