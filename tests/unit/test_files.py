"""Files that users name are whole or not at all: on a full disk, and when the process is killed."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from vww_deploy.compiler import compile_model
from vww_deploy.compiler.arduino import write_arduino_library
from vww_deploy.errors import DataError
from vww_deploy.files import write_folder, write_whole
from vww_deploy.graph.model import Model

_LIMIT = """
import resource, sys
from pathlib import Path
from vww_deploy.files import write_folder, write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # what a full disk does, without filling one
try:
    if sys.argv[1] == "file":
        write_whole(Path(sys.argv[2]), b"n" * 200_000)
    else:
        write_folder(Path(sys.argv[2]), {"a.h": "new", "src/b.cpp": "n" * 200_000})
except OSError as error:
    print(error.strerror)
"""
_FOR_EVER = """
import sys
from pathlib import Path
from vww_deploy.files import write_folder, write_whole
n = 0
while True:
    n += 1
    if sys.argv[1] == "file":
        write_whole(Path(sys.argv[2]), b"%09d" % n * 100_000)
    else:
        write_folder(Path(sys.argv[2]), {f"src/{i}.cpp": f"{n:09}" * 20_000 for i in range(5)})
"""


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def test_a_file_on_a_full_disk_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    said, _ = python(_LIMIT, "file", str(path)).communicate(timeout=60)
    assert "large" in said
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_on_a_full_disk_stays_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    write_folder(folder, {"a.h": "old", "src/b.cpp": "old"})
    python(_LIMIT, "folder", str(folder)).communicate(timeout=60)
    assert (folder / "a.h").read_text() == (folder / "src/b.cpp").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]
    python(_LIMIT, "folder", str(tmp_path / "fresh")).communicate(timeout=60)
    assert not (tmp_path / "fresh").exists()


def test_an_arduino_library_on_a_full_disk_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "library.zip"
    path.write_text("old")
    given = Model.load("person_64_small")
    compiled = compile_model(given.graph)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(DataError, match=r"library\.zip cannot be written: No space left"):
        write_arduino_library(given, compiled, path)
    assert path.read_text() == "old"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_killed_writer_leaves_whole_files_and_the_next_one_sweeps(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "it"
    for _ in range(6):
        writer = python(_FOR_EVER, kind, str(target))
        while not target.exists():
            time.sleep(0.01)
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        for path in [target] if kind == "file" else list(target.rglob("*.cpp")):
            text = path.read_text()
            assert len(text) == (900_000 if kind == "file" else 180_000)
            assert text == text[:9] * (len(text) // 9)
    write_whole(target, b"x") if kind == "file" else write_folder(target, {"src/0.cpp": "x"})
    assert list(tmp_path.iterdir()) == [target]


def test_links_stay_links_and_modes_stay(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE)
    write_whole(tmp_path / "pipe", b"through")
    assert reader.communicate(timeout=30)[0] == b"through"
    assert (tmp_path / "pipe").is_fifo()
    write_whole(Path("/dev/null"), b"gone")
    assert Path("/dev/null").is_char_device()


def test_other_files_of_a_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "sketch").mkdir()
    (tmp_path / "sketch/sketch.ino").write_text("mine")
    write_folder(tmp_path / "sketch", {"model.h": "theirs"})
    assert sorted(p.name for p in (tmp_path / "sketch").iterdir()) == ["model.h", "sketch.ino"]
