"""A session written to the run store.

What is recorded, yielded, and left when something ends them. The device is the reference itself, behind the client's
interface.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.support.reference_device import ReferenceDevice
from vww_deploy.errors import LinkError, ProtocolMismatch, StoreError
from vww_deploy.graph.model import Model, shipped_models
from vww_deploy.link.inference import Inference
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.store import RunHeader, Store
from vww_deploy.runs.stream import run_header, stream_run
from vww_deploy.session import events
from vww_deploy.session.session import Session


@pytest.fixture(scope="module")
def model() -> Model:
    if not shipped_models():
        pytest.skip("no model is shipped yet")
    return Model.load()


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    generator = np.random.default_rng(0)
    found = []
    for number in range(4):
        path = tmp_path / f"{number}.png"
        Image.fromarray(generator.integers(0, 256, (50, 40 + number, 3), dtype=np.uint8)).save(path)
        found.append(Picture(str(path), number % 2))
    (tmp_path / "2.png").write_bytes(b"")
    return found


def session(model: Model, **how: Any) -> Session:
    compare = how.pop("compare", True)
    return Session(ReferenceDevice(model, **how), model, compare=compare)  # type: ignore[arg-type]


def test_results_are_recorded_and_yielded_in_order(tmp_path: Path, model: Model, pictures: list[Picture]) -> None:
    running = session(model)
    with Store(tmp_path / "r") as store:
        writer = store.begin(run_header(running), pictures)
        received = list(stream_run(running, writer, dict(enumerate(pictures))))
        summary = store.run(writer.run)
        results = list(store.results(writer.run))
    assert (summary.state, summary.results, summary.skipped, summary.equal) == ("complete", 3, 1, 3)
    assert (summary.header.peer.clock, summary.header.peer.port) == ("cycles", "/dev/ttyTEST")
    assert [result.inference.number for result in results] == [0, 1, 3]
    assert [result.truth for result in results] == [0, 1, 1]
    for result in results:
        data = Path(result.path).read_bytes()
        assert result.sha256 == hashlib.sha256(data).hexdigest()
        made = result.inference
        assert (made.latency_us, made.ticks, made.equal) == (10_000, 640_000, True)
    assert [type(event) for event in received if not isinstance(event, events.ConsoleLine)].count(events.Skipped) == 1
    shown = [event for event in received if isinstance(event, events.ShownPicture)]
    answers = [event for event in received if isinstance(event, Inference)]
    assert [one.number for one in shown] == [answer.number for answer in answers] == [0, 1, 3]
    assert all(answer.reference == answer.outputs for answer in answers)
    assert [event.text for event in received if isinstance(event, events.ConsoleLine)] == [
        f"inference {i}" for i in range(3)
    ]


def test_a_board_that_prints_without_end_fills_no_memory(tmp_path: Path, model: Model, pictures: list[Picture]) -> None:
    class Talker(ReferenceDevice):
        def infer_many(self, images: Iterable[npt.NDArray[np.int8]]) -> Iterator[Inference]:
            for number in range(5000):
                self.say(str(number))
            return super().infer_many(images)

    running = Session(Talker(model), model)  # type: ignore[arg-type]
    with Store(tmp_path / "r") as store:
        received = list(stream_run(running, store.begin(run_header(running), pictures), dict(enumerate(pictures))))
    lines = [event.text for event in received if isinstance(event, events.ConsoleLine)]
    assert lines[:1000] == [str(number) for number in range(1000)]
    assert "dropped" in lines[1000]
    assert lines[1001:] == ["inference 1", "inference 2"]  # the next ones are reported again


def test_a_wrong_answer_is_recorded_as_different(tmp_path: Path, model: Model, pictures: list[Picture]) -> None:
    running = session(model, spoil=True)
    with Store(tmp_path / "r") as store:
        writer = store.begin(run_header(running), pictures[:1])
        list(stream_run(running, writer, {0: pictures[0]}))
        assert (store.run(writer.run).equal, store.run(writer.run).compared) == (0, 1)


def test_without_the_reference_nothing_is_compared(tmp_path: Path, model: Model, pictures: list[Picture]) -> None:
    running = session(model, compare=False)
    with Store(tmp_path / "r") as store:
        writer = store.begin(run_header(running), pictures[:1])
        list(stream_run(running, writer, {0: pictures[0]}))
        assert store.run(writer.run).compared == 0
        assert next(store.results(writer.run)).inference.reference is None


def test_a_lost_board_leaves_the_run_to_be_resumed(tmp_path: Path, model: Model, pictures: list[Picture]) -> None:
    with Store(tmp_path / "r") as store:
        broken = session(model, fail_at=1)
        writer = store.begin(run_header(broken), pictures)
        with pytest.raises(LinkError, match="gone"):
            list(stream_run(broken, writer, dict(enumerate(pictures))))
        summary = store.run(writer.run)
        assert (summary.state, summary.results, summary.note) == ("failed", 1, "/dev/ttyTEST: the board is gone")
        again, rest = store.resume(writer.run)
        assert sorted(rest) == [1, 2, 3]
        list(stream_run(session(model), again, rest))
        summary = store.run(writer.run)
        assert (summary.state, summary.results, summary.skipped, summary.note) == ("complete", 3, 1, "")


def test_a_caller_that_stops_leaves_an_interrupted_run(tmp_path: Path, model: Model, pictures: list[Picture]) -> None:
    with Store(tmp_path / "r") as store:
        running = session(model)
        writer = store.begin(run_header(running), pictures)
        stream = stream_run(running, writer, dict(enumerate(pictures)))
        while not isinstance(next(stream), Inference):
            pass
        stream.close()  # type: ignore[attr-defined]
        assert (store.run(writer.run).state, store.run(writer.run).results) == ("interrupted", 1)


def test_a_full_store_stops_the_run_and_keeps_what_it_has(
    tmp_path: Path, model: Model, pictures: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "r") as store:
        running = session(model)
        writer = store.begin(run_header(running), pictures)
        stream = stream_run(running, writer, dict(enumerate(pictures)))
        while not isinstance(next(stream), Inference):
            pass
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")

        def full(_: float) -> str:
            return "x" * 100_000  # a timestamp too long for the pages that are left

        monkeypatch.setattr("vww_deploy.runs.store.time_text", full)
        with pytest.raises(StoreError, match="full"):
            list(stream)
    monkeypatch.undo()
    with Store(tmp_path / "r") as store:
        assert store.run(1).results == 1


def test_another_model_is_refused(tmp_path: Path, model: Model, pictures: list[Picture]) -> None:
    device = ReferenceDevice(model)
    device.info.model_sha256 = "00" * 32
    with pytest.raises(ProtocolMismatch, match=r"the board runs an unknown model .*, not person_96_gray") as caught:
        Session(device, model)  # type: ignore[arg-type]
    assert "vww-deploy flash" in caught.value.hint
    with Store(tmp_path / "r") as store:
        running = session(model)
        other = store.begin(RunHeader(events.Peer("b", "p", "", "n", "11" * 32)), pictures)
        with pytest.raises(StoreError, match="run 1 is of n, not of person_96_gray"):
            next(stream_run(running, other, {}))
        assert store.run(other.run).state == "running"
