"""Models that this computer has put on boards, by their hash: a board itself knows no more of its model than that.

Each is kept with its card in the user's state folder, so that the commands after ``flash`` can take what the board runs
and errors can say names.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from vww_deploy.files import write_whole
from vww_deploy.graph.model import Model, shipped_models
from vww_deploy.graph.model_file import tflite_bytes
from vww_deploy.pictures.class_labels import find_person
from vww_deploy.resources import state_dir

_KEPT: Final = 32  # models; the oldest goes first


def remember(model: Model) -> None:
    """Keep a model that was flashed, and its card.

    Raises:
        OSError: it cannot be written.
        VwwError: the state folder cannot be made.
    """
    folder = _folder() / model.sha256
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{model.name}.tflite", tflite_bytes(model.path))
    outputs = model.outputs  # what is known of them, whoever said it
    labels = outputs.labels if outputs.origin else ()
    person = "" if outputs.person in (None, find_person(labels)) else outputs.labels[outputs.positive]
    replace(model.card, labels=labels, person_label=person).save(folder / f"{model.name}.json")
    folder.touch()
    for old in sorted(_folder().iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def find(sha256: str, *, labels: Path | None = None, person_label: str | None = None) -> Model | None:
    """The shipped or kept model of that hash; None if this computer does not know it.

    ``labels`` and ``person_label`` are as :meth:`Model.load` has them.

    Raises:
        ModelError, DataError: it is kept and cannot be read.
    """
    path = _path(sha256)
    return None if path is None else Model.load(path, labels=labels, person_label=person_label)


def name_of(sha256: str) -> str:
    """What to call the model of that hash: its name, or ``an unknown model (f0060a5ddf34)``."""
    path = _path(sha256)
    return f"an unknown model ({sha256[:12]})" if path is None else path.stem


def _path(sha256: str) -> Path | None:
    """The file that has this hash now; a kept one that was changed is none."""
    kept = sorted((_folder() / sha256).glob("*.tflite"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in (*kept, *shipped_models()):
        if hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return path
    return None


def _folder() -> Path:
    return state_dir() / "flashed"
