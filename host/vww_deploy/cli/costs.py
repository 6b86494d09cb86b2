"""``vww-deploy costs``: the arithmetic of MobileNet v1 before one trains it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from vww_deploy.cli import common, model_outputs
from vww_deploy.files import write_whole
from vww_deploy.plot_page import plot_page

if TYPE_CHECKING:
    from vww_deploy.graph.costs import NetworkCost, Published

_TITLE: Final = "MobileNet v1: ImageNet top-1 (%) against what it costs"
_LETTER: Final = 0.0095  # of the plot's height, in a window of 800 pixels
_BESIDE: Final = 0.07  # decades between two notes that do not touch


@dataclass(frozen=True)
class _Row:
    network: NetworkCost
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    instructions: int
    """An estimate for a Cortex-M4."""
    fits: dict[str, bool]
    latency_ms: dict[str, float | None]
    """An estimate, by board; None for the virtual board, which has no time."""


def command(
    depth_multiplier: Annotated[
        list[float] | None, typer.Option("--depth-multiplier", "-a", help="Repeat for several; default: 0.25 to 1.")
    ] = None,
    size: Annotated[
        list[int] | None, typer.Option("--size", "-s", help="Side of the picture; repeat for several.", min=1)
    ] = None,
    channels: Annotated[int | None, typer.Option("--channels", help="1 gray (default), 3 RGB.", min=1)] = None,
    classes: Annotated[int | None, typer.Option("--classes", help="Default: 2.", min=1)] = None,
    published: Annotated[
        bool, typer.Option("--published", help="The published table beside the built networks.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            help="Draw the published accuracy against MACs, RAM and flash, and where the networks asked for lie.",
            metavar="FILE.html",
        ),
    ] = None,
    as_json: common.JsonOption = False,
) -> None:
    """Show what MobileNet v1 costs by depth multiplier and picture size, and which boards it fits.

    RAM is the memory planner's; latency is an estimate from measured instructions.

    Example: vww-deploy costs -a 0.25 -a 0.5 -s 96 -s 128 --channels 1
    """
    from vww_deploy.graph.costs import PUBLISHED, mobilenet_v1

    if plot is not None and plot.suffix != ".html":
        raise typer.BadParameter("the plot is a web page: name it something.html", param_hint="--plot")
    own = bool(depth_multiplier or size or channels or classes)
    if published and own:
        raise typer.BadParameter(
            "these networks have 3 channels and 1000 classes: leave out -a, -s, --channels and --classes",
            param_hint="--published",
        )
    table, asked = [], []  # the published networks, and those of the options or their defaults
    if published or plot is not None:
        table = [mobilenet_v1(one.depth_multiplier, one.size, one.size, 3, 1000) for one in PUBLISHED]
    if own or not table:
        sides = size or [96, 128]
        asked = [
            mobilenet_v1(alpha, side, side, channels or 1, classes or 2)
            for alpha in depth_multiplier or [0.25, 0.5, 0.75, 1.0]
            for side in sides
        ]
    with common.progress() as bar:
        task = bar.add_task("planning", total=len(table) + len(asked))
        found = []
        for network in table + asked:
            found.append(_row(network))
            bar.advance(task)
    printed, rows = found[: len(table)], found[len(table) :]
    if plot is not None:
        _plot(printed, rows, plot)
        common.notice(f"wrote {plot}")
    rows = rows or printed
    if as_json:
        prints = [_print_of(row, one) for row, one in zip(rows, PUBLISHED, strict=True)] if published else []
        networks = [_plain(row, print_) for row, print_ in zip_longest(rows, prints)]
        common.print_json(model_outputs.CostsOutput(_separable(), networks))
    elif published:
        _print_published(rows)
    else:
        _print_arithmetic()
        _print_rows(rows)


def _row(network: NetworkCost) -> _Row:
    from vww_deploy.boards.catalogue import load_boards
    from vww_deploy.compiler import compile_model
    from vww_deploy.graph.synthetic import mobilenet_v1_graph

    report = compile_model(mobilenet_v1_graph(network)).report()
    boards = load_boards()
    return _Row(
        network,
        report.flash_bytes,
        report.ram_bytes,
        report.stack_bytes,
        report.instructions,
        {one.name: report.fit(ram_bytes=one.ram_bytes, flash_bytes=one.flash_bytes).ok for one in boards},
        {one.name: one.estimated_ms(report.instructions) for one in boards},
    )


def _separable() -> model_outputs.SeparableExample:
    """The worked example: block 7 at depth multiplier 1 and 224x224."""
    from vww_deploy.graph.costs import separable_macs, separable_ratio, standard_macs

    return model_outputs.SeparableExample(
        kernel=3,
        inputs=512,
        outputs=512,
        side=14,
        standard_macs=standard_macs(3, 512, 512, 14),
        separable_macs=separable_macs(3, 512, 512, 14),
        ratio=separable_ratio(3, 512),
        separable_macs_by_depth_multiplier={
            str(alpha): separable_macs(3, 512, 512, 14, alpha) for alpha in (1.0, 0.75, 0.5, 0.25)
        },
    )


def _print_arithmetic() -> None:
    example = _separable()
    common.out.print("[bold]A 3x3 convolution, 512 to 512 channels, 14x14 out[/]")
    common.out.print(f"standard   D_K·D_K·M·N·D_F·D_F            {example.standard_macs:>13,} MACs")
    common.out.print(f"separable  D_K·D_K·M·D_F·D_F + M·N·D_F·D_F  {example.separable_macs:>11,} MACs")
    common.out.print(f"ratio      1/N + 1/D_K²                   {example.ratio:>13.4f}")
    for alpha, macs in example.separable_macs_by_depth_multiplier.items():
        common.out.print(f"a = {alpha:<5}  D_K·D_K·aM·D_F·D_F + aM·aN·D_F·D_F {macs:>9,} MACs")
    common.out.print()


def _print_rows(rows: list[_Row]) -> None:
    from vww_deploy.compiler.targets.cortex_m4 import CYCLES_PER_INSTRUCTION, MEASURED_ERROR, MEASURED_NETWORKS

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("multiplier", "picture", "MACs M", "parameters", "flash B", "RAM B"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        one = row.network
        table.add_row(
            f"{one.depth_multiplier:g}",
            f"{one.height}x{one.width}x{one.channels}",
            f"{one.macs / 1e6:.2f}",
            common.count(one.parameters),
            common.count(row.flash_bytes),
            common.count(row.ram_bytes),
        )
    common.out.print(table)
    common.out.print("\n[bold]Estimated latency in ms, and whether it fits[/]")
    boards = Table(box=None, pad_edge=False, header_style="bold")
    boards.add_column("board", no_wrap=True)
    for row in rows:
        boards.add_column(f"{row.network.depth_multiplier:g}\n{row.network.height}", justify="right", no_wrap=True)
    for name in rows[0].fits:
        cells = [common.estimate(row.latency_ms[name]) if row.fits[name] else "[red]no[/]" for row in rows]
        boards.add_row(name, *cells)
    common.out.print(boards)
    common.out.print(
        f"An estimate for a Cortex-M4 core: from instructions measured by kind of layer, which lay within "
        f"{MEASURED_ERROR:.0%} of {MEASURED_NETWORKS} measured networks (most within 2 %); on real boards "
        f"{CYCLES_PER_INSTRUCTION:g} cycles an instruction, modelled without wait states. A Cortex-M7 needs fewer; "
        "a Cortex-M0+, which lacks the fast instructions, 6 to 10 times as many (modelled).",
        soft_wrap=True,
    )


def _print_published(rows: list[_Row]) -> None:
    from vww_deploy.graph.costs import PUBLISHED

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("multiplier", "image", "MACs M", "printed", "parameters M", "printed", "ImageNet top-1", "RAM B"):
        table.add_column(name, justify="right")
    for row, print_ in zip(rows, PUBLISHED, strict=True):
        macs, parameters = row.network.macs / 1e6, row.network.trained_parameters / 1e6
        table.add_row(
            f"{print_.depth_multiplier:g}",
            str(print_.size),
            f"{macs:.1f}",
            f"{print_.macs_m:g}",
            f"{parameters:.3f}",
            f"{print_.parameters_m:g}",
            f"{print_.imagenet_top1:g}",
            common.count(row.ram_bytes),
        )
    common.out.print(table)
    for row, print_ in zip(rows, PUBLISHED, strict=True):
        for remark in _differences(row, print_):
            name = f"multiplier {print_.depth_multiplier:g}, image {print_.size}"
            common.out.print(f"[yellow]differs[/]  {name}: {remark}", soft_wrap=True)


def _differences(row: _Row, print_: Published) -> list[str]:
    """Where the published table and the network that it describes disagree."""
    macs, parameters = row.network.macs / 1e6, row.network.trained_parameters / 1e6
    found = []
    if abs(macs - print_.macs_m) > 0.01 * print_.macs_m + 0.5:
        found.append(f"the network has {macs:.1f} M MACs, the print says {print_.macs_m:g}")
    if abs(parameters - print_.parameters_m) > 0.01 * print_.parameters_m:
        found.append(
            f"the network has {parameters:.2f} M parameters, the print says {print_.parameters_m:g}; "
            "they do not depend on the image"
        )
    return found


def _print_of(row: _Row, print_: Published) -> model_outputs.PrintedFigures:
    return model_outputs.PrintedFigures(
        print_.macs_m, print_.parameters_m, print_.imagenet_top1, _differences(row, print_)
    )


def _plain(row: _Row, printed: model_outputs.PrintedFigures | None) -> model_outputs.NetworkRow:
    one = row.network
    return model_outputs.NetworkRow(
        depth_multiplier=one.depth_multiplier,
        height=one.height,
        width=one.width,
        channels=one.channels,
        classes=one.classes,
        macs=one.macs,
        parameters=one.parameters,
        trained_parameters=one.trained_parameters,
        int8_bytes=one.int8_bytes,
        flash_bytes=row.flash_bytes,
        ram_bytes=row.ram_bytes,
        stack_bytes=row.stack_bytes,
        fits=row.fits,
        estimated_instructions=row.instructions,
        estimated_latency_ms=row.latency_ms,
        printed=printed,
    )


def _plot(published: list[_Row], asked: list[_Row], path: Path) -> None:
    """The published networks by accuracy and cost, and below them, for theirs is not known, those asked for."""
    from vww_deploy.boards.catalogue import load_boards
    from vww_deploy.errors import DataError, ToolMissing
    from vww_deploy.graph.costs import PUBLISHED
    from vww_deploy.resources import install_extra

    try:
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise ToolMissing("plotly is not installed", hint=install_extra("report")) from error
    titles = ("MACs (M)", "RAM (KB)", "flash (KB)")
    figure = make_subplots(rows=1, cols=len(titles), subplot_titles=titles, shared_yaxes=True)
    boards = load_boards()
    limits: tuple[dict[str, float], ...] = (
        {},
        {board.name: board.ram_bytes / 1024 for board in boards},
        {board.name: board.flash_bytes / 1024 for board in boards},
    )
    for size, colour in zip(sorted({one.size for one in PUBLISHED}, reverse=True), ("#1f77b4", "#d62728"), strict=True):
        chosen = [(row, one) for row, one in zip(published, PUBLISHED, strict=True) if one.size == size]
        for column in range(len(titles)):
            figure.add_scatter(
                x=[_costs(row)[column] for row, _ in chosen],
                y=[one.imagenet_top1 for _, one in chosen],
                text=[f"{one.depth_multiplier:g}" for _, one in chosen],
                name=f"{size} x {size}, by depth multiplier",
                legendgroup=str(size),
                showlegend=column == 0,
                mode="lines+markers+text",
                textposition="top left",
                line_color=colour,
                row=1,
                col=column + 1,
            )
    if asked:
        lowest = min(one.imagenet_top1 for one in PUBLISHED)
        for column in range(len(titles)):
            figure.add_scatter(
                x=[_costs(row)[column] for row in asked],
                y=[lowest - 3] * len(asked),
                text=[_name(row.network) for row in asked],
                name="asked for, accuracy not known",
                legendgroup="asked",
                showlegend=column == 0,
                mode="markers",
                marker_symbol="line-ns-open",
                marker_size=14,
                marker_color="#2a9d4a",
                row=1,
                col=column + 1,
            )
    for column, by_board in enumerate(limits, start=1):
        figure.update_xaxes(type="log", dtick="D1", row=1, col=column)
        notes: list[_Note] = []
        for limit in sorted(set(by_board.values())):
            figure.add_vline(x=limit, line_dash="dot", line_width=1, row=1, col=column)
            names = ", ".join(name for name, value in by_board.items() if value == limit)
            notes.append(_placed(math.log10(limit), names, notes))
            figure.add_annotation(
                # plotly places a note on a logarithmic axis by the logarithm, and a line by the value.
                x=math.log10(limit),
                y=notes[-1].low,
                xref=f"x{column}",
                yref=f"y{column} domain",
                text=names,
                textangle=-90,
                showarrow=False,
                xanchor="right",
                yanchor="bottom",
                font_size=10,
            )
    figure.update_layout(
        title=f"{_TITLE}; dotted: what a board leaves",
        legend_orientation="h",
    )
    try:
        write_whole(path, plot_page(figure, _TITLE).encode())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Note:
    """A note that stands upright at ``x``, a logarithm; ``low`` and ``high`` are parts of the plot's height."""

    x: float
    low: float
    high: float


def _placed(x: float, text: str, others: list[_Note]) -> _Note:
    """As low as it covers no other note."""
    height = _LETTER * len(text)
    near = [other for other in others if x - other.x < _BESIDE]
    lows = [0.0, *(other.high for other in near)]
    low = min(low for low in lows if all(low + height <= other.low or low >= other.high for other in near))
    return _Note(x, low, low + height)


def _name(network: NetworkCost) -> str:
    return f"{network.depth_multiplier:g}, {network.height}x{network.width}x{network.channels}"


def _costs(row: _Row) -> tuple[float, float, float]:
    """Millions of MACs, KB of RAM and KB of flash: the plot's axes."""
    return row.network.macs / 1e6, row.ram_bytes / 1024, row.flash_bytes / 1024
