"""Requests and their answers over a transport, and what the board says between them (docs/protocol.md, "The host's
side")."""

from __future__ import annotations

import contextlib
import secrets
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from vww_deploy.errors import LinkError, ProtocolMismatch
from vww_deploy.link import messages as m
from vww_deploy.link import trace
from vww_deploy.link.frames import PROTOCOL_VERSION, Broken, Decoder, Frame, Text, encode_frame
from vww_deploy.link.transport import PortStuck, Transport

_Response = TypeVar("_Response", bound=m.Message)

Listener = Callable[[str], None]
"""Called with each line of console text that the board sends."""

RESET_HINT: Final = "press the board's reset button; when that does not help, flash it again"

_LONGEST_LINE: Final = 4096  # a line without end is no reason to fill the memory


@dataclass(frozen=True)
class Timeouts:
    """How long the host waits, in seconds; every wait ends."""

    answer_s: float = 0.5
    """For an answer. A request without inference is answered within a few ms on any board once it has gone over the
    line; the rest is room for a busy host. On a line that loses nothing the host then only asks whether the board is
    still there, and sends again what is lost for certain."""
    longest_answer_s: float = 4.0
    """Without an answer the next wait is twice as long, up to this: what is asked again at once makes a slow line
    slower."""
    busy_s: float = 2.0
    """While the board infers: it answers between layers or, without a second input buffer, only afterwards."""
    hello_s: float = 5.0
    """For the first answer of a board that may still be starting, or has to be woken from a half-sent frame."""
    silence_s: float = 15.0
    """No answer at all for so long, whatever is asked: the board is gone or hangs."""
    inference_s: float = 120.0
    """For a result. The slowest model on the slowest board takes a few seconds; the emulator on a loaded host is
    slower."""
    upload_s: float = 120.0
    """No byte of a picture that the board had not had before, though it answers: it is as good as silent."""


DEFAULT_TIMEOUTS: Final = Timeouts()


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


class BoardRestarted(Exception):  # noqa: N818
    """The board started again since it was greeted."""


class PortLost(Exception):  # noqa: N818
    """The port failed; opening it again may help."""

    def __init__(self, error: LinkError) -> None:
        super().__init__(str(error))
        self.error = error


