"""The seed corpora, one archive a target: ``corpus/TARGET.zip``, ``corpus/host_TARGET.zip`` for Python targets.

    python -m tests.fuzz.corpus unpack TARGET FOLDER    the inputs as files, as libFuzzer and atheris read them
    python -m tests.fuzz.corpus pack TARGET FOLDER      the archive made anew of a folder's files

An archive holds its inputs under the names that libFuzzer gave them (a SHA-1 of their bytes), sorted and without a
date, so that equal inputs make an equal archive.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("corpus")


def inputs(target: str) -> dict[str, bytes]:
    """The inputs of a target by name."""
    with zipfile.ZipFile(FOLDER / f"{target}.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def unpack(target: str, folder: Path) -> None:
    """Write the inputs of a target into ``folder``, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in inputs(target).items():
        (folder / Path(name).name).write_bytes(content)


def pack(target: str, folder: Path) -> None:
    """Replace the archive of a target by the files in ``folder``."""
    with zipfile.ZipFile(FOLDER / f"{target}.zip", "w", compresslevel=9) as archive:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(path.name)  # without a date
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    commands = {"pack": pack, "unpack": unpack}
    if len(sys.argv) != 4 or sys.argv[1] not in commands:
        sys.exit("usage: python -m tests.fuzz.corpus pack|unpack TARGET FOLDER")
    commands[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
