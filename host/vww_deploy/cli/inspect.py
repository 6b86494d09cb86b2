"""``vww-deploy inspect``: what a model is, what it needs, and which boards it fits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from vww_deploy.cli import common, model_outputs
from vww_deploy.cli.compile import OptimizeOption
from vww_deploy.cli.model_tables import fit_table, layer_table, print_memory

if TYPE_CHECKING:
    from vww_deploy.compiler.compiled import Compiled
    from vww_deploy.compiler.report import Report
    from vww_deploy.graph.model import Model


_PLAN_WIDTH = 120  # of the drawing, in a pipe too


def command(
    model: common.ModelArgument = None,
    labels: common.LabelsOption = None,
    person_label: common.PersonLabelOption = None,
    board: Annotated[
        str | None,
        typer.Option("--board", "-b", metavar="BOARD", help="Only this board; fails if the model does not fit it."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Draw the memory plan over time, and explain it.")] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write that drawing to an SVG file.")
    ] = None,
    optimize: OptimizeOption = "speed",
    as_json: common.JsonOption = False,
) -> None:
    """Show a model's layers, RAM and flash, and the boards it fits.

    Example: vww-deploy inspect person_96_gray --board nano33ble
    """
    from vww_deploy.boards.catalogue import get_board, load_boards
    from vww_deploy.cli.refused import show_refused
    from vww_deploy.compiler import compile_model
    from vww_deploy.compiler.drawing import write_svg
    from vww_deploy.errors import ModelError
    from vww_deploy.graph.model import Model

    boards = [get_board(board)] if board else list(load_boards())
    if model is None:
        common.notice(common.NO_MODEL)
    try:
        loaded = Model.load(model, labels=labels, person_label=person_label)
    except ModelError as error:
        if model is not None and Path(model).is_file():
            show_refused(Path(model), error, boards, optimize=optimize, as_json=as_json)
        raise
    with common.err.status(f"Compiling {loaded.name}"):
        compiled = compile_model(loaded.graph, optimize=optimize)
        report = compiled.report()
    fits = [report.fit(ram_bytes=b.ram_bytes, flash_bytes=b.flash_bytes) for b in boards]
    if as_json:
        by_board = {b.name: model_outputs.BoardFit(fit.ok, fit) for b, fit in zip(boards, fits, strict=True)}
        edges = _input(loaded), _outputs(loaded)
        common.print_json(
            model_outputs.InspectOutput(report, report.flash_bytes, by_board, loaded.card.to_json(), *edges)
        )
    else:
        _print_model(loaded, report)
        common.out.print(layer_table(report))
        print_memory(report)
        common.out.print(fit_table(report, boards))
        if plan:
            _print_plan(compiled)
    if svg:
        write_svg(compiled, svg)
    if board and not fits[0].ok:
        raise typer.Exit(1)


def _input(model: Model) -> model_outputs.ModelInput:
    from vww_deploy.pictures.preprocess import quantisation_table

    given = model.graph.input_activation
    table = quantisation_table(model.card.input, given.quantization)
    return model_outputs.ModelInput(
        shape=list(given.shape),
        dtype="int8",
        scale=given.quantization.scale,
        zero_point=given.quantization.zero_point,
        pixel_0=int(table[0]),
        pixel_255=int(table[255]),
    )


def _outputs(model: Model) -> model_outputs.ModelOutputs:
    meant = model.outputs
    return model_outputs.ModelOutputs(**asdict(meant), kind=meant.kind, doubt=meant.doubt)


def _print_plan(compiled: Compiled) -> None:
    from vww_deploy.compiler.drawing import explain, plan_text

    common.out.print()
    drawn = plan_text(compiled, width=min(common.out.width, _PLAN_WIDTH))
    common.out.print(drawn, markup=False, highlight=False, soft_wrap=True)
    for sentence in explain(compiled):
        common.out.print(f"- {escape(sentence)}", highlight=False)


def _print_model(model: Model, report: Report) -> None:
    height, width, channels = report.input_shape
    operators = ", ".join(f"{number} {kind}" for kind, number in report.operators.items())
    common.out.print(f"[bold]{escape(model.name)}[/]  {escape(str(model.path))}", soft_wrap=True)
    common.out.print(f"SHA-256    {model.sha256}", soft_wrap=True)
    common.out.print(
        f"input      {height} x {width} x {channels} ({'gray' if channels == 1 else 'RGB'}), "
        f"resize: {model.card.input.resize}"
    )
    _print_edges(model)
    common.out.print(f"operators  {escape(operators)}")
    common.out.print(f"MACs       {report.macs:,}; left after the passes: {report.macs_left:,}")
    common.out.print(f"parameters {report.parameters:,}")
    common.out.print(f"estimate   {report.instructions:,} instructions on a Cortex-M4 (counted: vww-deploy profile)")
    for notice in report.notices:
        common.out.print(f"[yellow]notice[/]     {escape(notice)}")
    common.out.print()


def _print_edges(model: Model) -> None:
    """What the input and the outputs are made of, and what they mean."""
    from vww_deploy.pictures.preprocess import quantisation_table

    quantization, outputs = model.graph.input_activation.quantization, model.outputs
    table = quantisation_table(model.card.input, quantization)
    real = [(int(table[pixel]) - quantization.zero_point) * quantization.scale for pixel in (0, 255)]
    common.out.print(
        f"           int8, scale {quantization.scale:.9g}, zero point {quantization.zero_point}; pixel 0 becomes "
        f"{table[0]} ({real[0]:.4g}), pixel 255 becomes {table[255]} ({real[1]:.4g})",
        soft_wrap=True,
    )
    common.out.print(f"outputs    {outputs.kind}: {escape(', '.join(outputs.labels))}", soft_wrap=True)
    source = f"labels from {escape(outputs.origin)}" if outputs.origin else "no labels were found"
    decides = f"{escape(outputs.chance)} decides from {model.card.threshold:g}"
    values = "probabilities" if outputs.probabilities else "logits"
    common.out.print(
        f"           {source}; {decides}; {values}, scale {outputs.scale:.9g}, zero point {outputs.zero_point}",
        soft_wrap=True,
    )
    if outputs.doubt:
        common.out.print(f"[yellow]unknown[/]    {escape(outputs.doubt)}", soft_wrap=True)
