"""What the commands share that can work on many boards: the options, and the way into a fleet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.markup import escape

from vww_deploy.cli import common, tables
from vww_deploy.errors import DataError
from vww_deploy.fleet import require as require_fleet

if TYPE_CHECKING:
    from vww_deploy.fleet.client import Fleet
    from vww_deploy.fleet.run import FleetRun
    from vww_deploy.fleet.shards import Outcome
    from vww_deploy.graph.model import Model

ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        help="Many boards at once: a fleet's address, or local, local:4 for virtual boards on this computer.",
        metavar="ADDRESS",
    ),
]
BoardsOption = Annotated[
    str | None,
    typer.Option(
        "--boards", help="With --cluster: all, nano33ble, or nano33ble=4 for four of them.", metavar="KIND[=N]"
    ),
]
SHARD_DEFAULT = 50
"""As :data:`vww_deploy.fleet.shards.DEFAULT_SIZE`, which ``--help`` need not import."""
ShardOption = Annotated[
    int, typer.Option("--shard", help="With --cluster: pictures that a board gets at a time.", min=1, metavar="N")
]


def refuse_beside(cluster: str | None, boards: str | None, **others: Any) -> None:
    """Raise DataError where an option is given that means nothing with ``--cluster``, or ``--boards`` without it."""
    if cluster is None and boards is not None:
        raise DataError(
            "--boards means nothing without --cluster", hint="--cluster says where the boards are; --board names one"
        )
    given = [f"--{name.replace('_', '-')}" for name, value in others.items() if value]
    if cluster is not None and given:
        raise DataError(f"{given[0]} and --cluster do not go together", hint="--boards says which boards of a fleet")


@contextlib.contextmanager
def joined(cluster: str) -> Iterator[Fleet]:
    """The fleet that ``--cluster`` names; one of virtual boards ends with the block.

    Raises:
        ToolMissing: Dask is not installed.
        DataError: ``local`` is followed by no number of boards.
        FleetError: it cannot be reached, or may not.
    """
    require_fleet()
    from vww_deploy.fleet.local import is_local, named_fleet

    with contextlib.ExitStack() as stack:
        starting = common.err.status("Starting virtual boards") if is_local(cluster) else contextlib.nullcontext()
        with starting:
            fleet = stack.enter_context(named_fleet(cluster, common.notice))
        yield fleet


def model_named(named: str | None, labels: Path | None = None, person_label: str | None = None) -> Model:
    """The model that was named, else the shipped one: a fleet's boards are flashed with it, whatever they run."""
    from vww_deploy.graph.model import Model

    if named is None:
        common.notice(common.NO_MODEL)
    loaded = Model.load(named, labels=labels, person_label=person_label)
    if loaded.outputs.doubt:
        common.notice(loaded.outputs.doubt)
    return loaded


def each(
    cluster: str, model: Model, task: Literal["verify", "bench"], boards: str | None, repeats: int = 0
) -> Iterator[Outcome]:
    """Verify or bench on each board of a fleet, with a progress bar; as :func:`vww_deploy.fleet.each.on_each`."""
    with joined(cluster) as fleet, common.progress() as progress:
        from vww_deploy.fleet.each import on_each

        bar = progress.add_task(task, total=None)
        for outcome in on_each(fleet, model, task, boards, repeats):
            progress.advance(bar)
            yield outcome


def follow(run: FleetRun, outcomes: Iterator[Outcome], pictures: int, *, quiet: bool) -> None:
    """Show a run's outcomes as they come: a progress bar, and a line on stdout for each result unless ``quiet``."""
    boards: set[str] = set()
    with common.progress() as progress:
        task = progress.add_task("streaming", total=pictures)
        for outcome in outcomes:
            assert run.writer is not None
            header = run.writer.header
            if not quiet and not boards:
                common.out.print(tables.result_heading(header), soft_wrap=True)
            boards.add(outcome.board)
            for skipped in outcome.skipped:
                common.err.print(f"[yellow]skipped:[/] {escape(skipped.reason)}", soft_wrap=True)
            for result in () if quiet else outcome.results:
                common.out.print(tables.result_line(header, result), soft_wrap=True)
            progress.update(task, advance=len(outcome.results) + len(outcome.skipped))
    common.err.print(f"boards: {escape(', '.join(sorted(boards)))}", soft_wrap=True)
