"""Pictures under way: uploaded, their inference asked for, the result waited for."""

from __future__ import annotations

import secrets
import time
import zlib
from dataclasses import dataclass
from typing import Final

from vww_deploy.errors import LinkError
from vww_deploy.link import messages as m
from vww_deploy.link.channel import RESET_HINT, Channel
from vww_deploy.link.info import DeviceInfo
from vww_deploy.link.upload import Next, PieceSize, Upload
from vww_deploy.pictures.camera_format import CameraFormat


@dataclass
class PictureJob:
    """A picture under way."""

    id: int
    data: bytes
    flags: int = 0
    format: CameraFormat | None = None
    """Of a camera picture, which the board preprocesses; None for the model's input itself."""
    retries: int = 0
    received: int = 0
    """The most bytes of it that the board has had at once."""
    asked_at: float = 0.0
    """When its inference was last asked for, by the host's clock."""

    @property
    def crc(self) -> int:
        """Of the data: the board runs nothing else."""
        return zlib.crc32(self.data)


class Jobs:
    """The pictures that a board was given and whose results are still to come."""

    def __init__(self) -> None:
        self.progress = 0
        """Goes up with each piece of a picture that the board had not had before."""
        self.piece: Final = PieceSize()
        self._next_id = secrets.randbelow(1 << 31) + 1
        self._waiting: set[int] = set()
        self._results: dict[int, m.Result] = {}
        self._acks: dict[int, m.Ack] = {}

    def new(self, data: bytes, *, flags: int = 0, format: CameraFormat | None = None) -> PictureJob:
        """A picture that the board has not had."""
        self._next_id = self._next_id % 0xFFFFFFFF + 1
        return PictureJob(self._next_id, data, flags, format)

    def take(self, message: m.Ack | m.Result) -> None:
        """What the board says of a picture; of one that nobody waits for it is dropped."""
        if message.id not in self._waiting:
            return
        if isinstance(message, m.Ack):
            self._acks[message.id] = message
        else:
            self._results[message.id] = message

    def forget_answers(self) -> None:
        """The board is being greeted: what it said before is over."""
        self._results.clear()
        self._acks.clear()

    def forget(self, job: PictureJob) -> None:
        """Nobody waits for ``job`` any more."""
        self._waiting.discard(job.id)

    def start(self, channel: Channel, info: DeviceInfo, job: PictureJob, running: PictureJob | None) -> None:
        """Uploads ``job`` and asks for its inference, while ``running`` may be under way on the board.

        Raises:
            LinkError: the board does not take it.
            BoardRestarted, PortLost: see :class:`Channel`.
        """
        self._waiting.add(job.id)
        if job.format is not None:
            begin = m.BeginFrame(job.id, job.format.width, job.format.height, int(job.format.pixels))
            total = channel.request(begin, m.FrameBegun).total
            if not total or total != len(job.data):
                raise LinkError(f"{channel.port}: the board cannot take pictures of {job.format}")
        self._acks.pop(job.id, None)
        line = channel.transport.line
        upload = Upload(
            job.data,
            self.piece,
            most=info.chunk_bytes,
            window=info.window,
            lossless=line.lossless,
            timeouts=channel.timeouts,
            now=time.monotonic(),
        )
        knocks: set[int] = set()
        while True:
            if upload.stuck(time.monotonic()):
                said = "the board answers and does not take the picture"
                raise LinkError(f"{channel.port}: {said}", hint=RESET_HINT)
            for offset, piece in upload.pieces():
                channel.send(m.Write(job.id, offset, piece))
            if upload.all_sent and not upload.asked:
                self._ask(channel, job)
                upload.asked = True
            if upload.done(retried=job.retries > 0):
                return
            busy = running is not None and running.id not in self._results
            deadline = upload.deadline(channel.carried_at, busy=busy)
            if (wait := deadline - time.monotonic()) > 0:
                channel.listen(wait)
            now = time.monotonic()
            ack = self._acks.pop(job.id, None)
            if ack is not None and ack.received > job.received:
                job.received = ack.received
                self.progress += 1
            received = None if ack is None else ack.received
            match upload.heard(received, silent=now >= deadline, knock_answered=channel.answered(knocks), now=now):
                case Next.GO_ON:
                    channel.carried_at = min(channel.carried_at, now + upload.under_way / line.bytes_per_s)
                case Next.KNOCK:
                    channel.check_silence()
                    knocks.add(channel.send(m.GetStats()))
                case Next.SEND_AGAIN:
                    channel.check_silence()
                    self._count_retry(channel, job)
                    knocks.clear()

    def result(self, channel: Channel, info: DeviceInfo, job: PictureJob) -> m.Result:
        """Waits for the result of ``job``; uploads it again when the board has lost it.

        Raises:
            LinkError: none comes.
            BoardRestarted, PortLost: see :class:`Channel`.
        """
        timeouts = channel.timeouts
        deadline = time.monotonic() + timeouts.inference_s
        while True:
            result = self._results.pop(job.id, None)
            if result is not None and result.status == m.Status.OK:
                return result
            if result is not None:
                self._count_retry(channel, job)
                self.start(channel, info, job, None)
            now = time.monotonic()
            if now > deadline:
                raise LinkError(f"{channel.port}: no result after {timeouts.inference_s:.0f} s", hint=RESET_HINT)
            if now - job.asked_at > timeouts.busy_s or job.asked_at < channel.greeted_at:
                if not channel.transport.line.lossless:
                    self._count_retry(channel, job)
                channel.check_silence()
                self._ask(channel, job)
            channel.listen(min(timeouts.busy_s, deadline - now))

    def _ask(self, channel: Channel, job: PictureJob) -> None:
        result = self._results.get(job.id)
        if result is not None and result.status != m.Status.OK:
            # The answer to an earlier question, whose picture had not come through.
            del self._results[job.id]
        channel.send(m.Infer(job.id, job.crc, job.flags))
        job.asked_at = channel.carried_at

    def _count_retry(self, channel: Channel, job: PictureJob) -> None:
        job.retries += 1
        channel.stats.retries += 1
