"""Commands that are killed with SIGKILL at random moments: the figures of docs/faults.md.

    python benchmarks/kills.py               # 204 kills; goes on where it stopped
    python benchmarks/kills.py --only 17     # one, in this process

Each case kills one command once: ``run``, ``monitor --record``, ``compile``, ``runs report``, ``collect`` before a
played board, ``flash`` of the virtual board (PlatformIO, QEMU) and ``train``. Then every file that a user named must be
whole, no picture lost or there twice, no process left, and the same command must come to its end. ``damaged``,
``lost``, ``twice``, ``left``, ``stuck``, ``died`` and ``hung`` must not be.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pty
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import tty
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from filelock import FileLock
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support import campaign
from tests.support.lying_board import TRUTH, LinkBoard, model, serve
from tests.support.pictures import noise_pictures
from tests.support.random_models import random_model
from vww_deploy.boards import platformio
from vww_deploy.boards.catalogue import get_board
from vww_deploy.compiler import Compiled, HostEngine, compile_model
from vww_deploy.errors import StoreError
from vww_deploy.link.inference import Inference
from vww_deploy.runs.recording import Recording

BAD = ("damaged", "lost", "twice", "left", "stuck", "died", "hung")
PATIENCE_S = 900
"""On a machine that is busy with other work; a cold build of the firmware and a training are the longest."""
PICTURES = 60
GROUPS = {"run": 40, "record": 40, "compile": 40, "report": 30, "collect": 30, "flash": 14, "train": 10}
KEPT_S = 2.0
"""A recording closes a transaction twice a second; on a busy machine the disk takes its time."""


class WrongError(Exception):
    """What must not be: one of BAD, and why."""

    def __init__(self, outcome: str, why: object) -> None:
        super().__init__(outcome, str(why))
        self.outcome, self.why = outcome, str(why)[:300]


@cache
def engine() -> tuple[Compiled, HostEngine]:
    compiled = compile_model(model())
    return compiled, HostEngine(compiled)


def command_of(case: int) -> str:
    """The commands by turns, as long as each has kills left."""
    turns = sorted((number / count, name) for name, count in GROUPS.items() for number in range(count))
    return turns[case][1]


class Place:
    """A folder with pictures, models and a played board."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        (folder / "pictures").mkdir()
        self.pictures = noise_pictures(folder / "pictures", PICTURES)
        self.model = folder / "played.tflite"
        self.model.write_bytes(model())
        self.other = folder / "other.tflite"
        self.other.write_bytes(random_model(5))
        self.killed_after, self.killed_at = 0.0, 0.0
        os.environ["VWW_DEPLOY_STATE"] = str(folder / "state")
        os.environ["VWW_DEPLOY_CACHE"] = str(folder / "cache")
        self.port = ""

    def board(self) -> list[str]:
        """Plays one; the options that name it."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        threading.Thread(target=serve, args=(LinkBoard(*engine(), TRUTH), master), daemon=True).start()
        return ["--model", str(self.model), "--port", os.ttyname(slave)]

    def done(self, *arguments: object, codes: tuple[int, ...] = (0,)) -> None:
        """The command comes to its end."""
        ended = campaign.invoked([str(one) for one in arguments])
        code = ended.code if isinstance(ended, SystemExit) else 0 if ended is None else repr(ended)
        if code not in codes:
            raise WrongError("stuck", f"{' '.join(map(str, arguments))[:80]}: {code}")

    def killed(self, *arguments: object, within_s: float, again: Callable[[], None] = lambda: None) -> Path:
        """Kills the command at a random moment of its life; returns what it had printed. It is begun again, after
        ``again``, when it ended before."""
        said, longest = self.folder / "said", within_s
        while True:
            delay, started = self.random.uniform(0, longest), time.monotonic()
            pid = os.fork()
            if pid == 0:
                output = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
                os.dup2(output, 1)
                os.dup2(output, 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                try:
                    campaign.called([str(one) for one in arguments])
                finally:
                    os._exit(0)
            while time.monotonic() - started < delay and not os.waitid(
                os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
            ):
                time.sleep(0.005)
            children = psutil.Process(pid).children(recursive=True)
            os.kill(pid, signal.SIGKILL)
            self.killed_at, self.killed_after = time.time(), time.monotonic() - started
            _, status = os.waitpid(pid, 0)
            if os.WIFSIGNALED(status):
                if arguments[0] != "flash" and (left := psutil.wait_procs(children, timeout=60)[1]):
                    raise WrongError("left", left)
                return said
            longest = max(self.killed_after, 0.05)
            again()


def whole_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        if db.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise WrongError("damaged", path.name)


def run(place: Place) -> None:
    board, store = place.board(), place.folder / "runs.sqlite"
    begin = ["run", *place.pictures, *board, "--store", store]

    def results() -> tuple[int, int]:
        """Of the newest run: how many there are, and of how many pictures."""
        if not store.exists():
            return 0, 0
        whole_database(store)
        with closing(sqlite3.connect(store)) as db:
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return 0, 0
            newest = "WHERE run = (SELECT max(id) FROM runs)"
            count = "SELECT count(*), count(DISTINCT position) FROM"
            (made, different), (_, pictures) = (
                db.execute(f"{count} {table} {newest}").fetchone() for table in ("results", "pictures")
            )
        if made != different:
            raise WrongError("twice", (made, different))
        return made, pictures

    place.killed(*begin, within_s=3.0)
    before = results()
    whole = before[0] == before[1]
    place.done(*(begin if whole else ["run", "--resume", *board, "--store", store]))
    if results() != (PICTURES, PICTURES):
        raise WrongError("lost", (before, results()))


def record(place: Place) -> None:
    board, path = place.board(), place.folder / "session.vwwrec"
    arguments = ["monitor", *place.pictures, *board, "--json", "--record", path]
    said = place.killed(*arguments, within_s=4.0, again=lambda: path.unlink(missing_ok=True))
    lines = [json.loads(line) for line in said.read_text().splitlines(keepends=True) if line.endswith("}\n")]
    shown = {one["number"] for one in lines if one.get("event") == "result" and one["at"] < place.killed_at - KEPT_S}
    kept: list[int] = []
    if path.exists() and path.stat().st_size:
        try:
            with Recording(path) as recording:
                kept = [one.event.number for one in recording.events() if isinstance(one.event, Inference)]
        except StoreError as error:
            raise WrongError("damaged", error.message) from error
        whole_database(path)
    if kept != list(range(len(kept))):
        raise WrongError("twice", Counter(kept).most_common(1))
    if not shown <= set(kept):
        raise WrongError("lost", f"{len(shown)} shown, {len(kept)} kept")


def compile_(place: Place) -> None:
    """Into a new folder, over another model's, and as a library for Arduino."""
    manner, output = place.random.randrange(3), place.folder / "library"
    target = place.folder / "library.zip"
    option: list[object] = ["--arduino-library", target] if manner == 2 else ["-o", output]
    before: dict[str, bytes] = {}
    if manner:
        place.done("compile", place.other, *option)
        before = _files(target if manner == 2 else output)
    place.killed("compile", place.model, *option, within_s=1.0)
    there = _files(target if manner == 2 else output)
    place.done("compile", place.model, *option)
    after = _files(target if manner == 2 else output)
    for name, content in there.items():
        if content not in (before.get(name), after.get(name)):
            raise WrongError("damaged", f"{name}: {len(content)} bytes")
    one_of_them = there in ({}, before, after)
    if not one_of_them and not (manner == 1 and set(there) >= set(before)):
        raise WrongError("lost", set(before) - set(there))
    if left := [one.name for one in place.folder.iterdir() if one.name.endswith(".part")]:
        raise WrongError("left", left)


