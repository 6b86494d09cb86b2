"""``vww-deploy run``: stream pictures to a board."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from vww_deploy.cli import common, fleet_options, tables
from vww_deploy.errors import DataError, LinkError, ProtocolMismatch

if TYPE_CHECKING:
    from vww_deploy.fleet.client import Fleet
    from vww_deploy.graph.model import Model
    from vww_deploy.pictures.camera_format import CameraFormat
    from vww_deploy.pictures.gather import Picture
    from vww_deploy.runs.store import RunSummary, RunWriter, Store
    from vww_deploy.session.session import Session


_SOME_SKIPPED = 3  # exit code: all that could be used was, but some pictures could not


def command(
    pictures: Annotated[
        list[str] | None, typer.Argument(help="Picture files, folders, globs.", metavar="PICTURES...")
    ] = None,
    model: common.BoardModelOption = None,
    board: common.BoardOption = None,
    port: common.PortOption = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels",
            help="Of the pictures: a .csv with the columns file and label (1 person, 0 none). Of the model's classes: "
            "a text file with a name a line. May be given twice.",
            dir_okay=False,
            metavar="FILE",
        ),
    ] = None,
    person_label: common.PersonLabelOption = None,
    reference: Annotated[
        bool, typer.Option("--reference/--no-reference", help="Compare with the reference on this computer.")
    ] = True,
    raw_camera: Annotated[
        str | None,
        typer.Option(
            "--raw-camera",
            help="Send pictures in a camera format, which the board preprocesses: qcif, qqvga, qvga or WxH; then "
            ":gray, :rgb565be, :rgb565le or :rgb888.",
            metavar="FORMAT",
        ),
    ] = None,
    fault_rate: Annotated[
        float, typer.Option("--fault-rate", help="Faults on purpose for each byte on the line: 0.0001.", min=0, max=0.1)
    ] = 0.0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the newest run that has pictures left instead of starting one.")
    ] = False,
    number: Annotated[
        int | None,
        typer.Option("--run", help="The run that --resume continues.", metavar="RUN"),
    ] = None,
    cluster: fleet_options.ClusterOption = None,
    boards: fleet_options.BoardsOption = None,
    shard: fleet_options.ShardOption = fleet_options.SHARD_DEFAULT,
    store: common.StoreOption = None,
    estimate_for: common.AsOption = common.AS_DEFAULT,
    as_json: common.JsonOption = False,
) -> None:
    """Stream pictures to a board; show and store the results.

    Folders named person and no_person, or a labels file, also give accuracy. The board must run the model: see flash.
    The exit code is 0 if every result equals the reference, 3 if so but pictures had to be skipped, else 1.

    Example: vww-deploy run photos/ holiday.jpg 'more/*.png' --board virtual
    """
    from vww_deploy.pictures.camera_format import parse_format
    from vww_deploy.pictures.gather import gather, labelled_as
    from vww_deploy.runs.export import exported
    from vww_deploy.runs.store import Store

    if resume == bool(pictures):
        raise DataError(
            "give either pictures or --resume",
            hint="vww-deploy run photos/   or, to go on where a run stopped: vww-deploy run --resume",
        )
    if number is not None and not resume:
        raise DataError("--run says which run --resume continues", hint=f"vww-deploy run --resume --run {number}")
    fleet_options.refuse_beside(cluster, boards, board=board, port=port, fault_rate=fault_rate)
    with Store(store) as opened:
        last = _to_continue(opened, number) if resume else None
        truths, classes = _by_kind(labels or [])
        planned = gather(pictures or [], truths, common.notice)
        if last is not None:
            # A board that is named by its port may be one outside the catalogue.
            if model is None and Path(last.header.model_path).is_file():  # else it is the one on the board, or known
                model = last.header.model_path
            if cluster is None:
                board = board or (last.header.peer.board if port is None else None)
            else:
                boards = boards or last.header.peer.board
            raw_camera = raw_camera or last.header.raw_camera
        if cluster is None:
            loaded = common.model_of_board(model, board, port, labels=classes, person_label=person_label)
        else:
            loaded = fleet_options.model_named(model, labels=classes, person_label=person_label)
        if last is not None and last.header.peer.outputs.scale:
            loaded = replace(
                loaded, outputs=last.header.peer.outputs
            )  # what the run's earlier results were interpreted with
        planned = labelled_as(planned, loaded.outputs)
        raw = parse_format(raw_camera) if raw_camera else None
        if cluster is None:
            run = _on_board(opened, last, loaded, planned, board, port, reference, raw, fault_rate, quiet=as_json)
        else:
            with fleet_options.joined(cluster) as fleet:
                run = _on_fleet(fleet, boards, shard, opened, last, loaded, planned, reference, raw, quiet=as_json)
        if as_json:
            common.print_json(exported(opened, run, estimate_for))
        else:
            tables.print_summary(opened, run, estimate_for)
        summary = opened.run(run)
    if summary.equal != summary.compared or not summary.results:
        raise typer.Exit(1)
    if summary.skipped:
        raise typer.Exit(_SOME_SKIPPED)


def _on_board(
    opened: Store,
    last: RunSummary | None,
    model: Model,
    planned: list[Picture],
    board: str | None,
    port: str | None,
    reference: bool,
    raw: CameraFormat | None,
    fault_rate: float,
    *,
    quiet: bool,
) -> int:
    """A new run, or the rest of ``last``, on one board; its number."""
    from vww_deploy.link.faults import Faults
    from vww_deploy.runs.stream import run_header
    from vww_deploy.session.connect import open_session

    faults = Faults(fault_rate) if fault_rate else None
    with (
        _blame_faults(fault_rate),
        open_session(model, board=board, port=port, compare=reference, raw_camera=raw, faults=faults) as session,
    ):
        if last is not None:
            writer, rest = opened.resume(last.id)
        else:
            writer, rest = opened.begin(run_header(session), planned), dict(enumerate(planned))
        started = time.monotonic()
        try:
            stream(session, writer, rest, quiet=quiet)
        except KeyboardInterrupt:
            raise _stopped(writer.run) from None
        finally:
            if faults is not None:
                done = opened.run(writer.run).results - (last.results if last is not None else 0)
                size = raw.bytes if raw is not None else math.prod(session.device.info.input_shape)
                link, goodput = session.device.link, done * size / (time.monotonic() - started) / 1000
                common.notice(
                    f"a fault in {1 / fault_rate:,.0f} bytes: {link.retries} requests repeated, {link.bad_frames} "
                    f"broken answers, {link.reconnects} reconnections; goodput {goodput:.1f} kB/s of pictures"
                )
    return writer.run


def _on_fleet(
    fleet: Fleet,
    boards: str | None,
    shard: int,
    opened: Store,
    last: RunSummary | None,
    model: Model,
    planned: list[Picture],
    reference: bool,
    raw: CameraFormat | None,
    *,
    quiet: bool,
) -> int:
    """The same over the boards of a fleet; a line on stdout for each result unless ``quiet``."""
    from vww_deploy.fleet.run import FleetRun, work_of

    kind, number = fleet.choose(boards)
    with common.err.status(f"Compiling {model.name}"):
        work = work_of(model, kind, compare=reference, raw_camera="" if raw is None else str(raw))
    run = FleetRun(fleet, model, work, number, opened, shard)
    outcomes = run.start(planned) if last is None else run.resume(last.id)
    try:
        fleet_options.follow(run, outcomes, len(planned) if last is None else last.pictures - last.results, quiet=quiet)
    except KeyboardInterrupt:
        if run.writer is None:
            raise typer.Exit(130) from None
        raise _stopped(run.writer.run) from None
    assert run.writer is not None  # a board has said what it is, or there was an error
    return run.writer.run


def _stopped(run: int) -> typer.Exit:
    common.err.print(
        f"[yellow]Stopped.[/] What was measured is stored; go on with: vww-deploy run --resume --run {run}",
        soft_wrap=True,
    )
    return typer.Exit(130)


def _by_kind(labels: list[Path]) -> tuple[Path | None, Path | None]:
    """The pictures' labels, a CSV, and the names of the model's classes, a text."""
    tables = [path for path in labels if path.suffix.lower() == ".csv"]
    texts = [path for path in labels if path not in tables]
    if len(tables) > 1 or len(texts) > 1:
        raise DataError(
            "two --labels of the same kind", hint="Give one .csv for the pictures and one .txt for the classes."
        )
    return next(iter(tables), None), next(iter(texts), None)


@contextlib.contextmanager
def _blame_faults(fault_rate: float) -> Iterator[None]:
    """An error of a link that is bad on purpose says so: the board and its firmware may be all right."""
    try:
        yield
    except LinkError as error:
        if not fault_rate or isinstance(error, ProtocolMismatch):
            raise
        raise LinkError(
            f"with --fault-rate {fault_rate:g}: {error.message}",
            hint="The line is bad on purpose: try a smaller --fault-rate, or none.",
        ) from error


def _to_continue(store: Store, number: int | None) -> RunSummary:
    found = store.unfinished() if number is None else store.run(number)
    if found is None:
        raise DataError(
            f"{store.path} holds no run that has pictures left", hint="Start a new one: vww-deploy run PICTURES"
        )
    return found


def stream(session: Session, writer: RunWriter, pictures: Mapping[int, Picture], *, quiet: bool = False) -> None:
    """Stream pictures with a progress bar; a line on stdout for each result unless ``quiet``."""
    from vww_deploy.link.inference import Inference
    from vww_deploy.link.messages import Feature
    from vww_deploy.runs.result import StoredResult
    from vww_deploy.runs.stream import stream_run
    from vww_deploy.session import events

    header = writer.header
    if Feature.STAGED_INPUT not in session.device.info.features:
        common.notice(common.NO_OVERLAP)
    if not quiet:
        plural = "picture" if len(pictures) == 1 else "pictures"
        where = f"board [bold]{escape(header.peer.board)}[/], model [bold]{escape(header.peer.model)}[/]"
        common.out.print(f"{len(pictures)} {plural} to {where}", soft_wrap=True)
        common.out.print(tables.result_heading(header), soft_wrap=True)
    with common.progress() as progress:
        task = progress.add_task("streaming", total=len(pictures))
        for event in stream_run(session, writer, pictures):
            if isinstance(event, events.ConsoleLine):
                common.err.print(f"[dim]board: {escape(event.text)}[/]", soft_wrap=True)
            elif isinstance(event, events.Skipped):
                common.err.print(f"[yellow]skipped:[/] {escape(event.reason)}", soft_wrap=True)
                progress.advance(task)
            elif isinstance(event, events.ShownPicture):
                shown = event
            elif isinstance(event, Inference):
                progress.advance(task)
                if not quiet:
                    common.out.print(tables.result_line(header, StoredResult.of(shown, event)), soft_wrap=True)
