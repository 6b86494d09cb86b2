"""The client: a board that runs a model, as a Python object (docs/protocol.md, "The host's side").

Every wait ends: a lost request or answer is asked for again, a board that restarted is greeted and given its picture
again, and a board that stays silent becomes a :class:`LinkError`.
"""

from __future__ import annotations

import contextlib
import secrets
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self, TypeVar

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError, LinkError, ProtocolMismatch
from vww_deploy.link import messages as m
from vww_deploy.link import trace
from vww_deploy.link.frames import PROTOCOL_VERSION, Broken, Decoder, Frame, Text, encode_frame
from vww_deploy.link.transport import PortStuck, Transport
from vww_deploy.pictures.camera_format import CameraFormat

# A request without inference is answered within a few ms on any board once it has gone over the line; 0.5 s leaves room
# for a busy host. On a line that loses nothing the host then only knocks, and sends again what is lost for certain.
ANSWER_TIMEOUT_S: Final = 0.5
# While the board infers it answers between layers or, without a second input buffer, only afterwards.
BUSY_TIMEOUT_S: Final = 2.0
# The first answer of a board that may still be starting, or may first have to be woken from a half-sent frame.
HELLO_TIMEOUT_S: Final = 5.0
# No answer at all for so long, whatever is asked: the board is gone or hangs.
SILENCE_TIMEOUT_S: Final = 15.0
# An inference of the slowest model on the slowest board takes a few seconds; the emulator on a loaded host is slower.
INFERENCE_TIMEOUT_S: Final = 120.0
# Without an answer the next wait is twice as long, up to this: what is asked again at once makes a slow line slower.
LONGEST_ANSWER_TIMEOUT_S: Final = 4.0
# Pieces of a picture whose answers need not have come before the next picture follows: few, for its answers come later
# still.
ANSWERS_AHEAD: Final = 2
# No byte of a picture that the board had not had before, though it answers: it is as good as silent.
UPLOAD_TIMEOUT_S: Final = 120.0
# A model's input has some ten thousand bytes; what a board says is no reason to fill the memory.
MAX_INPUT_BYTES: Final = 1 << 24
# The largest models have some hundred layers.
MAX_LAYERS: Final = 4096
# More than a day on any clock, and a number that every store and program can hold.
MAX_TICKS: Final = 1 << 53
# How often a link that fails is mended, without a byte of progress between, before it is given up.
RECONNECTS: Final = 8
# The picture goes in pieces of what the board takes; on a bad line they shrink to this, for small ones come through.
SMALLEST_PIECE_BYTES: Final = 64

_T = TypeVar("_T")
_Response = TypeVar("_Response", bound=m.Message)

_RESET_HINT: Final = "press the board's reset button; when that does not help, flash it again"
_POWER_HINT: Final = "a weak cable or hub browns the board out; try another"

_CLOCK_NAMES: Final = {m.Clock.INSTRUCTIONS: "instructions", m.Clock.CYCLES: "cycles", m.Clock.MICROS: "micros"}


@dataclass(frozen=True)
class DeviceInfo:
    """What the board says of itself, its firmware and its model."""

    protocol_version: int
    schema_hash: int
    board: str
    firmware_version: str
    model_sha256: str
    height: int
    width: int
    channels: int
    input_scale: float
    input_zero_point: int
    outputs: int
    output_scale: float
    output_zero_point: int
    clock: str
    """What ticks count: ``instructions``, ``cycles`` or ``micros``."""
    clock_hz: int
    chunk_bytes: int
    window: int
    layers: int
    features: m.Feature

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        return self.height, self.width, self.channels

    def microseconds(self, ticks: int) -> int | None:
        """What the device's clock measured; None where it counts instructions, which are no time."""
        return None if self.clock == "instructions" else ticks * 1_000_000 // self.clock_hz


