"""A board watched without an end: pictures in a loop and what viewers send, through every loss of the board."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from vww_deploy.boards import drivers
from vww_deploy.boards.running import check_model
from vww_deploy.errors import BoardError, DataError, LinkError, ProtocolMismatch
from vww_deploy.graph import known
from vww_deploy.graph.model import Model
from vww_deploy.link import portlock
from vww_deploy.link.device import Device
from vww_deploy.link.inference import Inference
from vww_deploy.link.transport import Line, Transport, open_transport
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.card import InputSpec
from vww_deploy.pictures.gather import Picture, thumbnail
from vww_deploy.session.connect import choose_board
from vww_deploy.session.events import (
    Connection,
    Event,
    LayerTimes,
    LinkReport,
    Peer,
    ShownPicture,
    Skipped,
    listener,
)
from vww_deploy.session.layers import measure_layers
from vww_deploy.session.session import interpreted, peer_of
from vww_deploy.session.source import Control

_RETRY_S: Final = 1.0  # between two looks for a board that went away
_FLASHED_S: Final = 2.0  # what flash needs to open a port that has come back
_IDLE_S: Final = 0.25  # between two looks at the console while the board has nothing to do
_LINK_EVERY_S: Final = 1.0  # between two reports of the link's counters
_PREPARED: Final = 128  # pictures of the loop that are kept ready
_RAW_SIDE: Final = 320  # pictures are shown and collected no larger than a small camera's


Connect: TypeAlias = Callable[[str | None], AbstractContextManager[Device]]
"""Opens the board at a port; where the board usually is when None."""


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A picture ready to be sent."""

    picture: ShownPicture
    values: npt.NDArray[np.int8]


def board_at(board: str | None = None, port: str | None = None) -> Connect:
    """Opens a board by name, by port, or the one that is attached, and holds its port (see portlock).

    What it gives raises BoardError and LinkError as :func:`vww_deploy.session.connect.open_device` does, and LinkError
    as soon as the port fails: :class:`LiveSource` reports the loss and connects again.
    """

    @contextmanager
    def connect(chosen_port: str | None) -> Iterator[Device]:
        chosen = choose_board(board, chosen_port or port)
        driver = drivers.driver_for(chosen)
        where = chosen_port or port or driver.locate()
        if taker := portlock.wanted_by(where):
            raise taken_by(taker)
        baudrate = next((found.board.baudrate for found in drivers.attached() if found.port == where), chosen.baudrate)
        with (
            portlock.holding(where, "vww-deploy monitor"),
            Device.connect(_NoReopen(open_transport(where, baudrate), driver.not_attached().hint)) as device,
        ):
            yield device

    return connect


def taken_by(taker: str) -> LinkError:
    """Why a monitor has no board for as long as another program asks for it."""
    return LinkError(f"{taker} has the board", hint="it is free again when that is done")


def attached_boards() -> list[tuple[str, str]]:
    """Port and name of each board that is plugged in or running."""
    return [(found.port, found.board.name) for found in drivers.attached()]


