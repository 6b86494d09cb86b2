"""``vww-deploy monitor``: see what the board sees, live or from a recording."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from vww_deploy.cli import common
from vww_deploy.errors import DataError, StoreError
from vww_deploy.files import JSON_SCHEMA

if TYPE_CHECKING:
    from vww_deploy.monitor.state import MonitorView
    from vww_deploy.session.events import Event
    from vww_deploy.session.source import Source

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Pictures to stream in a loop (files, folders, globs), or a recording.", metavar="FILE"),
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="DIR", help="Folder for snapshots, recordings and labelled pictures.", file_okay=False
    ),
]
FpsOption = Annotated[
    float, typer.Option("--fps", help="The most pictures a second; 0: as fast as the board goes.", min=0)
]
CameraOption = Annotated[
    bool,
    typer.Option(
        "--camera",
        help="The board's own camera; FILE is what the virtual one looks at, a video or webcam too.",
    ),
]
CameraFormatOption = Annotated[
    str,
    typer.Option(
        "--camera-format", help="Of the camera: qcif, qqvga or WxH; then :gray or :rgb565be.", metavar="FORMAT"
    ),
]
DEFAULT_OUT = Path("vww-monitor")


def command(
    files: SourcesArgument = None,
    model: common.BoardModelOption = None,
    board: common.BoardOption = None,
    port: common.PortOption = None,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", help="With --web: a fleet's boards instead of one; its address.", metavar="ADDRESS"),
    ] = None,
    web: Annotated[bool, typer.Option("--web", help="A page in the browser instead of the terminal.")] = False,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="Address to serve the page on; others than this computer's need a token."
        ),
    ] = "127.0.0.1",
    web_port: Annotated[int, typer.Option("--web-port", help="TCP port of the page.", min=1, max=65535)] = 8427,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    plain: Annotated[bool, typer.Option("--plain", help="A line a result, for pipes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="An object a line, one for each event.")] = False,
    record: Annotated[
        Path | None, typer.Option("--record", help="Record the session to a new file.", metavar="FILE", dir_okay=False)
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="P(person) that counts as a person; default: the model's.", min=0, max=1),
    ] = None,
    labels: common.LabelsOption = None,
    person_label: common.PersonLabelOption = None,
    fps: FpsOption = 0.0,
    camera: CameraOption = False,
    camera_format: CameraFormatOption = "qcif",
    speed: Annotated[float, typer.Option("--speed", help="Of a replay; 0: as fast as it can.", min=0)] = 1.0,
    out: OutOption = DEFAULT_OUT,
    estimate_for: common.AsOption = common.AS_DEFAULT,
) -> None:
    """Watch a board: pictures, predictions, latency, console; or replay a recording of it.

    Example: vww-deploy monitor photos/ --board virtual --web --record today.vwwrec
    """
    if web + plain + as_json > 1:
        raise DataError("--web, --plain and --json exclude each other")
    if cluster is not None:
        if not web:
            raise DataError(
                "a fleet is watched on a page", hint=f"--web shows it; `vww-deploy fleet status {cluster}` prints it"
            )
        beside = {"FILE": files, "--model": model, "--board": board, "--port": port, "--camera": camera}
        if given := [name for name, value in {**beside, "--record": record}.items() if value]:
            raise DataError(f"{given[0]} and --cluster do not go together", hint="a fleet's boards are watched as such")
        _watch_fleet(cluster, host, web_port, browser)
        return
    source = open_source(
        files,
        model=model,
        labels=labels,
        person_label=person_label,
        board=board,
        port=port,
        fps=fps,
        camera=camera,
        camera_format=camera_format,
    )
    if plain or as_json:
        _print_events(
            source, as_json=as_json, record=record, threshold=threshold, speed=speed, estimate_for=estimate_for
        )
        return

    from vww_deploy.monitor.monitor import Monitor

    show: Callable[[Monitor], None]
    if web:
        from vww_deploy.monitor.web import serve

        def show(monitor: Monitor) -> None:
            serve(monitor, host=host, port=web_port, open_browser=browser, announce=_announce)
    else:
        from vww_deploy.monitor.terminal import check_terminal
        from vww_deploy.monitor.terminal import watch as show

        check_terminal()
    with Monitor(source, threshold=threshold, folder=out, estimate_for=estimate_for) as monitor:
        monitor.control.set_speed(speed)
        if record is not None:
            monitor.start_recording(record)
        with common.err.status(f"looking for {escape(source.title)}"):
            monitor.wait_connected()
        show(monitor)
        if monitor.error:
            raise monitor.error
    if monitor.recording_error:
        raise monitor.recording_error


def _watch_fleet(cluster: str, host: str, web_port: int, browser: bool) -> None:
    from vww_deploy import fleet

    fleet.require()
    from vww_deploy.fleet.client import connect
    from vww_deploy.fleet.local import is_local
    from vww_deploy.monitor.fleet_page import serve
    from vww_deploy.monitor.fleet_watch import FleetWatch

    if is_local(cluster):
        raise DataError(
            "virtual boards of --cluster local are those of one command alone",
            hint="`vww-deploy fleet scheduler` and `vww-deploy worker ADDRESS --virtual 2` make a fleet to watch",
        )
    with connect(cluster):  # so that what is wrong with it is said now
        pass
    with FleetWatch(lambda: connect(cluster)) as watch:
        serve(watch, cluster, host=host, port=web_port, open_browser=browser, announce=_announce)


def open_source(
    files: list[str] | None,
    *,
    model: str | None,
    board: str | None,
    port: str | None,
    fps: float,
    labels: Path | None = None,
    person_label: str | None = None,
    camera: bool = False,
    camera_format: str = "qcif",
) -> Source:
    """A recording's replay, or a board with pictures or with its camera.

    A real board that has a camera looks through it when it is given no pictures.
    """
    from vww_deploy.runs.recording import is_recording

    if files and is_recording(Path(files[0])):
        if len(files) > 1:
            raise DataError("one recording is replayed at a time")
        from vww_deploy.runs.replay import Replay

        return Replay(Path(files[0]))

    from vww_deploy.boards.drivers import driver_for
    from vww_deploy.graph.model import Model
    from vww_deploy.pictures.gather import gather, labelled_as
    from vww_deploy.session.connect import choose_board
    from vww_deploy.session.live import LiveSource, board_at

    # A board that is named is waited for; the model that it runs is known when it is there.
    waits, follows = board is not None, model is None and labels is None and person_label is None
    loaded = (
        Model.load() if follows else common.model_of_board(model, board, port, labels=labels, person_label=person_label)
    )
    chosen = choose_board(board, port)
    title = port or chosen.title
    driver = driver_for(chosen)
    if camera or (chosen.cameras and not driver.camera_needs_sources and not files):
        from vww_deploy.pictures.camera_format import parse_format
        from vww_deploy.session.camera import CameraLive

        feed = driver.camera_feed(files or [], fps or 10.0)
        taken_as = parse_format(camera_format)
        return CameraLive(
            board_at(board, port), loaded, feed, taken_as, fps=fps, title=title, waits=waits, follows=follows
        )
    pictures = labelled_as(gather(files or [], notice=common.notice), loaded.outputs)
    if not pictures:
        common.notice("the board is shown nothing yet: name pictures or folders, or drop some on the page of --web")
    return LiveSource(board_at(board, port), loaded, pictures, fps=fps, title=title, waits=waits, follows=follows)


def _announce(url: str) -> None:
    common.err.print(f"The monitor is at [bold]{escape(url)}[/]   (Ctrl-C ends it)", soft_wrap=True)


def _print_events(
    source: Source,
    *,
    as_json: bool,
    record: Path | None,
    threshold: float | None,
    speed: float,
    estimate_for: str,
) -> None:
    """Events on stdout as they come, until the source ends or the reader goes away."""
    from vww_deploy.monitor.state import State
    from vww_deploy.runs.recording import Recorder
    from vww_deploy.session.events import Connection
    from vww_deploy.session.source import Control

    state, control = State(threshold, estimate_for=estimate_for), Control()
    control.set_speed(speed)
    interrupted = False
    with ExitStack() as stack:
        recorder = stack.enter_context(Recorder(record, _tell_stopped)) if record is not None else None
        try:
            for event in source.events(control):
                announced = state.announced
                state.apply(event)
                if recorder is not None:
                    recorder.add(event)
                line = _json_line(event, state.view, estimate_for) if as_json else _plain_line(event, state.view)
                comes_or_goes = isinstance(event, Connection) and event.state in ("connected", "lost")
                said_before = comes_or_goes and announced == state.announced
                if line is not None and (as_json or not said_before):
                    print(line, flush=True)
                if isinstance(event, Connection) and event.state == "ended":
                    control.stop()
        except KeyboardInterrupt:
            interrupted = True
        except BrokenPipeError:
            common.end_unread()
    if recorder is not None and recorder.error:
        raise recorder.error
    if recorder is not None and recorder.dropped:
        common.notice(f"the recording lacks {recorder.dropped} events: the disk was too slow")
    if interrupted:
        raise typer.Exit(130)


def _tell_stopped(error: StoreError) -> None:
    common.notice(f"recording stopped: {error.message}")


def _json_line(event: Event, view: Callable[[], MonitorView], estimate_for: str) -> str:
    from vww_deploy.link.inference import Inference
    from vww_deploy.runs.recording import kind_of, to_json
    from vww_deploy.session.latency import estimate

    values = {"schema": JSON_SCHEMA, "event": kind_of(event), **to_json(event)}
    if isinstance(event, Inference):
        seen = view()
        values["prediction"] = seen.outputs.prediction(event.p_person, event.outputs, seen.threshold)
        values["top"] = seen.outputs.top(event.outputs)
        values["cells"] = [asdict(cell) for cell in seen.outputs.cells(event.outputs, seen.threshold)]
        made = estimate(event.ticks, estimate_for) if event.latency_us is None else None
        values["estimate"] = None if made is None else asdict(made)
    return json.dumps(values)


def _plain_line(event: Event, view: Callable[[], MonitorView]) -> str | None:
    from datetime import datetime

    from vww_deploy.link.inference import Inference
    from vww_deploy.monitor.text import printable
    from vww_deploy.session.events import Connection, ConsoleLine, Skipped
    from vww_deploy.session.latency import latency_text

    time = f"{datetime.fromtimestamp(event.at):%H:%M:%S.%f}"[:-3]
    match event:
        case Inference():
            seen = view()
            if seen.shown is None or seen.shown.result is not event:
                return None
            name = printable(seen.shown.picture.source)
            latency = latency_text(event.ticks, event.latency_us, seen.estimate_for)
            detail = f"  {printable(seen.detail)}" if seen.detail else ""
            label = f"{printable(seen.label):<10} {event.p_person:6.1%}"
            return f"{time}  {event.number:6}  {label}  {latency}  {name}{detail}"
        case ConsoleLine():
            return f"{time}  board: {printable(event.text)}"
        case Skipped():
            return f"{time}  skipped: {printable(event.reason)}"
        case Connection() if event.state != "connecting":
            return f"{time}  {event.state}{f': {printable(event.reason)}' if event.reason else ''}"
    return None