def _files(path: Path) -> dict[str, bytes]:
    """Of a folder or a zip, by name."""
    if path.is_dir():
        return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}
    if not path.exists():
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise WrongError("damaged", error) from error


def report(place: Place) -> None:
    """A page over one that is there, or a table where none may be."""
    store = place.folder / "runs.sqlite"
    place.done("run", *place.pictures[:20], *place.board(), "--store", store)
    kind, output = place.random.choice((("report", place.folder / "out.html"), ("export", place.folder / "out.csv")))
    arguments = ["runs", kind, "--store", store, "-o", output]

    def make_room() -> None:
        if kind == "export":
            output.unlink(missing_ok=True)

    place.done(*arguments)
    before = output.read_bytes()
    make_room()
    place.killed(*arguments, within_s=1.0, again=make_room)
    if kind == "report" or output.exists():
        there = output.read_bytes()
        if abs(len(there) - len(before)) > 2 or there[-40:] != before[-40:]:  # it has the time of day
            raise WrongError("damaged", f"{len(there)} bytes in place of {len(before)}")
    make_room()
    place.done(*arguments)
    if left := [one.name for one in place.folder.iterdir() if one.name.endswith(".part")]:
        raise WrongError("left", left)


def collect(place: Place) -> None:
    """Half of the frames are there with the other label."""
    board, out = place.board(), place.folder / "out"
    options: list[object] = ["-n", PICTURES, "--fps", 0, "-o", out]
    place.done("collect", "--no-person", *place.pictures[::2], *board, *options, codes=(1,))
    before = _labelled(out / "labelled")
    place.killed("collect", "--person", *place.pictures, *board, *options, within_s=4.0)
    there = _labelled(out / "labelled")
    if not set(before) <= set(there):
        raise WrongError("lost", f"{len(before)}, then {len(there)}")
    place.done("collect", "--person", *place.pictures, *board, *options, codes=(0, 1))
    after = _labelled(out / "labelled")
    if set(after.values()) != {1} or len(after) != PICTURES:
        raise WrongError("lost", Counter(after.values()))
    files = [path.name for path in out.rglob("*.png")]
    if len(files) != PICTURES:
        raise WrongError("twice", f"{len(files)} files")


