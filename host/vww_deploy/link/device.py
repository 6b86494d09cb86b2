"""The client: a board that runs a model, as a Python object (docs/protocol.md, "The host's side").

Every wait ends: a lost request or answer is asked for again, a board that restarted is greeted and given its picture
again, and a board that stays silent becomes a :class:`LinkError`.
"""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final, Self, TypeVar

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError, LinkError, ProtocolMismatch
from vww_deploy.link import messages as m
from vww_deploy.link import trace
from vww_deploy.link.channel import (
    DEFAULT_TIMEOUTS,
    RESET_HINT,
    BoardRestarted,
    Channel,
    LinkStats,
    Listener,
    PortLost,
    Timeouts,
    hearing,
)
from vww_deploy.link.inference import Inference
from vww_deploy.link.info import DeviceInfo
from vww_deploy.link.jobs import Jobs, PictureJob
from vww_deploy.link.transport import Transport
from vww_deploy.pictures.camera_format import CameraFormat

# How often the link is set up again, without a byte of progress between, before it is given up.
RECONNECTS: Final = 8

_T = TypeVar("_T")
_Response = TypeVar("_Response", bound=m.Message)

_POWER_HINT: Final = "a weak cable or hub browns the board out; try another"


class LayersLost(LinkError):  # noqa: N818
    """The board has not what it should have kept of an inference's layers."""