@dataclass(frozen=True)
class Inference:
    """One picture's result."""

    id: int
    output: npt.NDArray[np.int8]
    """int8 [outputs], as the model gives them."""
    ticks: int
    """Of the device's ``clock``, in the engine alone."""
    clock: str
    latency_us: int | None
    """``ticks`` in microseconds; None on a board that counts instructions instead of measuring time."""
    retries: int
    """Requests that had to be sent again for this picture."""
    stages: dict[str, int] = field(default_factory=dict)
    """Ticks by stage."""


@dataclass
class LinkStats:
    """What the link had to do, as the host saw it."""

    frames: int = 0
    bad_frames: int = 0
    retries: int = 0
    reconnects: int = 0
    resets: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


class _Restarted(Exception):  # noqa: N818
    """The board started again since it was greeted."""


class _PortLost(Exception):  # noqa: N818
    """The port failed; connecting again may mend it."""

    def __init__(self, error: LinkError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass
class _Job:
    """A picture under way."""

    id: int
    data: bytes
    flags: int = 0
    frame: CameraFormat | None = None
    """Of a camera frame, which the board preprocesses; None for the model's input itself."""
    retries: int = 0
    received: int = 0
    """The most bytes of it that the board has had at once."""
    asked_at: float = 0.0
    """When its inference was last asked for, by the host's clock."""

    @property
    def crc(self) -> int:
        return zlib.crc32(self.data)


class Device:
    """A board whose firmware answers. Made by :meth:`connect`; a context manager that closes its port."""

    def __init__(self, transport: Transport, *, expect_model: str | None = None) -> None:
        """Does not talk yet; use :meth:`connect`."""
        self._transport = transport
        self._expect_model = expect_model
        self._expect_name = ""
        self._decoder = Decoder()
        self._sequence = secrets.randbelow(1 << 16)
        self._next_id = secrets.randbelow(1 << 31) + 1
        self._session = 0
        self._answers: dict[int, m.Message] = {}
        self._jobs: set[int] = set()
        self._results: dict[int, m.Result] = {}
        self._acks: dict[int, m.Ack] = {}
        self._last_heard = time.monotonic()
        self._piece = 0  # bytes of a picture in one message; 0: as many as the board takes
        self._progress = 0  # goes up with each piece that the board had not had before
        self._through_at = 0.0  # when the line has carried all that was sent
        self._greeted_at = 0.0
        self._info: DeviceInfo | None = None
        self.link = LinkStats()
        self.on_console: Callable[[str], None] | None = None
        """Called with each line of console text that the board sends."""
        self.live = False
        """The live mode is on (:class:`vww_deploy.link.camera.DeviceCamera`): the board takes no pictures."""
        self._reconnect = True
        self._preparation: m.Prepare | None = None
        self._console = bytearray()
        self._last_line = ""

    @classmethod
    def connect(
        cls,
        transport: Transport,
        *,
        expect_model: str | None = None,
        expect_name: str = "",
        on_console: Callable[[str], None] | None = None,
        reconnect: bool = True,
    ) -> Self:
        """Greets the board behind ``transport``.

        Args:
            expect_model: SHA-256 in hex of the ``.tflite`` that must be on the board.
            expect_name: what to call that model in errors.
            on_console: see the attribute; given here, it is told what the board prints while it is greeted, too.
            reconnect: go on with a board that restarted or whose port came back; else both are a LinkError at once.

        Raises:
            ProtocolMismatch: the firmware speaks another version, or has another model.
            LinkError: nothing answers, or something else than this firmware does.
        """
        device = cls(transport, expect_model=expect_model)
        device._expect_name = expect_name
        device.on_console = on_console
        device._reconnect = reconnect
        try:
            device._mended(device._greet)
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
        return self._transport.name

    def close(self) -> None:
        """Gives the port back; harmless when it is closed."""
        self._transport.close()

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
        return self._run_all(_Job(self._new_id(), self._bytes_of(image)) for image in images)

    def prepare(self, table: npt.NDArray[np.int8], *, crop: bool) -> None:
        """Tells the board how to turn camera frames into the model's input, now and after every restart.

        Args:
            table: int8 [256], the model's value of each pixel value.
            crop: cut the largest centred part of the model's aspect ratio first.

        Raises:
            LinkError: this firmware takes no camera frames.
        """
        if m.Feature.FRAMES not in self.info.features:
            raise LinkError(f"{self.port}: this firmware takes no camera frames", hint="flash it again")
        self._preparation = m.Prepare(int(crop), table.tobytes())
        self.request(self._preparation, m.Prepared)

    def infer_frames(self, frames: Iterable[bytes], frame: CameraFormat) -> Iterator[Inference]:
        """Results of camera frames, each ``frame.bytes`` long, preprocessed by the board: see :meth:`prepare`."""
        return self._run_all(_Job(self._new_id(), data, frame=frame) for data in frames)

    def request(self, message: m.Message, response: type[_Response]) -> _Response:
        """Any request that may be repeated without harm, through restarts of the board too."""
        return self._mended(lambda: self._request(message, response))

    def _run_all(self, jobs: Iterable[_Job]) -> Iterator[Inference]:
        ahead = m.Feature.STAGED_INPUT in self.info.features
        running: _Job | None = None
        for job in jobs:
            if running is not None and not ahead:
                yield self._finish(running)
                running = None
            self._mended(lambda job=job, running=running: self._upload_and_start(job, running))  # type: ignore[misc]
            if running is not None:
                yield self._finish(running)
            running = job
        if running is not None:
            yield self._finish(running)

    def layer_digests(self, image: npt.NDArray[np.int8]) -> list[int]:
        """A digest of each layer's output for ``image``, in the compiler's order of layers."""
        return self._layers(image, m.InferFlag.DIGESTS, m.LayerKind.DIGESTS)

    def layer_ticks(self, image: npt.NDArray[np.int8]) -> list[int]:
        """Ticks of each layer for ``image``."""
        return self._layers(image, m.InferFlag.TICKS, m.LayerKind.TICKS)

    def stats(self) -> m.Stats:
        """The board's own counters."""
        return self._mended(lambda: self._request(m.GetStats(), m.Stats))

    def reset(self) -> None:
        """Restarts the board and greets it again."""
        with contextlib.suppress(_Restarted, _PortLost):
            self._request(m.Reset(), m.ResetDone)
        self._mended(self._greet)

    def type_line(self, line: str) -> None:
        """Types ``line`` into the board's text console; what it prints comes through :attr:`on_console`."""
        self._mended(lambda: self._send(line.encode() + b"\n"))

    def poll(self, duration_s: float) -> None:
        """Listens for console text for ``duration_s`` seconds."""
        deadline = time.monotonic() + duration_s

        def listen() -> None:
            while (left := deadline - time.monotonic()) > 0:
                self._listen(left)

        self._mended(listen)

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def _new_id(self) -> int:
        self._next_id = self._next_id % 0xFFFFFFFF + 1
        return self._next_id

    def _bytes_of(self, image: npt.NDArray[np.int8]) -> bytes:
        if image.dtype != np.int8 or image.shape != self.info.input_shape:
            raise DataError(
                f"the board's model takes int8 {list(self.info.input_shape)}, not {image.dtype} {list(image.shape)}"
            )
        return image.tobytes()

    def _upload_and_start(self, job: _Job, running: _Job | None) -> None:
        if self.live:
            raise LinkError(f"{self.port}: the board takes no pictures while its camera is live", hint="stop it first")
        self._jobs.add(job.id)
        self._upload(job, running)

    def _ask(self, job: _Job) -> None:
        result = self._results.get(job.id)
        if result is not None and result.status != m.Status.OK:
            # The answer to an earlier question, whose picture had not come through.
            del self._results[job.id]
        self._send_message(m.Infer(job.id, job.crc, job.flags))
        job.asked_at = self._through_at

    def _upload(self, job: _Job, running: _Job | None) -> None:
        """Uploads ``job`` and asks for its inference, while ``running`` may be under way on the board.

        The question follows the last piece at once, and on a line that loses nothing the next picture follows that: a
        wait for the last answers would leave the line idle. Should a piece have been lost after all, the board says
        that it lacks the picture.

        On a line that loses nothing a wait that grows long is no loss: the host knocks. Once that is answered, all that
        was sent before has been read, and what has no answer was lost in a restart.
        """
        window, size = self.info.window, len(job.data)
        if job.frame is not None:
            begin = m.BeginFrame(job.id, job.frame.width, job.frame.height, int(job.frame.pixels))
            total = self._request(begin, m.FrameBegun).total
            if not total or total != size:
                raise LinkError(f"{self.port}: the board cannot take frames of {job.frame}")
        acked = sent = most = 0
        went_back_to = -1
        timeouts = 0
        asked = False
        knocks: set[int] = set()
        self._acks.pop(job.id, None)
        last_progress = last_new = time.monotonic()
        while True:
            if time.monotonic() - last_new > UPLOAD_TIMEOUT_S:
                raise LinkError(f"{self.port}: the board answers and does not take the picture", hint=_RESET_HINT)
            piece = min(self._piece or self.info.chunk_bytes, self.info.chunk_bytes)
            while sent < size and sent - acked < window * piece:
                self._send_message(m.Write(job.id, sent, job.data[sent : sent + piece]))
                sent = min(sent + piece, size)
            if sent == size and not asked:
                self._ask(job)
                asked = True
            expected_lost = piece < self.info.chunk_bytes or job.retries
            if acked == size or (asked and not expected_lost and size - acked <= ANSWERS_AHEAD * piece):
                return
            busy = running is not None and running.id not in self._results
            patience = min((BUSY_TIMEOUT_S if busy else ANSWER_TIMEOUT_S) * 2**timeouts, LONGEST_ANSWER_TIMEOUT_S)
            begun = max(last_progress, self._through_at)
            waited = time.monotonic() - begun
            if waited < patience:
                self._listen(patience - waited)
            ack = self._acks.pop(job.id, None)
            if ack is not None and ack.received != acked:
                if ack.received > acked:
                    self._piece = piece + piece // 8
                if ack.received > job.received:
                    job.received = ack.received
                    self._progress += 1
                acked = min(ack.received, size)
                if acked > most:
                    most, last_new = acked, time.monotonic()
                sent = max(sent, acked)
                timeouts = 0
                last_progress = time.monotonic()
                self._through_at = min(
                    self._through_at, last_progress + (sent - acked) / self._transport.line.bytes_per_s
                )
                continue
            # An answer without progress: the piece at `acked` was lost, what came after it is of no use. Every later
            # piece of the window brings the same answer, so go back only once for each; after that only when nothing
            # comes for too long.
            lost = ack is not None and went_back_to != acked
            silent = time.monotonic() - begun >= patience
            if self._transport.line.lossless and not lost:
                lost = not knocks.isdisjoint(self._answers)
                if silent and not lost:
                    self._check_silence()
                    knocks.add(self._send_message(m.GetStats()))
                    last_progress = time.monotonic()
                    continue
            if lost or silent:
                self._check_silence()
                self._count_retry(job)
                timeouts += silent
                self._shrink_pieces()
                went_back_to = sent = acked
                asked = False
                knocks.clear()
                last_progress = time.monotonic()

    def _shrink_pieces(self) -> None:
        whole = self.info.chunk_bytes
        self._piece = max(min(self._piece or whole, whole) // 2, SMALLEST_PIECE_BYTES)

    def _count_retry(self, job: _Job) -> None:
        job.retries += 1
        self.link.retries += 1

    def _finish(self, job: _Job) -> Inference:
        """Waits for the result of ``job``, uploading it again when the board has lost it."""
        try:
            return self._mended(lambda: self._result(job))
        finally:
            self._jobs.discard(job.id)

    def _result(self, job: _Job) -> Inference:
        deadline = time.monotonic() + INFERENCE_TIMEOUT_S
        while True:
            result = self._results.pop(job.id, None)
            if result is not None and result.status == m.Status.OK:
                break
            if result is not None:
                self._count_retry(job)
                self._upload(job, None)
            now = time.monotonic()
            if now > deadline:
                raise LinkError(f"{self.port}: no result after {INFERENCE_TIMEOUT_S:.0f} s", hint=_RESET_HINT)
            if now - job.asked_at > BUSY_TIMEOUT_S or job.asked_at < self._greeted_at:
                if not self._transport.line.lossless:
                    self._count_retry(job)
                self._check_silence()
                self._ask(job)
            self._listen(min(BUSY_TIMEOUT_S, deadline - now))
        output = np.frombuffer(result.outputs, np.int8).copy()
        if len(output) != self.info.outputs:
            raise LinkError(f"{self.port}: {len(output)} outputs instead of {self.info.outputs}")
        if result.ticks > MAX_TICKS:
            said = f"the board says that an inference took {result.ticks:,} ticks"
            raise LinkError(f"{self.port}: {said}", hint=_RESET_HINT)
        return Inference(
            id=job.id,
            output=output,
            ticks=result.ticks,
            clock=self.info.clock,
            latency_us=self.info.microseconds(result.ticks),
            retries=job.retries,
            stages={"inference": result.ticks},
        )

    def _layers(self, image: npt.NDArray[np.int8], flag: m.InferFlag, kind: m.LayerKind) -> list[int]:
        if m.Feature.LAYERS not in self.info.features:
            raise LinkError(f"{self.port}: this firmware keeps nothing of single layers", hint="flash it again")
        for _ in range(RECONNECTS):
            job = _Job(self._new_id(), self._bytes_of(image), int(flag))
            self._mended(lambda job=job: self._upload_and_start(job, None))  # type: ignore[misc]
            self._finish(job)
            values = self._mended(lambda job=job: self._values(job.id, kind))  # type: ignore[misc]
            if values is not None:
                return values
        raise LinkError(f"{self.port}: the board loses what it kept of its layers", hint=_RESET_HINT)

    def _values(self, inference: int, kind: m.LayerKind) -> list[int] | None:
        values: list[int] = []
        while True:
            answer = self._request(m.Layers(inference, int(kind), len(values)), m.Values)
            if answer.total != self.info.layers:
                return None
            values += struct.unpack(f"<{len(answer.values) // 4}I", answer.values[: len(answer.values) // 4 * 4])
            if len(values) >= answer.total or len(answer.values) < 4:
                return values

    # -- the link -----------------------------------------------------------------------------------------------------

    def _mended(self, action: Callable[[], _T]) -> _T:
        """Runs ``action``; when the board restarts or its port vanishes, connects again and runs it once more."""
        self._last_heard = time.monotonic()
        failures = 0
        progress = self._progress
        while True:
            try:
                if failures:
                    self._greet()
                return action()
            except (_Restarted, _PortLost) as failure:
                restarted = isinstance(failure, _Restarted)
                trace.log.info("%s: %s", self.port, "the board restarted" if restarted else failure)
                if not self._reconnect:
                    if isinstance(failure, _PortLost):
                        raise failure.error from failure
                    raise LinkError(f"{self.port}: the board restarted", hint=_POWER_HINT) from None
                failures = failures + 1 if self._progress == progress else 1
                progress = self._progress
                if isinstance(failure, _Restarted):
                    self.link.resets += 1
                    if failures > RECONNECTS:
                        raise LinkError(f"{self.port}: the board keeps restarting", hint=_POWER_HINT) from None
                else:
                    self.link.reconnects += 1
                    if failures > RECONNECTS:
                        raise failure.error from failure
                    if failures > 1 and self._info is not None:
                        # A restarted board has nothing of the picture, but this one keeps every piece that gets
                        # through.
                        self._shrink_pieces()
                    self._transport.reopen()
                    self._through_at = 0.0
                    self._decoder = Decoder()

    def _greet(self) -> None:
        """Says hello until the board answers, and checks that it is the right one."""
        self._session = secrets.randbelow((1 << 32) - 1) + 1
        self._greeted_at = 0.0
        self._results.clear()
        self._acks.clear()
        # Closes a frame that somebody left unfinished.
        self._send(b"\0")
        hello = m.Hello(PROTOCOL_VERSION, m.SCHEMA_HASH, self._session)
        info = self._request(hello, m.Info, timeout_s=HELLO_TIMEOUT_S)
        if info.version != PROTOCOL_VERSION or info.schema != m.SCHEMA_HASH:
            raise _other_protocol(self.port, info.version)
        sha256 = info.model_sha256.hex()
        if self._expect_model is not None and sha256 != self._expect_model:
            from vww_deploy.graph import known  # here alone: the link needs no models

            raise ProtocolMismatch(
                f"{self.port}: the board runs {known.name_of(sha256)}, "
                f"not {self._expect_name or known.name_of(self._expect_model)}",
                hint=flash_hint(info.board),
            )
        makes_sense = info.clock in _CLOCK_NAMES and info.clock_hz and info.chunk and info.window and info.outputs
        large = info.height * info.width * info.channels > MAX_INPUT_BYTES or info.layers > MAX_LAYERS
        if not makes_sense or large:
            raise LinkError(f"{self.port}: the board describes itself in a way that makes no sense", hint=_RESET_HINT)
        self._info = DeviceInfo(
            protocol_version=info.version,
            schema_hash=info.schema,
            board=info.board,
            firmware_version=info.firmware,
            model_sha256=sha256,
            height=info.height,
            width=info.width,
            channels=info.channels,
            input_scale=info.input_scale,
            input_zero_point=info.input_zero_point,
            outputs=info.outputs,
            output_scale=info.output_scale,
            output_zero_point=info.output_zero_point,
            clock=_CLOCK_NAMES[m.Clock(info.clock)],
            clock_hz=info.clock_hz,
            chunk_bytes=info.chunk,
            window=info.window,
            layers=info.layers,
            features=m.Feature(info.features),
        )
        self._greeted_at = time.monotonic()
        if self._preparation is not None:
            self._request(self._preparation, m.Prepared)

    def _request(
        self, message: m.Message, response: type[_Response], timeout_s: float = SILENCE_TIMEOUT_S
    ) -> _Response:
        """Sends ``message`` until its answer comes; every request may be repeated without harm."""
        sequence = self._take_sequence()
        frame = encode_frame(message.TYPE, sequence, message.pack())
        deadline = max(time.monotonic(), self._through_at) + timeout_s
        while time.monotonic() < deadline:
            self._send(frame)
            again = min(deadline, self._through_at + ANSWER_TIMEOUT_S)
            while (left := again - time.monotonic()) > 0:
                self._listen(left)
                answer = self._answers.pop(sequence, None)
                if isinstance(answer, response):
                    self._through_at = min(self._through_at, time.monotonic())
                    return answer
            if not self._transport.line.lossless:
                self.link.retries += 1
        return self._silent()

    def _take_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._sequence

    def _send_message(self, message: m.Message) -> int:
        """Returns the sequence number, which the answer has as well."""
        sequence = self._take_sequence()
        self._send(encode_frame(message.TYPE, sequence, message.pack()))
        return sequence

    def _send(self, data: bytes) -> None:
        try:
            self._transport.write(data)
        except PortStuck:
            # What the board did not take is lost like any other frame and is sent again, until silence ends the wait.
            self._check_silence()
        except LinkError as error:
            raise _PortLost(error) from error
        self.link.bytes_sent += len(data)
        self._through_at = max(self._through_at, time.monotonic()) + len(data) / self._transport.line.bytes_per_s
        trace.sent(self.port, data)

    def _listen(self, timeout_s: float) -> None:
        """Takes in what comes within ``timeout_s``; returns after the first bytes."""
        try:
            data = self._transport.read(timeout_s)
        except LinkError as error:
            raise _PortLost(error) from error
        self.link.bytes_received += len(data)
        for event in self._decoder.feed(data):
            trace.received(self.port, event)
            if isinstance(event, Text):
                self._on_text(event.data)
            elif isinstance(event, Broken):
                self.link.bad_frames += 1
            else:
                self.link.frames += 1
                self._last_heard = time.monotonic()
                self._on_frame(event)

    def _on_text(self, data: bytes) -> None:
        self._console += data
        *lines, rest = self._console.split(b"\n")
        # A line without end is no reason to fill the memory.
        self._console = rest[-4096:]
        for line in lines:
            self._last_line = m.printable(line)
            if self.on_console is not None:
                self.on_console(self._last_line)

    def _on_frame(self, frame: Frame) -> None:
        if frame.version != PROTOCOL_VERSION:
            raise _other_protocol(self.port, frame.version)
        kind = m.BY_TYPE.get(frame.type)
        if kind is None:
            return
        try:
            message = kind.unpack(frame.payload)
        except m.BadMessageError:
            # Another schema may have another Info, whose beginning is the same in all of them.
            if kind is m.Info and frame.payload[:5] != struct.pack("<BI", PROTOCOL_VERSION, m.SCHEMA_HASH):
                raise _other_protocol(self.port, None) from None
            self.link.bad_frames += 1
            return
        if isinstance(message, m.Refused):
            if message.code == m.ErrorCode.VERSION:
                raise _other_protocol(self.port, None)
            raise LinkError(f"{self.port}: the board refused a request: {message.text}", hint=_RESET_HINT)
        session = getattr(message, "session", self._session)
        if session != self._session:
            # While it is being greeted a board may still answer what another host asked.
            if session == 0 and self._greeted_at > 0:
                raise _Restarted
            return
        if isinstance(message, m.Ack):
            if message.id in self._jobs:
                self._acks[message.id] = message
        elif isinstance(message, m.Result):
            if message.id in self._jobs:
                self._results[message.id] = message
        else:
            self._answers = {frame.sequence: message}

    def _check_silence(self) -> None:
        if time.monotonic() - self._last_heard > SILENCE_TIMEOUT_S:
            self._silent()

    def _silent(self) -> NoReturn:
        if self._info is not None:
            raise LinkError(f"{self.port}: the board does not answer any more", hint=_RESET_HINT)
        said = m.printable(self._console).strip() or self._last_line
        if said or self.link.bad_frames:
            raise LinkError(
                f"{self.port}: something else than vww-deploy's firmware answers"
                + (f": {said[:60]!r}" if said else ""),
                hint="`vww-deploy flash MODEL --board BOARD` puts the firmware on the board",
            )
        raise LinkError(
            f"{self.port}: nothing answers",
            hint="`vww-deploy boards` shows the ports; `vww-deploy flash MODEL --board BOARD` puts the firmware there",
        )


def flash_hint(board: str) -> str:
    """What puts a model on the board that calls itself so; "arduino" is one with the library for the Arduino IDE."""
    if board == "arduino":
        return "`vww-deploy compile MODEL --arduino-library OUT.zip`, then upload its example SerialPictures"
    return f"`vww-deploy flash MODEL --board {board}` puts the model on it"


def _other_protocol(port: str, version: int | None) -> ProtocolMismatch:
    theirs = "another protocol version" if version is None else f"protocol version {version}"
    return ProtocolMismatch(
        f"{port}: the firmware speaks {theirs}, or its messages differ; this side speaks version {PROTOCOL_VERSION}",
        hint="`vww-deploy flash MODEL --board BOARD` puts the firmware of this vww-deploy on the board",
    )
