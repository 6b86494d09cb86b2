"""The host killed with SIGKILL at random moments of a run: what was recorded stays, and --resume does the rest once."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.support.pictures import noise_pictures
from vww_deploy.graph.model import Model
from vww_deploy.graph.reference import Reference
from vww_deploy.hil import BoardUnderTest
from vww_deploy.link.device import Device
from vww_deploy.link.transport import open_transport
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.store import Store
from vww_deploy.runs.stream import run_header, stream_run
from vww_deploy.session.session import Session

pytestmark = pytest.mark.virtual

KILLS = 50
PICTURES = 80
LONGEST_LIFE_S = 0.6


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    return [Picture(str(path), None) for path in noise_pictures(tmp_path_factory.mktemp("pictures"), PICTURES)]


def stream(store: Path, port: str, model: Model, pictures: list[Picture]) -> None:
    """What `vww-deploy run` does, or, with a run that is not complete, `vww-deploy run --resume`."""
    with Store(store) as opened, Device.connect(open_transport(port)) as device:
        session = Session(device, model, compare=False)
        last = opened.last()
        if last is not None and last.results < last.pictures:
            writer, rest = opened.resume(last.id)
        else:
            writer, rest = opened.begin(run_header(session), pictures), dict(enumerate(pictures))
        for _ in stream_run(session, writer, rest):
            pass


def counted(store: Path) -> int:
    """Results in the store, which must be whole."""
    if not store.exists():
        return 0
    with contextlib.closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return 0
        return int(db.execute("SELECT count(*) FROM results").fetchone()[0])


@pytest.mark.slow
def test_killed_at_random_moments_each_picture_is_recorded_exactly_once(
    vww_board: BoardUnderTest, vww_model: Model, vww_reference: Reference, pictures: list[Picture], tmp_path: Path
) -> None:
    store = tmp_path / "runs.sqlite"
    lives = random.Random(9)
    # A forked child has everything loaded: its life is the run, not Python's start.
    fork = multiprocessing.get_context("fork")
    arguments = (store, vww_board.port, vww_model, pictures)
    before = killed = 0
    for _ in range(KILLS):
        child = fork.Process(target=stream, args=arguments)
        child.start()
        child.join(lives.uniform(0, LONGEST_LIFE_S))
        killed += child.is_alive()
        child.kill()
        child.join()
        now = counted(store)
        assert now >= before
        before = now
    assert killed > KILLS / 2
    stream(*arguments)

    expected = {}
    for number, picture in enumerate(pictures):
        values = vww_model.to_input(Image.open(picture.path))
        expected[number] = vww_reference.run(values).reshape(-1).tolist()
    with Store(store) as opened:
        runs = opened.runs()
        assert runs[-1].state == "complete"
        for run in runs:
            results = list(opened.results(run.id))
            made = [result.inference for result in results]
            assert Counter(one.number for one in made) == Counter(range(PICTURES))
            assert all(list(one.outputs) == expected[one.number] for one in made)
