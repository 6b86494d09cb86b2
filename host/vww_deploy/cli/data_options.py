"""Arguments of the commands that read a set of labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataArgument = Annotated[
    Path, typer.Argument(help="A folder, a labels CSV, COCO JSON or a Wake Vision CSV.", metavar="DATA")
]
PicturesOption = Annotated[
    Path | None, typer.Option("--pictures", help="The folder of pictures that COCO JSON or Wake Vision speaks of.")
]