class LiveSource:
    """Streams pictures to a board, again and again, as fast as it goes or at a given rate.

    Args:
        connect: opens the board.
        model: the one on it.
        pictures: shown in a loop; with none, the board waits for what viewers send.
        fps: the most pictures a second; 0 for no limit.
        title: what to call the board before it is connected.
        boards: lists the boards that can be chosen: port and name of each.
        waits: for a board that was not there yet.
        follows: take the model that the board runs, where this computer knows it, instead of ``model``.
    """

    takes_pictures = True
    replays = False

    def __init__(
        self,
        connect: Connect,
        model: Model,
        pictures: Sequence[Picture] = (),
        *,
        fps: float = 0.0,
        title: str = "",
        boards: Callable[[], Sequence[tuple[str, str]]] = attached_boards,
        waits: bool = False,
        follows: bool = False,
    ) -> None:
        self.title = title or model.name
        self._waits = waits
        self._follows = follows
        self._connect = connect
        self._model = model
        self._pictures = tuple(pictures)
        self._fps = fps
        self._list_boards = boards
        self._prepared: OrderedDict[str, _Prepared] = OrderedDict()
        self._last: Peer | None = None  # connected last
        self._listed = False  # whether it was among the boards that are attached
        self._number = 0  # of the next picture; goes on through a loss
        self._next = 0  # place in the loop

    def ports(self) -> list[tuple[str, str]]:
        """Boards that can be chosen: port and name of each."""
        return list(self._list_boards())

    def events(self, control: Control) -> Iterator[Event]:
        """Everything from the board, until stopped.

        Raises:
            VwwError: the board could not be reached even once and is not waited for, or the first that answers runs
                another model or speaks another version; later it is waited for.
        """
        port: str | None = None
        seen = False
        while not control.stopped:
            yield Connection("connecting", f"looking for {port or self.title}")
            try:
                with self._connect(port) as device:
                    self._adopt(device, seen)
                    seen = True
                    self._last = peer_of(device, self._model)
                    self._listed = self._is_listed()  # a port given as an address never is
                    yield from self._watch(device, control)
            except (LinkError, BoardError) as error:
                if not seen and (isinstance(error, ProtocolMismatch) or not self._waits):
                    raise
                yield Connection("lost", f"{error.message}; {error.hint}" if error.hint else error.message)
                self._wait_for_board(control)
            port = control.take_port() or port

    def _adopt(self, device: Device, seen: bool) -> None:
        """Go on with the model that the board runs by now, if it was flashed meanwhile with one that is known here.

        Raises:
            ProtocolMismatch: it runs another one, and did from the beginning or nobody here knows it.
        """
        if device.info.model_sha256 != self._model.sha256:
            found = known.find(device.info.model_sha256) if seen or self._follows else None
            if found is not None:
                self._model = found
                self._prepared.clear()
        check_model(device, self._model.graph)

    def _wait_for_board(self, control: Control) -> None:
        """A moment; if the board has gone from the list of boards, until it is back and a moment more.

        It often comes back because somebody flashes it, who then has to speak to it first.
        """
        control.wait_while_staying(_RETRY_S)
        if not self._listed or self._is_listed():
            return
        while not control.leaving and not self._is_listed():
            control.wait_while_staying(_RETRY_S)
        control.wait_while_staying(_FLASHED_S)

    def _is_listed(self) -> bool:
        last = self._last
        return last is not None and any(p == last.port or name == last.board for p, name in self._list_boards())

    def _watch(self, device: Device, control: Control) -> Iterator[Event]:
        """One connection: until it is lost, the source is stopped or another port chosen."""
        pending: deque[Event] = deque()
        with device.hearing(listener(pending)):
            yield Connection("connected", board=peer_of(device, self._model))
            yield from self._layer_times(device)
            link_reported = 0.0
            while not control.leaving:
                if taker := portlock.wanted_by(device.port):
                    raise taken_by(taker)
                yield from self._step(device, control, pending)
                while pending:
                    yield pending.popleft()
                if time.monotonic() - link_reported >= _LINK_EVERY_S:
                    link_reported = time.monotonic()
                    yield _link_stats(device)

    def _step(self, device: Device, control: Control, pending: deque[Event]) -> Iterator[Event]:
        """What viewers want now: what they sent, one picture, or pictures for a while."""
        if (sent := control.take_picture()) is not None:
            yield from self._show_sent(device, sent.name, sent.data)
        elif control.paused and control.take_steps() > 0:
            yield from self._show(device, self._fresh(pending))
        elif control.paused or not self._pictures:
            device.poll(_IDLE_S)
        elif self._fps:
            due = time.monotonic() + 1 / self._fps
            yield from self._show(device, self._fresh(pending))
            control.wait_while_streaming(due - time.monotonic())
        else:
            yield from self._stream(device, control, pending)

    def _stream(self, device: Device, control: Control, pending: deque[Event]) -> Iterator[Event]:
        """Pictures without a pause between them, the upload of one during the inference of the one before."""
        sent: deque[ShownPicture] = deque()
        until = time.monotonic() + _LINK_EVERY_S

        def inputs() -> Iterator[npt.NDArray[np.int8]]:
            while not control.interrupted and time.monotonic() < until and not portlock.wanted_by(device.port):
                prepared = self._fresh(pending)
                sent.append(prepared.picture)
                yield prepared.values

        for inference in device.infer_many(inputs()):
            while pending:
                yield pending.popleft()
            yield from self._answer(sent.popleft(), inference)

    def _show(self, device: Device, prepared: _Prepared) -> Iterator[Event]:
        yield from self._answer(prepared.picture, device.infer(prepared.values))

    def _show_sent(self, device: Device, name: str, data: bytes) -> Iterator[Event]:
        try:
            image = preprocess.open_picture(data, name, enough=4 * max(_RAW_SIDE, self._spec.height, self._spec.width))
            prepared = self._prepare(name, data, image, None)
        except DataError as error:
            yield Skipped(name, error.message)
            return
        yield from self._show(device, self._numbered(prepared))

    def _answer(self, picture: ShownPicture, inference: Inference) -> Iterator[Event]:
        yield picture
        yield interpreted(inference, self._model, picture.number)

    def _layer_times(self, device: Device) -> Iterator[Event]:
        """The ticks of each layer, measured once a connection."""
        if layers := measure_layers(device, self._model):
            yield LayerTimes(layers)

    def _fresh(self, pending: deque[Event]) -> _Prepared:
        """The next picture of the loop that can be read."""
        for _ in self._pictures:
            picture = self._pictures[self._next % len(self._pictures)]
            self._next += 1
            try:
                return self._numbered(self._from_file(picture))
            except DataError as error:
                if self._next <= len(self._pictures):  # say it once, not in every round
                    pending.append(Skipped(picture.path, error.message))
        raise DataError("none of the pictures can be used", hint=f"{preprocess.READ}.")

    def _numbered(self, prepared: _Prepared) -> _Prepared:
        number = self._number
        self._number += 1
        return replace(prepared, picture=replace(prepared.picture, number=number, at=time.time()))

    def _from_file(self, picture: Picture) -> _Prepared:
        prepared = self._prepared.get(picture.path)
        if prepared is None:
            data = preprocess.read_picture_file(Path(picture.path))
            image = preprocess.open_picture(data, picture.path)
            prepared = self._prepared[picture.path] = self._prepare(picture.path, data, image, picture.truth)
            if len(self._prepared) > _PREPARED:
                self._prepared.popitem(last=False)
        return prepared

    @property
    def _spec(self) -> InputSpec:
        return self._model.card.input

    def _prepare(self, name: str, data: bytes, image: Image.Image, truth: int | None) -> _Prepared:
        pixels = preprocess.to_pixels(image, self._spec)
        quantization = self._model.graph.input_activation.quantization
        picture = ShownPicture(0, pixels, thumbnail(image, _RAW_SIDE), name, hashlib.sha256(data).hexdigest(), truth)
        return _Prepared(picture, preprocess.quantise(pixels, self._spec, quantization))


class _NoReopen:
    """A transport that gives up at once when its port fails, so the loss is reported; LiveSource connects again."""

    def __init__(self, transport: Transport, what_to_do: str) -> None:
        self._transport, self._what_to_do = transport, what_to_do

    @property
    def line(self) -> Line:
        """As the transport's."""
        return self._transport.line

    @property
    def name(self) -> str:
        """As the transport's."""
        return self._transport.name

    def read(self, timeout_s: float) -> bytes:
        """As the transport's."""
        return self._transport.read(timeout_s)

    def write(self, data: bytes) -> None:
        """As the transport's."""
        self._transport.write(data)

    def reopen(self) -> None:
        """Raises LinkError."""
        raise LinkError(f"{self.name}: the board is gone", hint=self._what_to_do)

    def close(self) -> None:
        """As the transport's."""
        self._transport.close()


def _link_stats(device: Device) -> LinkReport:
    link = device.link
    return LinkReport(
        bytes_in=link.bytes_received,
        bytes_out=link.bytes_sent,
        retries=link.retries,
        errors=link.bad_frames,
        drops=0,
    )
