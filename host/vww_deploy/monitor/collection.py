"""A folder of labelled pictures, in the two forms that ``train`` reads: ``person/`` and ``no_person/``, and a CSV."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from pathlib import Path
from typing import Final

from vww_deploy.errors import DataError
from vww_deploy.files import write_whole
from vww_deploy.runs.recording import to_png
from vww_deploy.session.events import ShownPicture

_COLUMNS: Final = ("file", "label", "source")
_FOLDERS: Final = ("no_person", "person")


class Collection:
    """Pictures with labels in ``folder``; made when the first one is added.

    ``labels.csv`` has a line for each file: its path relative to the CSV, the label (1 person, 0 none) and the source;
    ``train`` deals them to its splits by their names. A picture is stored as the camera gave it where that is known,
    else as the model saw it; both give the same input, since the model's picture is made from the camera's by the one
    definition of preprocessing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder

    @property
    def csv_path(self) -> Path:
        """The table of labels."""
        return self.folder / "labels.csv"

    def add(self, picture: ShownPicture, person: bool, board: str = "") -> Path:
        """Store a picture with its label. A picture that is there already only changes its label.

        Returns:
            The PNG file.

        Raises:
            DataError: the folder cannot be written, or its CSV is another program's.
        """
        data = _stored(picture)
        digest = _digest(data)
        name = f"{_FOLDERS[person]}/{digest}.png"
        try:
            rows = [row for row in self._read() if not row["file"].endswith(f"/{digest}.png")]
            for label in _FOLDERS:
                (self.folder / label).mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / name, data)
            source = re.sub(r"[^\w.-]+", "_", f"collected_{board}" if board else "collected")
            rows.append({"file": name, "label": str(int(person)), "source": source})
            self._write(rows)
            # Last: whatever ends the program before, each line of the table has its file.
            (self.folder / _FOLDERS[not person] / f"{digest}.png").unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be written: {error.strerror or error}", hint="Name another folder with --out."
            ) from error
        return self.folder / name

    def remove(self, picture: ShownPicture) -> None:
        """Take a picture out again, whichever label it has.

        Raises:
            DataError: as :meth:`add`.
        """
        digest = _digest(_stored(picture))
        try:
            self._write([row for row in self._read() if not row["file"].endswith(f"/{digest}.png")])
            for label in _FOLDERS:
                (self.folder / label / f"{digest}.png").unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be written: {error.strerror or error}", hint="Name another folder with --out."
            ) from error

    def holds(self, picture: ShownPicture) -> bool:
        """Whether the picture is there, with whichever label.

        Raises:
            DataError: as :meth:`add`.
        """
        digest = _digest(_stored(picture))
        return any(row["file"].endswith(f"/{digest}.png") for row in self._read())

    def counts(self) -> tuple[int, int]:
        """Pictures stored without and with a person.

        Raises:
            DataError: as :meth:`add`.
        """
        labels = [row["label"] for row in self._read()]
        return labels.count("0"), labels.count("1")

    def _read(self) -> list[dict[str, str]]:
        try:
            with self.csv_path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if tuple(reader.fieldnames or ()) != _COLUMNS:
                    raise DataError(
                        f"{self.csv_path} was not made by this program", hint="Name another folder with --out."
                    )
                return list(reader)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"{self.csv_path} cannot be read: {error.strerror or error}") from error

    def _write(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.csv_path, text.getvalue().encode())


def _stored(picture: ShownPicture) -> bytes:
    return to_png(picture.raw if picture.raw is not None else picture.pixels)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