def _labelled(folder: Path) -> dict[str, int]:
    """The table of labels by frame, whose files must be whole."""
    table = folder / "labels.csv"
    if not table.exists():
        return {}
    rows = list(csv.DictReader(table.read_text().splitlines()))
    found = {Path(row["file"]).name: int(row["label"]) for row in rows}
    if len(found) != len(rows):
        raise WrongError("twice", f"{len(rows)} lines of {len(found)} frames")
    for row in rows:
        content = (folder / row["file"]).read_bytes() if (folder / row["file"]).exists() else b""
        if hashlib.sha256(content).hexdigest()[:16] != Path(row["file"]).stem:
            raise WrongError("damaged", f"{row['file']}: {len(content)} bytes")
    return found


def flash(place: Place) -> None:
    """In a cache of its own, kept from case to case, so that the firmware's objects are."""
    cache_folder = Path("build/campaigns/kills-cache").resolve()
    os.environ["VWW_DEPLOY_CACHE"] = str(cache_folder)
    with FileLock(f"{cache_folder}.lock"):  # of campaigns that share the work
        _flash(place)


def _flash(place: Place) -> None:
    board = get_board("virtual")
    place.killed("flash", place.random.choice((place.model, place.other)), "--board", "virtual", within_s=60.0)
    place.done("flash", place.model, "--board", "virtual")
    project = platformio.work_folder(board)
    if left := [project / "running.json"] * (project / "running.json").exists() + list(
        (project.parents[1] / "scratch").iterdir()
    ):
        raise WrongError("left", left)
    builds = [one for one in psutil.process_iter(["cmdline"]) if str(project) in " ".join(one.info["cmdline"] or ())]
    if builds:
        raise WrongError("left", builds)
    place.done("stop")


def train(place: Place) -> None:
    """Discs that are told from noise, by a small network."""
    data, out = place.folder / "discs", place.folder / "training"
    draw = np.random.default_rng(1)
    for number in range(96):
        path = data / ("train", "train", "val")[number % 3] / ("no_person", "person")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 90, (40, 40), dtype=np.uint8)
        pixels[10:30, 10:30] += 120 * (number % 2)
        Image.fromarray(pixels).save(path)
    arguments = ["train", data, "-o", out, "--size", 32, "--epochs", 3, "--batch", 16, "--views", 1]
    place.killed(*arguments, within_s=40.0)
    weights, log = out / "averaged.weights.h5", out / "log.csv"
    if weights.exists():
        import h5py

        try:
            with h5py.File(weights) as file:
                file.visititems(lambda _, one: None if isinstance(one, h5py.Group) else one[()] is None)
        except OSError as error:
            raise WrongError("damaged", error) from error
    if (out / "recipe.json").exists():
        json.loads((out / "recipe.json").read_text())
    place.done(*arguments)
    epochs = [row["epoch"] for row in csv.DictReader(log.read_text().splitlines())]
    if epochs != ["1", "2", "3"]:
        raise WrongError("twice", epochs)


SCENES: dict[str, Callable[[Place], None]] = {
    "run": run,
    "record": record,
    "compile": compile_,
    "report": report,
    "collect": collect,
    "flash": flash,
    "train": train,
}


def work(cases: list[int]) -> Iterable[campaign.Record]:
    for case in cases:
        name = command_of(case)
        record_: dict[str, Any] = {"case": case, "command": name, "outcome": "whole"}
        with tempfile.TemporaryDirectory() as folder:
            place = Place(Path(folder), case)
            try:
                SCENES[name](place)
            except WrongError as wrong:
                record_ |= {"outcome": wrong.outcome, "why": wrong.why}
            yield record_ | {"after_s": round(place.killed_after, 2)}


if __name__ == "__main__":
    count = sum(GROUPS.values())
    sys.exit(campaign.main(__doc__ or "", count, work, BAD, title="kills", seconds=PATIENCE_S, warm_up=engine))
