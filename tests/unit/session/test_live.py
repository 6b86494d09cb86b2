"""The live source over a device that is a program: what it yields, and what it does with requests and losses."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.support.reference_device import PlayedConsole, described
from vww_deploy.errors import BoardError, LinkError
from vww_deploy.graph.model import Model, shipped_models
from vww_deploy.link import portlock
from vww_deploy.link.channel import LinkStats
from vww_deploy.link.inference import Inference
from vww_deploy.link.messages import Feature
from vww_deploy.pictures.gather import Picture
from vww_deploy.pictures.preprocess import open_picture
from vww_deploy.session import events
from vww_deploy.session.events import Connection, Event, ShownPicture
from vww_deploy.session.live import LiveSource
from vww_deploy.session.source import Control, SentPicture

pytestmark = pytest.mark.skipif(not shipped_models(), reason="no model is shipped yet")


class Program(PlayedConsole):
    """Answers as a board would; ``gone`` makes every call fail, as a pulled cable does."""

    def __init__(self, model: Model, port: str) -> None:
        self.info = SimpleNamespace(
            board="nano33ble",
            firmware_version="1.2.3",
            **described(model.graph),
            clock="cycles",
            clock_hz=64_000_000,
            features=Feature.LAYERS,
        )
        self.port = port
        self.link = LinkStats()
        super().__init__()
        self.gone = threading.Event()
        self._model = model
        self._layers = 30

    def infer(self, image: npt.NDArray[np.int8]) -> Inference:
        return next(iter(self.infer_many([image])))

    def infer_many(self, images: Iterable[npt.NDArray[np.int8]]) -> Iterator[Inference]:
        for image in images:
            self._check()
            self.say("hello")
            outputs = tuple(self._model.reference.run(image).reshape(-1).tolist())
            stages = (("inference", 640_000), ("transfer", 64_000))
            yield Inference(1, math.nan, 10_000, 640_000, 1, outputs, stages=stages)

    def layer_ticks(self, image: npt.NDArray[np.int8]) -> list[int]:
        self._check()
        from vww_deploy.compiler import compile_model

        return [100 + layer.index for layer in compile_model(self._model.path).layers]

    def poll(self, duration_s: float) -> None:
        self._check()
        time.sleep(0.01)

    def _check(self) -> None:
        if self.gone.is_set():
            raise LinkError(f"{self.port}: the board is gone", hint="plug it in")


class Place:
    """A live source over the program, and what a viewer does with it."""

    def __init__(self, tmp_path: Path, pictures: int = 3, fps: float = 0.0) -> None:
        self.model = Model.load()
        self.device = Program(self.model, "/dev/ttyTEST")
        self.control = Control()
        self.pictures = []
        for number in range(pictures):
            path = tmp_path / f"{number}.png"
            Image.fromarray(np.random.default_rng(number).integers(0, 255, (300, 500, 3), np.uint8)).save(path)
            self.pictures.append(Picture(str(path), number % 2))
        self.asked: list[str | None] = []
        self.live = LiveSource(self._connect, self.model, self.pictures, fps=fps, boards=self._boards)
        self.events = self.live.events(self.control)

    def _boards(self) -> list[tuple[str, str]]:
        return [] if self.device.gone.is_set() else [("/dev/ttyTEST", "nano33ble")]

    @contextmanager
    def _connect(self, port: str | None) -> Iterator[Any]:
        self.asked.append(port)
        self.device._check()
        self.device.port = port or "/dev/ttyTEST"
        yield self.device

    def take(self, condition: Callable[[list[Event]], object], limit: int = 500) -> list[Event]:
        """Events until the condition holds for those taken."""
        taken: list[Event] = []
        for _ in range(limit):
            taken.append(next(self.events))
            if condition(taken):
                return taken
        raise AssertionError([type(event).__name__ for event in taken])


def results(taken: list[Event]) -> list[Inference]:
    return [event for event in taken if isinstance(event, Inference)]


def test_pictures_come_with_their_results_in_a_loop(tmp_path: Path) -> None:
    place = Place(tmp_path)
    taken = place.take(lambda taken: len(results(taken)) == 7)
    first = [type(event).__name__ for event in taken[:3]]
    assert first == ["Connection", "Connection", "LayerTimes"]
    connected, timing = taken[1], taken[2]
    assert isinstance(connected, Connection) and connected.board is not None
    assert (connected.board.board, connected.board.clock, connected.board.outputs) == (
        "nano33ble",
        "cycles",
        place.model.outputs,
    )
    assert isinstance(timing, events.LayerTimes)
    assert timing.layers[0] == ("0 conv", 100)
    pictures = [event for event in taken if isinstance(event, ShownPicture)]
    assert [picture.number for picture in pictures] == list(range(7))
    assert [picture.source for picture in pictures] == [place.pictures[n % 3].path for n in range(7)]
    assert [picture.truth for picture in pictures] == [n % 3 % 2 for n in range(7)]
    for picture, result in zip(pictures, results(taken), strict=True):
        image = open_picture(Path(picture.source).read_bytes())
        outputs = place.model.reference.run(place.model.to_input(image)).reshape(-1)
        assert result.number == picture.number
        assert result.p_person == place.model.outputs.p_person(outputs)
        assert result.stages == (("inference", 640_000), ("transfer", 64_000))
        assert picture.raw is not None
        assert max(picture.raw.shape) == 320
    assert any(isinstance(event, events.ConsoleLine) and event.text == "hello" for event in taken)


def test_flash_gets_the_board_and_the_monitor_goes_on_with_the_new_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "cache"))
    place = Place(tmp_path)
    place.take(lambda taken: len(results(taken)) == 2)
    new = Model.load("person_96_rgb")
    with portlock.taking(place.device.port, "flash"):
        lost = place.take(lambda taken: isinstance(taken[-1], Connection))[-1]
        assert isinstance(lost, Connection) and lost.state == "lost"
        assert "flash (process" in lost.reason and "it is free again when that is done" in lost.reason
        place.device = Program(new, place.device.port)
    taken = place.take(lambda taken: len(results(taken)) == 1)
    boards = [event.board for event in taken if isinstance(event, Connection) and event.board is not None]
    assert [board.model for board in boards] == ["person_96_rgb"]
    assert next(event for event in taken if isinstance(event, ShownPicture)).pixels.shape == (96, 96, 3)


def test_a_board_that_comes_back_with_an_unknown_model_is_not_watched(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.take(lambda taken: len(results(taken)) == 1)
    place.device.gone.set()
    place.take(lambda taken: isinstance(taken[-1], Connection))
    place.device.info.model_sha256 = "00" * 32
    place.device.gone.clear()
    lost = place.take(lambda taken: isinstance(taken[-1], Connection) and "unknown model" in taken[-1].reason)[-1]
    assert isinstance(lost, Connection) and lost.state == "lost"


def test_a_loss_is_told_and_the_numbers_go_on(tmp_path: Path) -> None:
    place = Place(tmp_path)
    last = results(place.take(lambda taken: len(results(taken)) == 2))[-1].number
    place.device.gone.set()
    lost = place.take(lambda taken: isinstance(taken[-1], Connection))[-1]
    assert isinstance(lost, Connection)
    assert (lost.state, lost.reason) == ("lost", "/dev/ttyTEST: the board is gone; plug it in")
    asked = len(place.asked)
    back: list[float] = []

    def come_back() -> None:
        back.append(time.monotonic())
        place.device.gone.clear()

    threading.Timer(1.5, come_back).start()
    taken = place.take(lambda taken: results(taken))
    assert time.monotonic() - back[0] >= 2  # whoever flashed the board comes first
    assert len(place.asked) == asked + 1
    assert [event.state for event in taken if isinstance(event, Connection)][-2:] == ["connecting", "connected"]
    assert results(taken)[0].number > last


def test_a_board_that_was_never_there_is_an_error(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.device.gone.set()
    with pytest.raises(LinkError, match="the board is gone"):
        list(place.events)


def test_a_paused_board_shows_single_steps_and_what_viewers_send(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.control.pause(True)
    place.control.step(2)
    taken = place.take(lambda taken: len(results(taken)) >= 1)
    assert results(taken)[0].number == 0
    place.control.send(SentPicture("sent.png", Path(place.pictures[1].path).read_bytes()))
    taken = place.take(lambda taken: results(taken))
    picture = next(event for event in taken if isinstance(event, ShownPicture))
    assert picture.source == "sent.png"
    place.control.send(SentPicture("broken.png", b"broken"))
    skipped = place.take(lambda taken: isinstance(taken[-1], events.Skipped))[-1]
    assert isinstance(skipped, events.Skipped)
    assert skipped.source == "broken.png"


def test_another_port_can_be_chosen(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.take(lambda taken: results(taken))
    place.control.choose("/dev/ttyOTHER")
    connected = place.take(lambda taken: isinstance(taken[-1], Connection) and taken[-1].state == "connected")[-1]
    assert isinstance(connected, Connection) and connected.board is not None
    assert connected.board.port == "/dev/ttyOTHER"
    assert place.asked == [None, "/dev/ttyOTHER"]


def test_pictures_that_cannot_be_read_are_named_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    Path(place.pictures[1].path).write_bytes(b"")
    taken = place.take(lambda taken: len(results(taken)) == 6)
    skipped = [event for event in taken if isinstance(event, events.Skipped)]
    assert [event.source for event in skipped] == [place.pictures[1].path]


def test_a_loop_without_any_usable_picture_ends(tmp_path: Path) -> None:
    place = Place(tmp_path, pictures=1)
    Path(place.pictures[0].path).write_bytes(b"")
    with pytest.raises(Exception, match="none of the pictures can be used"):
        place.take(lambda taken: False)


def test_a_rate_is_kept(tmp_path: Path) -> None:
    place = Place(tmp_path, fps=10)
    place.take(lambda taken: results(taken))
    begin = time.monotonic()
    place.take(lambda taken: len(results(taken)) == 5)
    assert time.monotonic() - begin >= 0.39


def test_stopping_ends_it_at_once(tmp_path: Path) -> None:
    place = Place(tmp_path, pictures=0)
    place.take(lambda taken: isinstance(taken[-1], events.LinkReport))
    place.control.stop()
    begin = time.monotonic()
    list(place.events)
    assert time.monotonic() - begin < 1


def test_an_unknown_board_is_said(tmp_path: Path) -> None:
    from vww_deploy.session.live import board_at

    with pytest.raises(BoardError, match="no board"), board_at("toaster")(None):
        pass


def test_a_board_that_is_not_there_yet_is_waited_for_when_it_was_named(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.device.gone.set()
    with pytest.raises(LinkError, match="gone"):
        place.take(lambda taken: len(taken) == 3)
    place.live = LiveSource(place._connect, place.model, place.pictures, boards=place._boards, waits=True)
    place.events = place.live.events(place.control)
    (*_, lost) = place.take(lambda taken: isinstance(taken[-1], Connection) and taken[-1].state == "lost")
    assert isinstance(lost, Connection) and "gone" in lost.reason
    place.device.gone.clear()
    assert len(results(place.take(lambda taken: len(results(taken)) == 1))) == 1


def test_the_model_of_the_board_is_taken_where_none_was_named(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.device = Program(Model.load("person_96_rgb"), "/dev/ttyTEST")
    place.live = LiveSource(place._connect, place.model, place.pictures, boards=place._boards, follows=True)
    place.events = place.live.events(place.control)
    connected = place.take(lambda taken: isinstance(taken[-1], Connection) and taken[-1].board is not None)[-1]
    assert isinstance(connected, Connection) and connected.board is not None
    assert connected.board.model == "person_96_rgb"
