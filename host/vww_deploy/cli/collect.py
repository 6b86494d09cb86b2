"""``vww-deploy collect``: a training set from what a board sees."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from vww_deploy.cli import common
from vww_deploy.cli.monitor import (
    DEFAULT_OUT,
    CameraFormatOption,
    CameraOption,
    FpsOption,
    OutOption,
    SourcesArgument,
    open_source,
)

_NOTHING_NEW = 20
"""So many pictures in a row that this call has seen before, and there will be no new one: few of them in a loop."""


def command(
    person: Annotated[
        bool,
        typer.Option(
            "--person/--no-person",
            help="The label of every picture taken; of a model of other classes, the one that it is about or none.",
        ),
    ],
    files: SourcesArgument = None,
    count: Annotated[int, typer.Option("--count", "-n", help="New pictures to take.", min=1)] = 20,
    fps: FpsOption = 2.0,
    model: common.BoardModelOption = None,
    board: common.BoardOption = None,
    port: common.PortOption = None,
    camera: CameraOption = False,
    camera_format: CameraFormatOption = "qcif",
    out: OutOption = DEFAULT_OUT,
) -> None:
    """Save pictures from a board with a label, as PNG files and a CSV, in the form that train reads.

    The pictures go to the folder labelled/ in --out. A picture that is there already gets the label and does not count.

    Example: vww-deploy collect --person --count 50 --board nano33ble --camera
    """
    from vww_deploy.monitor.collection import Collection
    from vww_deploy.session.events import Connection, ShownPicture
    from vww_deploy.session.source import Control

    source = open_source(
        files, model=model, board=board, port=port, fps=fps, camera=camera, camera_format=camera_format
    )
    collection = Collection(out / "labelled")
    control = Control()
    control.set_speed(0)
    taken: set[str] = set()
    there: set[str] = set()  # before
    name, repeated = "", 0
    with common.progress() as progress:
        task = progress.add_task("taking pictures", total=count)
        for event in source.events(control):
            if isinstance(event, Connection):
                if event.board is not None:
                    name = event.board.board
                common.err.print(f"{event.state}: {escape(event.reason)}" if event.reason else event.state)
                if event.state == "ended":
                    control.stop()
            elif isinstance(event, ShownPicture) and not control.stopped:
                known = collection.holds(event)
                picture_name = collection.add(event, person, name).name
                repeated = repeated + 1 if picture_name in taken | there else 0
                if not known:
                    taken.add(picture_name)
                elif picture_name not in taken:
                    there.add(picture_name)
                progress.update(task, completed=len(taken))
                if len(taken) >= count or repeated >= _NOTHING_NEW:
                    control.stop()
    no_person, with_person = collection.counts()
    common.err.print(
        f"Took {len(taken)} new pictures{f'; {len(there)} were there already' if there else ''}. "
        f"{escape(str(collection.csv_path))} now has {with_person} with a person and {no_person} without.",
        soft_wrap=True,
    )
    if len(taken) < count:
        if repeated >= _NOTHING_NEW:
            common.notice(f"the last {repeated} pictures were all among those taken before")
        raise typer.Exit(1)
