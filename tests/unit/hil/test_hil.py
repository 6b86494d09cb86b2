"""Assertions about boards, and how a board is reached again; boards are played."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.reference_device import described
from vww_deploy import hil
from vww_deploy.boards.catalogue import UNLISTED, get_board
from vww_deploy.boards.drivers import driver_for
from vww_deploy.boards.drivers.usb import UsbDriver
from vww_deploy.compiler import compile_model, layer_digest
from vww_deploy.errors import LinkError
from vww_deploy.graph.layer_names import short_name
from vww_deploy.graph.model import Model, shipped_models
from vww_deploy.hil import BoardDevice, BoardUnderTest, HilError, assert_accuracy, assert_bit_exact, assert_latency

pytestmark = pytest.mark.skipif(not shipped_models(), reason="no model is shipped yet")

WRONG_LAYER = 3


@pytest.fixture(scope="module")
def board() -> BoardUnderTest:
    model = Model.load("person_64_small")
    return BoardUnderTest(driver_for(get_board("nano33ble")), model, compile_model(model.path), "/dev/ttyACM0")


class WrongBoard:
    """A board whose layer ``WRONG_LAYER`` and output are wrong."""

    def __init__(self, board: BoardUnderTest) -> None:
        self.info = SimpleNamespace(**described(board.model.graph))
        self._board = board
        self.link_works = True

    def infer_many(self, pictures: Iterable[npt.NDArray[np.int8]]) -> Iterator[Any]:
        for picture in pictures:
            yield SimpleNamespace(outputs=self._board.model.reference.run(picture).reshape(-1) + 1)

    def layer_digests(self, picture: npt.NDArray[np.int8]) -> list[int]:
        if not self.link_works:
            raise LinkError("/dev/ttyACM0: the board is gone")
        values = self._board.model.reference.run_all(picture)
        digests = [layer_digest(values[layer.activation.id]) for layer in self._board.compiled.layers]
        digests[WRONG_LAYER] ^= 1
        return digests


def mismatch(board: BoardUnderTest, *, link_works: bool) -> HilError:
    device = WrongBoard(board)
    device.link_works = link_works
    picture = np.zeros(board.compiled.report().input_shape, np.int8)
    with pytest.raises(HilError, match="1 of 1 pictures differ from the reference") as caught:
        assert_bit_exact(cast(BoardDevice, device), board, {"black": picture})
    assert [failure.name for failure in caught.value.failures] == ["black"]
    return caught.value


def test_the_first_layer_that_differs_is_named(board: BoardUnderTest) -> None:
    layer = board.compiled.layers[WRONG_LAYER]
    said = f"the first layer of black that differs is {layer.index}, {layer.kind} {short_name(layer.name, layer.kind)}"
    assert said in str(mismatch(board, link_works=True))


def test_a_link_that_fails_hides_no_mismatch(board: BoardUnderTest) -> None:
    said = str(mismatch(board, link_works=False))
    assert "cannot be found out: /dev/ttyACM0: the board is gone" in said and "black: [" in said


def test_an_assertion_about_nothing_fails(board: BoardUnderTest) -> None:
    device = cast(BoardDevice, SimpleNamespace(inferences=[SimpleNamespace(latency_us=1, ticks=1)]))
    with pytest.raises(HilError, match="no picture"):
        assert_bit_exact(device, board, {})
    with pytest.raises(HilError, match="no sample"):
        assert_accuracy(device, board, [], at_least=0.5)
    with pytest.raises(HilError, match="no budget"):
        assert_latency(device)


def measured(clock: str, *inferences: tuple[int, int | None]) -> BoardDevice:
    """A device that made inferences: ticks and microseconds of each."""
    made = [SimpleNamespace(ticks=ticks, latency_us=us) for ticks, us in inferences]
    return cast(BoardDevice, SimpleNamespace(inferences=made, info=SimpleNamespace(clock=clock)))


def test_a_budget_of_time_is_the_estimates_where_only_instructions_are_counted() -> None:
    device = measured("instructions", (8_000_000, None), (8_700_000, None), (9_000_000, None))
    assert_latency(device, max_us=180_000, max_instructions=8_700_000)
    with pytest.raises(HilError, match=r"168,562 us \(an estimate for nano33ble\).*562 over the budget of 168,000"):
        assert_latency(device, max_us=168_000)
    assert_latency(device, max_us=24_000, estimate_for="portenta_h7_m7")
    with pytest.raises(HilError, match="8,700,000 instructions"):
        assert_latency(device, max_instructions=8_699_999)


def test_a_budget_of_time_needs_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vww_deploy.session.latency.get_board", lambda name: UNLISTED)
    with pytest.raises(HilError, match="no estimate for arduino: give max_instructions"):
        assert_latency(measured("instructions", (8_000_000, None)), max_us=1, estimate_for="arduino")


def test_a_board_with_a_clock_is_judged_by_what_it_measured() -> None:
    device = measured("cycles", (4_608_000, 72_000), (4_672_000, 73_000))
    assert_latency(device, max_us=72_000, max_ticks=4_608_000)
    with pytest.raises(HilError, match=r"72,000 us .*1 over the budget of 71,999; least 72,000, most 73,000"):
        assert_latency(device, max_us=71_999)
    with pytest.raises(HilError, match="counts cycles, not instructions"):
        assert_latency(device, max_instructions=5_000_000)


def test_a_board_that_comes_back_under_another_name_is_followed(
    board: BoardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ["/dev/ttyACM1"]
    opened: list[str] = []

    def open_transport(port: str, _: int, locate: Any) -> Any:
        opened.append(port)
        return SimpleNamespace(name=port, locate=locate)

    class Played:
        def __init__(self, transport: Any) -> None:
            self._transport = transport
            self.port = transport.name
            self.info = SimpleNamespace(**described(board.model.graph))

        def __enter__(self) -> Played:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def reset(self) -> None:
            where[0] = "/dev/ttyACM2"
            self.port = self._transport.locate()

    monkeypatch.setattr(hil, "open_transport", open_transport)
    monkeypatch.setattr(BoardDevice, "connect", lambda transport, **_: Played(transport))
    monkeypatch.setattr(UsbDriver, "follow", lambda *_: lambda: where[0])
    moving = BoardUnderTest(board.driver, board.model, board.compiled, "/dev/ttyACM0")
    moving.restart()
    assert moving.port == "/dev/ttyACM2"
    moving.connect()
    assert opened == ["/dev/ttyACM1", "/dev/ttyACM2"]


def test_accuracy_is_told_in_the_models_own_words(board: BoardUnderTest) -> None:
    picture = np.zeros(board.compiled.report().input_shape, np.int8)
    device = cast(BoardDevice, WrongBoard(board))
    said = ((1, r"dark: P\(cup\) 0\.\d+, but it shows (cup|saucer)"), (None, "nobody knows .* --vww-person-label"))
    for person, expected in said:
        outputs = dataclasses.replace(board.model.outputs, labels=("saucer", "cup"), person=person)
        of_cups = dataclasses.replace(board, model=dataclasses.replace(board.model, outputs=outputs))
        with pytest.raises(HilError, match=expected):
            assert_accuracy(device, of_cups, [("dark", picture, True), ("dark", picture, False)], at_least=1)
