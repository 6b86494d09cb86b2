"""``vww-deploy camera``: what the board's camera sees, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from vww_deploy.cli import common
from vww_deploy.cli.board_outputs import CameraCheckOutput, CameraOutput
from vww_deploy.errors import DataError

if TYPE_CHECKING:
    from vww_deploy.graph.model import Model
    from vww_deploy.link.device import Device

_PATTERNS = ("walking-one", "bars")


def command(
    look_at: Annotated[
        list[str] | None,
        typer.Argument(help="For the virtual board: pictures, folders, a video, or webcam.", metavar="SOURCE"),
    ] = None,
    model: common.BoardModelOption = None,
    board: common.BoardOption = None,
    port: common.PortOption = None,
    camera_format: Annotated[
        str,
        typer.Option(
            "--camera-format", help="qcif, qqvga or WxH; then :gray, :rgb565be or :rgb565le.", metavar="FORMAT"
        ),
    ] = "qcif",
    count: Annotated[int, typer.Option("--count", "-n", help="Pictures to take.", min=1, max=10_000)] = 1,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the PNG files.", file_okay=False)
    ] = Path("camera"),
    pattern: Annotated[
        str, typer.Option("--pattern", metavar="PATTERN", help=f"The sensor's test pattern: {' or '.join(_PATTERNS)}.")
    ] = "",
    check: Annotated[bool, typer.Option("--check", help="Find out what is wrong with the camera.")] = False,
    fault: Annotated[
        str, typer.Option("--fault", help="Break the virtual camera, to see what --check says.", metavar="FAULT")
    ] = "",
    as_json: common.JsonOption = False,
) -> None:
    """Take stills with the board's camera, or find out why it does not work.

    The firmware must be on the board: see flash. A real board needs no SOURCE.

    Example: vww-deploy camera photos/ --count 3 --out stills
    """
    from vww_deploy.boards.camera_feed import CameraFault, TestPattern
    from vww_deploy.boards.drivers import driver_for
    from vww_deploy.pictures.camera_format import parse_format
    from vww_deploy.session.camera import save_picture, stills
    from vww_deploy.session.connect import choose_board, open_device

    if pattern and pattern not in _PATTERNS:
        raise DataError(f"no test pattern is called {pattern!r}", hint=f"There are {' and '.join(_PATTERNS)}.")
    faults = [f.value for f in CameraFault]
    if fault and fault not in faults:
        raise DataError(f"no fault is called {fault!r}", hint=f"There are {', '.join(faults)}.")
    taken_as = parse_format(camera_format)
    loaded = common.model_of_board(model, board, port)
    # Who only wants the test pattern or the diagnosis need not show the virtual camera anything.
    driver = driver_for(choose_board(board, port))
    sources = look_at or (_samples() if driver.camera_needs_sources else [])
    feed = driver.camera_feed(sources, fault=CameraFault(fault) if fault else None)
    with open_device(loaded, board=board, port=port) as device, feed():
        if check:
            _check(device, loaded, (taken_as.width, taken_as.height), as_json=as_json)
            return
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{out} cannot be made: {error.strerror or error}") from error
        number = int(TestPattern[pattern.replace("-", "_").upper()]) if pattern else 0
        saved = []
        for i, data in enumerate(stills(device, loaded, taken_as, count, number)):
            path = out / f"picture_{i:04}.png"
            save_picture(data, taken_as, path)
            saved.append(path)
            if not as_json:
                common.out.print(escape(str(path)), soft_wrap=True)
        if as_json:
            common.print_json(CameraOutput(str(taken_as), saved))


def _samples() -> list[str]:
    from vww_deploy.pictures.samples import write_samples
    from vww_deploy.resources import cache_dir

    return [str(path) for path in write_samples(cache_dir() / "samples")]


def _check(device: Device, model: Model, size: tuple[int, int], *, as_json: bool) -> None:
    from vww_deploy.session.camera_check import check_camera

    findings = []
    for finding in check_camera(device, model, size):
        findings.append(finding)
        if not as_json:
            mark = "[green]ok[/]  " if finding.ok else "[red]bad[/] "
            common.out.print(f"{mark} [bold]{finding.name}[/]: {escape(finding.text)}", soft_wrap=True)
            if finding.hint:
                common.out.print(f"     [cyan]try:[/] {escape(finding.hint)}", soft_wrap=True)
    if as_json:
        common.print_json(CameraCheckOutput(findings))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
