"""Random views of the training pictures with the teacher's word on each, made once and kept on disk.

Cropping and asking the teacher cost about as much as a small network's own step; kept, they serve every epoch that
follows and every model.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from vww_deploy.errors import DataError
from vww_deploy.training.augment import OF_VIEWS, Augmentation, random_views
from vww_deploy.training.datasets import PictureArrays
from vww_deploy.training.mobilenet import require_tensorflow
from vww_deploy.training.teacher import Ensemble, Lesson

_THREADS: Final = 2


@dataclass(frozen=True)
class View:
    """One random view of every training picture that is shown in an epoch."""

    rows: npt.NDArray[np.int64]
    """Which training pictures it shows, ``[N]``: all of a set with the share 1, else some of them."""
    pictures: npt.NDArray[np.uint8]
    """``[N, size, size, 3]``"""
    teacher: npt.NDArray[np.float32] | None
    """The teacher's log odds of a person, ``[N]``; None without a teacher."""
    teacher_gray: npt.NDArray[np.float32] | None
    """The same without the pictures' colour."""
    maps: tuple[npt.NDArray[np.float16], ...]
    """The teacher's inner maps, ``[N, h, w, c]`` each; empty without a teacher."""
    label_holds: npt.NDArray[np.bool_]
    """Whether the picture's own label holds for the view, ``[N]``."""


class ViewCache:
    """Views by number; a missing or damaged one is made and kept in ``folder``.

    ``progress`` is called with words, often, for how far a view is that :meth:`get` waits for.

    Raises:
        DataError: the folder cannot be made, or holds views of other pictures or made in another way.
    """

    def __init__(
        self,
        training: PictureArrays,
        folder: Path,
        teacher: Ensemble | None,
        *,
        size: int = 96,
        seed: int = 1,
        augmentation: Augmentation | None = None,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.training = training
        self._progress, self._awaited = progress, -1
        self._folder, self._teacher, self._size, self._seed = folder, teacher, size, seed
        how = augmentation or Augmentation()
        self._how = how if teacher is not None else replace(how, paste=0.0)
        self._worker = ThreadPoolExecutor(max_workers=1)  # one view at a time
        self._coming: tuple[int, Future[View]] | None = None
        self._claim()

    def _claim(self) -> None:
        """Write down how the folder's views are made, or see that it was this way."""
        made = {
            "size": self._size,
            "seed": self._seed,
            "pictures": _sha256(self.training),
            "shares": sorted({round(float(one), 6) for one in self.training.share}),
            "teachers": list(self._teacher.sha256) if self._teacher is not None else [],
            **{name: value for name, value in asdict(self._how).items() if name in OF_VIEWS},
        }
        text, path = json.dumps(made, indent=2) + "\n", self._folder / "made.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not any(self._folder.glob("view-*.npz")):
                path.write_text(text)
            elif not path.exists() or path.read_text(errors="replace") != text:
                raise DataError(
                    f"the views in {self._folder} were made in another way: of other pictures, or with another "
                    "teacher, size or seed",
                    hint="remove the folder, or name another one with --views-folder",
                )
        except OSError as error:
            raise DataError(f"{self._folder} cannot be made: {error.strerror}") from error

    def get(self, number: int) -> View:
        """The view ``number``, from disk or made now.

        Raises:
            DataError: the disk is full.
        """
        self._awaited = number
        coming, self._coming = self._coming, None
        if coming is None or coming[0] != number:
            return self._worker.submit(self._load, number).result()
        return coming[1].result()

    def prepare(self, number: int) -> None:
        """Make and read the view ``number`` while the caller goes on; :meth:`get` reports what went wrong."""
        self._coming = number, self._worker.submit(self._load, number)

    def _load(self, number: int) -> View:
        path = self._folder / f"view-{number:03d}.npz"
        view = _kept(path)
        if view is None:
            try:
                with FileLock(self._folder / "lock"):
                    view = _kept(path)  # another training may have made it meanwhile
                    if view is None:
                        self._make(number, path)
                        view = _read(path)
            except OSError as error:
                raise DataError(f"{self._folder} cannot be written: {error.strerror}") from error
        return view

    def _make(self, number: int, path: Path, batch: int = 128) -> None:
        tf = require_tensorflow()
        chosen = drawn(self.training.share, number, self._seed)
        count = len(chosen)
        pictures = np.empty((count, self._size, self._size, 3), np.uint8)
        holds = np.zeros(count, bool)
        lessons: dict[int, Lesson] = {}

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def views_of(rows: Any, seed: Any) -> Any:
            return random_views(rows, self._size, seed, self._how)

        # Data sets are in the order of their sources and labels; one pasted onto another should be of any.
        order = np.random.default_rng((self._seed, number)).permutation(count)
        place = np.argsort(order)

        def make(start: int) -> None:
            rows = order[start : start + batch]
            seed = tf.constant([(self._seed * 1009 + number) % 2**31, start], tf.int32)
            x, kept = views_of(tf.constant(self.training.pictures[chosen[rows]]), seed)
            pictures[rows] = np.round(x.numpy())
            holds[rows] = kept.numpy()
            if self._teacher is not None:
                lessons[start] = self._teacher(x.numpy())
            if number == self._awaited:
                self._progress(f"making view {number + 1}: {start + len(rows)} of {count} pictures")

        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            for _ in pool.map(make, range(0, count, batch)):
                pass
        parts = {"rows": chosen, "pictures": pictures, "label_holds": holds}
        if self._teacher is not None:
            said = [lessons[start] for start in range(0, count, batch)]
            parts["teacher"] = np.concatenate([lesson.logits for lesson in said])[place]
            parts["teacher_gray"] = np.concatenate([lesson.gray_logits for lesson in said])[place]
            for index, maps in enumerate(zip(*(lesson.maps for lesson in said), strict=True)):
                parts[f"map{index}"] = np.concatenate(maps)[place]
        unfinished = path.with_suffix(".part")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, **parts)  # type: ignore[arg-type]
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise DataError(
                f"{path} cannot be written: {error.strerror}", hint="free some disk space; a view takes half a gigabyte"
            ) from error


def drawn(share: npt.NDArray[np.float32], number: int, seed: int) -> npt.NDArray[np.int64]:
    """The pictures that view ``number`` shows: every one of share 1; of others that part, each picture in its turn.

    Args:
        share: ``[N]``, above 0 and at most 1.
    """
    chosen = []
    for one in np.unique(share):
        members = np.flatnonzero(share == one)
        count = max(1, round(float(one) * len(members)))
        order = np.random.default_rng(seed).permutation(len(members))
        chosen.append(members[order[np.arange(number * count, (number + 1) * count) % len(members)]])
    return np.sort(np.concatenate(chosen))


def _kept(path: Path) -> View | None:
    """The view, or None if it is missing or damaged on the disk."""
    try:
        return _read(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _read(path: Path) -> View:
    with np.load(path) as kept:
        maps = tuple(kept[name] for name in sorted(kept.files) if name.startswith("map"))
        return View(
            kept["rows"], kept["pictures"], kept.get("teacher"), kept.get("teacher_gray"), maps, kept["label_holds"]
        )


def _sha256(training: PictureArrays) -> str:
    """Of the pictures in their order: the teacher's word on one is kept by its place."""
    return hashlib.sha256(training.pictures.reshape(-1).data).hexdigest()
