"""``vww-deploy mlperf``: the MLPerf Tiny visual wake words benchmark on a board."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vww_deploy.cli import common
from vww_deploy.cli.board_outputs import MlperfOutput, WindowRow
from vww_deploy.errors import DataError


class Mode(StrEnum):
    """What is measured."""

    BOTH = "both"
    PERFORMANCE = "performance"
    ACCURACY = "accuracy"


def command(
    folder: Annotated[
        Path, typer.Argument(help="Folder with .bin files of 96x96x3 values and y_labels.csv.", metavar="DIR")
    ],
    board: common.BoardOption = None,
    port: common.PortOption = None,
    mode: Annotated[Mode, typer.Option("--mode", help="What to measure.")] = Mode.BOTH,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only so many files, as many of each class.")
    ] = None,
    signed: Annotated[bool, typer.Option("--int8", help="The files hold int8 values instead of uint8.")] = False,
    estimate_for: common.AsOption = common.AS_DEFAULT,
    as_json: common.JsonOption = False,
) -> None:
    """Run the MLPerf Tiny benchmark vww01: throughput, median latency, top-1 accuracy and AUC.

    The board must run a model for the benchmark's pictures: see flash. It speaks the benchmark's own protocol, so that
    its public runner can be used as well.

    Example: vww-deploy mlperf vww01/ --board virtual --limit 100
    """
    from vww_deploy.boards.drivers import driver_for
    from vww_deploy.link.transport import open_transport
    from vww_deploy.session import mlperf
    from vww_deploy.session.connect import choose_board
    from vww_deploy.session.latency import estimate, latency_text

    samples = mlperf.load_samples(folder, limit, signed=signed)
    if mode is not Mode.ACCURACY and len(samples) < mlperf.PERFORMANCE_WINDOWS:
        raise DataError(f"the performance mode takes at least {mlperf.PERFORMANCE_WINDOWS} files")
    chosen = choose_board(board, port)
    transport = open_transport(port or driver_for(chosen).locate(), chosen.baudrate)
    performance = accuracy = None
    try:
        dut = mlperf.Dut(transport)
        name = dut.identify()
        with common.progress() as progress:
            if mode is not Mode.ACCURACY:
                task = progress.add_task("performance", total=mlperf.PERFORMANCE_WINDOWS)
                performance = mlperf.measure_performance(
                    dut, samples, lambda done: progress.update(task, completed=done)
                )
            if mode is not Mode.PERFORMANCE:
                second = progress.add_task("accuracy", total=len(samples))
                accuracy = mlperf.measure_accuracy(dut, samples, lambda done: progress.update(second, completed=done))
    finally:
        transport.close()
    median = performance.median if performance is not None else None
    counted, timed = (median, None) if dut.counts_instructions else (None, median)
    made = None if counted is None else estimate(counted.instructions, estimate_for)
    if as_json:
        common.print_json(
            MlperfOutput(
                device=name,
                median_throughput=timed.throughput if timed else None,
                median_latency_us=timed.latency_us if timed else None,
                median_instructions=counted.instructions if counted else None,
                estimate=made,
                windows=[
                    WindowRow(
                        window.inferences,
                        None if dut.counts_instructions else window.latency_us,
                        window.instructions if dut.counts_instructions else None,
                        list(window.results),
                    )
                    for window in (performance.windows if performance is not None else ())
                ],
                samples=len(samples) if accuracy else None,
                top1_percent=accuracy.top1_percent if accuracy else None,
                auc=accuracy.auc if accuracy else None,
            )
        )
        return
    common.out.print(f"MLPerf Tiny {mlperf.MODEL_ID} on {name}", markup=False)
    if timed is not None:
        common.out.print(f"Median throughput is {timed.throughput:10.3f} inf./sec.")
        common.out.print(f"Median latency is {timed.latency_us / 1000:.3f} ms")
    if counted is not None:
        common.out.print(f"Median is {latency_text(counted.instructions, None, estimate_for)}; no time was measured")
    if accuracy is not None:
        common.out.print(f"Top 1% = {accuracy.top1_percent:2.1f} of {len(samples)} samples")
        common.out.print("AUC = " + ("- (not of two classes)" if accuracy.auc is None else f"{accuracy.auc:.3f}"))