class Device:
    """A board whose firmware answers. Made by :meth:`connect`; a context manager that closes its port."""

    def __init__(self, transport: Transport, *, reconnect: bool = True, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        """Does not talk yet; use :meth:`connect`."""
        self._jobs = Jobs()
        self._channel = Channel(transport, timeouts, self._jobs.take)
        self._reconnect = reconnect
        self._info: DeviceInfo | None = None
        self._preparation: m.Prepare | None = None
        self.live = False
        """The live mode is on (:class:`vww_deploy.link.camera.DeviceCamera`): the board takes no pictures."""

    @classmethod
    def connect(
        cls,
        transport: Transport,
        *,
        on_console: Listener | None = None,
        reconnect: bool = True,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> Self:
        """Greets the board behind ``transport``.

        Args:
            on_console: as :meth:`hearing` has it, from the greeting on for as long as the port is open.
            reconnect: go on with a board that restarted or whose port came back; else both are a LinkError at once.
            timeouts: of every wait.

        Raises:
            ProtocolMismatch: the firmware speaks another version.
            LinkError: nothing answers, or something else than this firmware does.
        """
        device = cls(transport, reconnect=reconnect, timeouts=timeouts)
        if on_console is not None:
            device._channel.hear(on_console)
        try:
            device._retry_on_reconnect(device._greet)
        except BaseException:
            transport.close()
            raise
        return device

    @property
    def info(self) -> DeviceInfo:
        """What the board said when it was greeted."""
        assert self._info is not None
        return self._info

    @property
    def port(self) -> str:
        """The port's name."""
        return self._channel.port

    @property
    def link(self) -> LinkStats:
        """What the link had to do so far."""
        return self._channel.stats

    def close(self) -> None:
        """Gives the port back; harmless when it is closed."""
        self._channel.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what a board can be asked ------------------------------------------------------------------------------------

    def infer(self, image: npt.NDArray[np.int8]) -> Inference:
        """Runs the model on ``image``, int8 [height, width, channels]."""
        return next(iter(self.infer_many([image])))

    def infer_many(self, images: Iterable[npt.NDArray[np.int8]]) -> Iterator[Inference]:
        """Results of ``images`` in order; with a second input buffer the next upload overlaps the inference."""
        return self._run_all(self._jobs.new(self._bytes_of(image)) for image in images)

    def prepare(self, table: npt.NDArray[np.int8], *, crop: bool) -> None:
        """Tells the board how to turn camera pictures into the model's input, now and after every restart.

        Args:
            table: int8 [256], the model's value of each pixel value.
            crop: cut the largest centred part of the model's aspect ratio first.

        Raises:
            LinkError: this firmware takes no camera pictures.
        """
        if m.Feature.FRAMES not in self.info.features:
            raise LinkError(f"{self.port}: this firmware takes no camera pictures", hint="flash it again")
        self._preparation = m.Prepare(int(crop), table.tobytes())
        self.request(self._preparation, m.Prepared)

    def infer_raw(self, pictures: Iterable[bytes], camera_format: CameraFormat) -> Iterator[Inference]:
        """Results of pictures in a camera's format, which the board preprocesses: see :meth:`prepare`."""
        return self._run_all(self._jobs.new(data, format=camera_format) for data in pictures)

    def layer_digests(self, image: npt.NDArray[np.int8]) -> list[int]:
        """A digest of each layer's output for ``image``, in the compiler's order of layers."""
        return self._layers(image, m.InferFlag.DIGESTS, m.LayerKind.DIGESTS)

    def layer_ticks(self, image: npt.NDArray[np.int8]) -> list[int]:
        """Ticks of each layer for ``image``."""
        return self._layers(image, m.InferFlag.TICKS, m.LayerKind.TICKS)

    def stats(self) -> m.Stats:
        """The board's own counters."""
        return self.request(m.GetStats(), m.Stats)

    def request(self, message: m.Message, response: type[_Response]) -> _Response:
        """Any request that may be repeated without harm, through restarts of the board too."""
        return self._retry_on_reconnect(lambda: self._channel.request(message, response))

    def reset(self) -> None:
        """Restarts the board and greets it again."""
        with contextlib.suppress(BoardRestarted, PortLost):
            self._channel.request(m.Reset(), m.ResetDone)
        self._retry_on_reconnect(self._greet)

    def type_line(self, line: str) -> None:
        """Types ``line`` into the board's text console; what it prints comes to those who are :meth:`hearing`."""
        self._retry_on_reconnect(lambda: self._channel.send_bytes(line.encode() + b"\n"))

    def hearing(self, listener: Listener) -> AbstractContextManager[None]:
        """Within the block ``listener`` is called with each line of console text that the board sends; so is every
        other one."""
        return hearing(self._channel, listener)

    def poll(self, duration_s: float) -> None:
        """Listens for console text for ``duration_s`` seconds."""
        deadline = time.monotonic() + duration_s

        def listen() -> None:
            while (left := deadline - time.monotonic()) > 0:
                self._channel.listen(left)

        self._retry_on_reconnect(listen)

    # -- pictures -----------------------------------------------------------------------------------------------------

    def _bytes_of(self, image: npt.NDArray[np.int8]) -> bytes:
        if image.dtype != np.int8 or image.shape != self.info.input_shape:
            raise DataError(
                f"the board's model takes int8 {list(self.info.input_shape)}, not {image.dtype} {list(image.shape)}"
            )
        return image.tobytes()

    def _run_all(self, jobs: Iterable[PictureJob]) -> Iterator[Inference]:
        ahead = m.Feature.STAGED_INPUT in self.info.features
        running: PictureJob | None = None
        for job in jobs:
            if running is not None and not ahead:
                yield self._finish(running)
                running = None
            self._start(job, running)
            if running is not None:
                yield self._finish(running)
            running = job
        if running is not None:
            yield self._finish(running)

    def _start(self, job: PictureJob, running: PictureJob | None) -> None:
        if self.live:
            raise LinkError(f"{self.port}: the board takes no pictures while its camera is live", hint="stop it first")
        self._retry_on_reconnect(lambda: self._jobs.start(self._channel, self.info, job, running))

    def _finish(self, job: PictureJob) -> Inference:
        try:
            result = self._retry_on_reconnect(lambda: self._jobs.result(self._channel, self.info, job))
        finally:
            self._jobs.forget(job)
        stages = (("inference", result.ticks),)
        return self.info.inference(self.port, job.id, result.outputs, result.ticks, retries=job.retries, stages=stages)

    def _layers(self, image: npt.NDArray[np.int8], flag: m.InferFlag, kind: m.LayerKind) -> list[int]:
        if m.Feature.LAYERS not in self.info.features:
            raise LinkError(f"{self.port}: this firmware keeps nothing of single layers", hint="flash it again")
        for _ in range(RECONNECTS):
            job = self._jobs.new(self._bytes_of(image), flags=int(flag))
            self._start(job, None)
            self._finish(job)
            values = self._values(job.id, kind)
            if values is not None:
                return values
        raise LayersLost(f"{self.port}: the board loses what it kept of its layers", hint=RESET_HINT)

    def _values(self, inference: int, kind: m.LayerKind) -> list[int] | None:
        values: list[int] = []
        while True:
            answer = self.request(m.Layers(inference, int(kind), len(values)), m.Values)
            if answer.total != self.info.layers:
                return None
            values += struct.unpack(f"<{len(answer.values) // 4}I", answer.values[: len(answer.values) // 4 * 4])
            if len(values) >= answer.total or len(answer.values) < 4:
                return values if len(values) == answer.total else None

    # -- the link -----------------------------------------------------------------------------------------------------

    def _retry_on_reconnect(self, action: Callable[[], _T]) -> _T:
        """Runs ``action``; when the board restarts or its port vanishes, connects again and runs it once more."""
        channel, jobs = self._channel, self._jobs
        channel.count_silence_from_now()
        failures = 0
        progress = jobs.progress
        while True:
            try:
                if failures:
                    self._greet()
                return action()
            except (BoardRestarted, PortLost) as failure:
                restarted = isinstance(failure, BoardRestarted)
                trace.log.info("%s: %s", self.port, "the board restarted" if restarted else failure)
                if not self._reconnect:
                    if isinstance(failure, PortLost):
                        raise failure.error from failure
                    raise LinkError(f"{self.port}: the board restarted", hint=_POWER_HINT) from None
                failures = failures + 1 if jobs.progress == progress else 1
                progress = jobs.progress
                if isinstance(failure, BoardRestarted):
                    self.link.resets += 1
                    if failures > RECONNECTS:
                        raise LinkError(f"{self.port}: the board keeps restarting", hint=_POWER_HINT) from None
                    continue
                self.link.reconnects += 1
                if failures > RECONNECTS:
                    raise failure.error from failure
                if failures > 1 and self._info is not None:
                    # A restarted board has nothing of the picture, but this one keeps every piece that gets through.
                    jobs.piece.shrink(self._info.chunk_bytes)
                channel.reopen()

    def _greet(self) -> None:
        """Greets the board, which must be the one that it was."""
        self._jobs.forget_answers()
        info = DeviceInfo.of(self._channel.greet(), self.port)
        if self._info is not None and self._info.model_sha256 != info.model_sha256:
            raise ProtocolMismatch(
                f"{self.port}: the board runs another model than before",
                hint="somebody has flashed it meanwhile: connect again",
            )
        self._info = info
        if self._preparation is not None:
            self._channel.request(self._preparation, m.Prepared)
