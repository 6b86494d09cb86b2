"""The fault proxy, and the firmware's link behind it: a bad line costs time, never a result."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.lockstep import LAYERS, Clock, LockstepBoard, pictures, right_outputs
from vww_deploy.errors import LinkError
from vww_deploy.link import messages as m
from vww_deploy.link.channel import Channel
from vww_deploy.link.device import Device
from vww_deploy.link.faults import ON_THE_LINE, PACKET_BYTES, Faults, FaultyTransport, LineDirection, LineFault
from vww_deploy.link.inference import Inference
from vww_deploy.link.transport import open_transport

StartBoard = Callable[..., Any]


# -- one way -----------------------------------------------------------------------------------------------------------


def direction(rate: float, *kinds: LineFault, seed: int = 0) -> LineDirection:
    return LineDirection(Faults(rate, kinds, seed), "to board", b"text\n")


def carried(pieces: Iterator[bytes | LineFault]) -> bytes:
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


@given(st.binary(max_size=2000), st.integers(), st.lists(st.integers(1, 700), max_size=5))
def test_faults_do_not_depend_on_how_the_stream_is_cut(data: bytes, seed: int, cuts: list[int]) -> None:
    whole, cut = direction(0.01, *LineFault, seed=seed), direction(0.01, *LineFault, seed=seed)
    at = [0, *sorted(cuts), len(data)]
    one = list(whole.feed(data))
    parts = [piece for a, b in itertools.pairwise(at) for piece in cut.feed(data[a:b])]
    assert carried(iter(one)) == carried(iter(parts))
    assert [piece for piece in one if isinstance(piece, LineFault)] == [p for p in parts if isinstance(p, LineFault)]
    assert whole.counts == cut.counts


def test_a_lane_without_faults_changes_nothing() -> None:
    data = random.Random(1).randbytes(100_000)
    assert carried(direction(0.0, *LineFault).feed(data)) == data


def test_the_rate_is_faults_per_byte() -> None:
    flipping = direction(1e-3, LineFault.FLIP)
    list(flipping.feed(bytes(1_000_000)))
    assert 900 < flipping.counts[LineFault.FLIP] < 1100


def test_flip_changes_one_bit() -> None:
    flipping = direction(1e-3, LineFault.FLIP)
    out = carried(flipping.feed(bytes(100_000)))
    assert len(out) == 100_000
    changed = [byte for byte in out if byte]
    assert len(changed) == flipping.counts[LineFault.FLIP] > 0
    assert all(byte.bit_count() == 1 for byte in changed)


def test_drop_loses_one_to_four_bytes_and_a_hole_exactly_a_packet() -> None:
    data = bytes(100_000)
    dropping, holes = direction(1e-4, LineFault.DROP), direction(1e-4, LineFault.HOLE)
    lost = len(data) - len(carried(dropping.feed(data)))
    assert 0 < dropping.counts[LineFault.DROP] <= lost <= 4 * dropping.counts[LineFault.DROP]
    assert len(data) - len(carried(holes.feed(data))) == PACKET_BYTES * holes.counts[LineFault.HOLE] > 0


@pytest.mark.parametrize("kind", [LineFault.DUPLICATE, LineFault.GARBAGE, LineFault.TEXT])
def test_what_is_inserted_leaves_the_rest_alone(kind: LineFault) -> None:
    data = bytes(100_000)
    inserting = direction(1e-4, kind)
    pieces = list(inserting.feed(data))
    assert sum(len(piece) for piece in pieces if isinstance(piece, bytes)) > len(data)
    if kind is LineFault.TEXT:
        assert carried(iter(pieces)).replace(b"text\n", b"") == data
    assert inserting.counts[kind] > 0


def test_a_rate_must_be_a_probability() -> None:
    for rate in (-0.1, 1.0):
        with pytest.raises(ValueError, match="fault rate"):
            Faults(rate)


def test_resets_need_a_button(start_board: StartBoard) -> None:
    transport = open_transport(start_board().port)
    with pytest.raises(ValueError, match="reset"):
        FaultyTransport(transport, Faults(1e-4, list(LineFault)))
    transport.close()


# -- streaming in made time ------------------------------------------------------------------------------------------

# Faults per byte, each way: a picture is 9,216 bytes, so 1e-4 is about one a picture. A restart costs the whole picture
# under way, and a lost port what is in its buffers, so there are fewer of them.
RATES = {**dict.fromkeys(LineFault, 1e-3), LineFault.STALL: 1e-4, LineFault.DISCONNECT: 2e-4, LineFault.RESET: 5e-5}
TOGETHER = 1e-4


@dataclass
class Streamed:
    outputs: list[list[int]]
    results: list[Inference]
    device: Device
    transport: FaultyTransport
    seconds: float


Stream = Callable[..., Streamed]


@pytest.fixture
def stream(lockstep_device: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    clock = Clock.install(monkeypatch)
    boards: list[LockstepBoard] = []

    def run(
        images: list[Any], faults: Faults, *, staged: bool = True, baudrate: int | None = None, layer_ms: int = 5
    ) -> Streamed:
        board = LockstepBoard(lockstep_device, clock, layer_ms=layer_ms, staged=staged)
        boards.append(board)
        transport = FaultyTransport(board, faults, reset=board.reset, baudrate=baudrate)
        with Device.connect(transport) as device:
            device.infer(images[0])
            started = clock.now
            results = list(device.infer_many(images))
            seconds = clock.now - started
        outputs = [list(result.outputs) for result in results]
        return Streamed(outputs, results, device, transport, seconds)

    yield run
    for board in boards:
        board.close()


def test_a_slow_line_is_no_bad_one(stream: Stream) -> None:
    """A window of pieces takes 9 s at 9,600 baud: the timeouts wait for it."""
    streamed = stream(pictures(3), Faults(), baudrate=9600)
    assert len(streamed.results) == 3
    assert streamed.device.link.retries == 0


@pytest.mark.parametrize("staged", [True, False], ids=["staged", "plain"])
@pytest.mark.parametrize("kind", list(LineFault))
def test_each_fault_alone_costs_no_result(stream: Stream, kind: LineFault, staged: bool) -> None:
    images = pictures(15)
    for seed in range(2):
        streamed = stream(images, Faults(RATES[kind], {kind}, seed), staged=staged, baudrate=1_000_000)
        assert streamed.outputs == right_outputs(images)
        assert streamed.transport.counts[kind] > 0


@pytest.mark.parametrize("baudrate", [None, 115_200, 1_000_000])
@pytest.mark.parametrize("staged", [True, False], ids=["staged", "plain"])
def test_all_faults_together_cost_no_result(stream: Stream, staged: bool, baudrate: int | None) -> None:
    images = pictures(20)
    for seed in range(2):
        streamed = stream(images, Faults(TOGETHER, list(LineFault), seed), staged=staged, baudrate=baudrate)
        assert streamed.outputs == right_outputs(images)
        assert streamed.transport.counts.total() > 10


def test_a_seed_repeats_a_run(stream: Stream) -> None:
    one, two = (stream(pictures(10), Faults(3e-4, ON_THE_LINE, 4), baudrate=1_000_000) for _ in range(2))
    assert one.transport.counts == two.transport.counts
    assert one.seconds == two.seconds
    assert [result.retries for result in one.results] == [result.retries for result in two.results]


def test_retries_are_reported(stream: Stream) -> None:
    bad = stream(pictures(10), Faults(1e-3, {LineFault.FLIP}))
    assert bad.device.link.retries >= sum(result.retries for result in bad.results) > 0
    good = stream(pictures(10), Faults())
    assert good.device.link.retries == sum(result.retries for result in good.results) == 0


def test_pieces_shrink_on_a_bad_line(stream: Stream) -> None:
    images = pictures(10)
    streamed = stream(images, Faults(1e-3, {LineFault.FLIP}))
    # A frame with 1,024 bytes of the picture comes through this line once in three times, and what follows it is lost
    # too; small ones get by with less than three times the bytes.
    assert streamed.device.link.bytes_sent < 3 * 11 * images[0].size


@pytest.mark.parametrize("layer_ms", [0, 15])
@pytest.mark.parametrize("baudrate", [115_200, 1_000_000])
def test_without_faults_the_link_keeps_the_lines_rate(stream: Stream, baudrate: int, layer_ms: int) -> None:
    """Pictures are at least 95 % of what the line could carry, because uploads overlap inferences (of 60 ms)."""
    images = pictures(50)
    streamed = stream(images, Faults(), baudrate=baudrate, layer_ms=layer_ms)
    could_carry = streamed.seconds * baudrate / 10
    assert 0.95 * could_carry <= sum(image.size for image in images) < could_carry


def test_without_a_second_buffer_the_line_waits_for_the_inference(stream: Stream) -> None:
    images = pictures(20)
    streamed = stream(images, Faults(), staged=False, baudrate=1_000_000, layer_ms=15)
    assert streamed.seconds > 20 * (9216 / 100_000 + LAYERS * 0.015)


# -- streaming over a tty ---------------------------------------------------------------------------------------------


@contextmanager
def connected(board: Any, faults: Faults) -> Iterator[tuple[Device, FaultyTransport]]:
    transport = FaultyTransport(open_transport(board.port), faults, reset=board.restart)
    with Device.connect(transport) as device:
        yield device, transport


def small_pictures(count: int) -> list[npt.NDArray[np.int8]]:
    rng = np.random.default_rng(5)
    return [rng.integers(-128, 128, (48, 64, 1), np.int8) for _ in range(count)]


@pytest.mark.parametrize("staged", [("staged",), ()], ids=["staged", "plain"])
def test_all_faults_together_on_a_tty(start_board: StartBoard, staged: tuple[str, ...]) -> None:
    images = small_pictures(20)
    with connected(start_board(*staged), Faults(2e-4, list(LineFault), 1)) as (device, transport):
        results = [list(result.outputs) for result in device.infer_many(images)]
    assert results == right_outputs(images)
    assert transport.counts.total() > 5


def test_a_disconnected_port_fails_until_it_is_opened_again(start_board: StartBoard) -> None:
    transport = FaultyTransport(open_transport(start_board().port), Faults(0.5, {LineFault.DISCONNECT}))
    name = transport.name
    for _ in range(2):
        with pytest.raises(LinkError, match="gone"):
            transport.write(bytes(64))
    transport.reopen()
    assert transport.name != name
    transport.close()


def test_a_board_that_restarts_at_every_inference_is_given_up(
    start_board: StartBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = start_board("staged")
    send = Channel.send

    def brown_out(channel: Channel, message: m.Message) -> int:
        sequence = send(channel, message)
        if isinstance(message, m.Infer):
            board.restart()
        return sequence

    with connected(board, Faults()) as (device, _):
        monkeypatch.setattr(Channel, "send", brown_out)
        with pytest.raises(LinkError, match="keeps restarting"):
            device.infer(small_pictures(1)[0])