class Channel:
    """The host's end of the link.

    Args:
        transport: to the board.
        timeouts: of every wait.
        on_picture: called with what the board says of pictures and their inferences, which nobody waits for one by one.
    """

    def __init__(
        self, transport: Transport, timeouts: Timeouts, on_picture: Callable[[m.Ack | m.Result], None]
    ) -> None:
        self.transport: Final = transport
        self.timeouts: Final = timeouts
        self.stats: Final = LinkStats()
        self.greeted_at = 0.0
        """When the board was greeted; 0 while it is being greeted."""
        self.carried_at = 0.0
        """When the line has carried all that was sent."""
        self._on_picture = on_picture
        self._decoder = Decoder()
        self._console = _Console()
        self._sequence = secrets.randbelow(1 << 16)
        self._session = 0
        self._answers: dict[int, m.Message] = {}
        self._last_heard = time.monotonic()
        self._answered = False

    @property
    def port(self) -> str:
        """The port's name."""
        return self.transport.name

    def hear(self, listener: Listener) -> None:
        """Has ``listener`` called with each line of console text, until :meth:`ignore`."""
        self._console.listeners.append(listener)

    def ignore(self, listener: Listener) -> None:
        """Ends what :meth:`hear` began."""
        self._console.listeners.remove(listener)

    def greet(self) -> m.Info:
        """Says hello until the board answers; from then on only answers to this greeting count.

        Raises:
            ProtocolMismatch: the firmware speaks another version or has other messages.
            LinkError: nothing answers, or something else than this firmware does.
        """
        self._session = secrets.randbelow((1 << 32) - 1) + 1
        self.greeted_at = 0.0
        self.send_bytes(b"\0")  # closes a frame that somebody left unfinished
        hello = m.Hello(PROTOCOL_VERSION, m.SCHEMA_HASH, self._session)
        info = self.request(hello, m.Info, self.timeouts.hello_s)
        if info.version != PROTOCOL_VERSION or info.schema != m.SCHEMA_HASH:
            raise _other_protocol(self.port, info.version)
        self.greeted_at = time.monotonic()
        self._answered = True
        return info

    def reopen(self) -> None:
        """Opens the port again; what was under way is lost."""
        self.transport.reopen()
        self.carried_at = 0.0
        self._decoder = Decoder()

    def request(self, message: m.Message, response: type[_Response], timeout_s: float | None = None) -> _Response:
        """Sends ``message`` until its answer comes; every request may be repeated without harm."""
        sequence = self._take_sequence()
        frame = encode_frame(message.TYPE, sequence, message.pack())
        limit = self.timeouts.silence_s if timeout_s is None else timeout_s
        deadline = max(time.monotonic(), self.carried_at) + limit
        while time.monotonic() < deadline:
            self.send_bytes(frame)
            again = min(deadline, self.carried_at + self.timeouts.answer_s)
            while (left := again - time.monotonic()) > 0:
                self.listen(left)
                answer = self._answers.pop(sequence, None)
                if isinstance(answer, response):
                    self.carried_at = min(self.carried_at, time.monotonic())
                    return answer
            if not self.transport.line.lossless:
                self.stats.retries += 1
        raise self._silence()

    def send(self, message: m.Message) -> int:
        """Sends ``message`` once; returns its sequence number, which the answer has as well."""
        sequence = self._take_sequence()
        self.send_bytes(encode_frame(message.TYPE, sequence, message.pack()))
        return sequence

    def answered(self, sequences: set[int]) -> bool:
        """Whether the newest answer is one to a message of these numbers."""
        return not sequences.isdisjoint(self._answers)

    def send_bytes(self, data: bytes) -> None:
        """Hands ``data`` to the line as it is.

        Raises:
            PortLost: the port failed.
            LinkError: the board has been silent for too long.
        """
        try:
            self.transport.write(data)
        except PortStuck:
            # What the board did not take is lost like any other frame and is sent again, until silence ends the wait.
            self.check_silence()
        except LinkError as error:
            raise PortLost(error) from error
        self.stats.bytes_sent += len(data)
        self.carried_at = max(self.carried_at, time.monotonic()) + len(data) / self.transport.line.bytes_per_s
        trace.sent(self.port, data)

    def listen(self, timeout_s: float) -> None:
        """Takes in what comes within ``timeout_s``; returns after the first bytes.

        Raises:
            BoardRestarted: the board started again since it was greeted.
            PortLost: the port failed.
            LinkError: the board refused a request, or speaks another protocol.
        """
        try:
            data = self.transport.read(timeout_s)
        except LinkError as error:
            raise PortLost(error) from error
        self.stats.bytes_received += len(data)
        for event in self._decoder.feed(data):
            trace.received(self.port, event)
            if isinstance(event, Text):
                self._console.feed(event.data)
            elif isinstance(event, Broken):
                self.stats.bad_frames += 1
            else:
                self.stats.frames += 1
                self._last_heard = time.monotonic()
                self._take(event)

    def count_silence_from_now(self) -> None:
        """Nothing was asked until now: the silence before says nothing about the board."""
        self._last_heard = time.monotonic()

    def check_silence(self) -> None:
        """Raises LinkError when the board has been silent for too long."""
        if time.monotonic() - self._last_heard > self.timeouts.silence_s:
            raise self._silence()

    def _take_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._sequence

    def _take(self, frame: Frame) -> None:
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
            self.stats.bad_frames += 1
            return
        if isinstance(message, m.Refused):
            if message.code == m.ErrorCode.VERSION:
                raise _other_protocol(self.port, None)
            raise LinkError(f"{self.port}: the board refused a request: {message.text}", hint=RESET_HINT)
        session = getattr(message, "session", self._session)
        if session != self._session:
            # While it is being greeted a board may still answer what another host asked.
            if session == 0 and self.greeted_at > 0:
                raise BoardRestarted
            return
        if isinstance(message, m.Ack | m.Result):
            self._on_picture(message)
        else:
            self._answers = {frame.sequence: message}

    def _silence(self) -> LinkError:
        """What to say of it."""
        if self._answered:
            return LinkError(f"{self.port}: the board does not answer any more", hint=RESET_HINT)
        said = self._console.said
        if said or self.stats.bad_frames:
            return LinkError(
                f"{self.port}: something else than vww-deploy's firmware answers"
                + (f": {said[:60]!r}" if said else ""),
                hint="`vww-deploy flash MODEL --board BOARD` puts the firmware on the board",
            )
        return LinkError(
            f"{self.port}: nothing answers",
            hint="`vww-deploy boards` shows the ports; `vww-deploy flash MODEL --board BOARD` puts the firmware there",
        )


class _Console:
    """Text between the frames, cut into lines."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self._rest = b""
        self._last_line = ""

    @property
    def said(self) -> str:
        """What was said last."""
        return m.printable(self._rest).strip() or self._last_line

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_LONGEST_LINE:]
        for line in lines:
            self._last_line = m.printable(line)
            for listener in tuple(self.listeners):
                listener(self._last_line)


@contextlib.contextmanager
def hearing(channel: Channel, listener: Listener) -> Iterator[None]:
    """Within the block ``listener`` is called with each line of console text."""
    channel.hear(listener)
    try:
        yield
    finally:
        channel.ignore(listener)


def _other_protocol(port: str, version: int | None) -> ProtocolMismatch:
    if version == PROTOCOL_VERSION:
        differs = f"speaks protocol version {version} as this side does, but its messages differ"
    elif version is None:
        differs = f"speaks another protocol than this side's version {PROTOCOL_VERSION}, or its messages differ"
    else:
        differs = f"speaks protocol version {version}, and this side {PROTOCOL_VERSION}"
    return ProtocolMismatch(
        f"{port}: the firmware {differs}",
        hint="`vww-deploy flash MODEL --board BOARD` puts the firmware of this vww-deploy on the board",
    )
