"""A bad line between host and board, on purpose: what goes wrong is seeded, what must not go wrong is tested.

:class:`FaultyTransport` wraps any transport. Without faults it can still keep a line's pace, so that a port without a
baud rate (the virtual board's, a socket) behaves as a wire does.

    transport = FaultyTransport(open_transport(port), Faults(rate=1e-4, seed=7))
    with Device.connect(transport) as device:
        ...
    print(transport.counts)
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from vww_deploy.errors import LinkError
from vww_deploy.link.transport import Line, Transport


class LineFault(StrEnum):
    """What can happen at a byte of the stream, in either direction."""

    FLIP = "flip"  # one bit of the byte
    DROP = "drop"  # the byte and up to three more
    HOLE = "hole"  # exactly 64 bytes: a USB packet that was overrun
    DUPLICATE = "duplicate"  # the last bytes once more
    GARBAGE = "garbage"  # random bytes come in between
    TEXT = "text"  # console text comes in between
    DELAY = "delay"  # a scheduler's hiccup
    THROTTLE = "throttle"  # some bytes come very slowly
    STALL = "stall"  # this direction stands still for long
    DISCONNECT = "disconnect"  # the port vanishes with what is under way, and comes back under another name
    RESET = "reset"  # the board starts again


ON_THE_LINE: Final = frozenset(LineFault) - {LineFault.RESET}
"""The faults that need nobody but the line."""

PACKET_BYTES: Final = 64
DELAY_S: Final = 0.02
STALL_S: Final = 1.0
THROTTLED_BYTES: Final = 128
THROTTLED_BYTES_PER_S: Final = 2000
# What a serial port's driver takes before a write waits.
DRIVER_BUFFER_BYTES: Final = 4096

_TO_BOARD_TEXT: Final = b"\nstats\n"
_TO_HOST_TEXT: Final = b"\r\nI (4711) app: temperature 23 C\r\n"


@dataclass(frozen=True)
class Faults:
    """How bad the line is.

    Attributes:
        rate: faults for each byte carried, in each direction: 1e-4 is one in 10,000 bytes, about one a picture.
        kinds: the faults to choose from.
        seed: of the choice; the same bytes meet the same faults.
    """

    rate: float = 0.0
    kinds: Collection[LineFault] = ON_THE_LINE
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"a fault rate is at least 0 and below 1, not {self.rate}")


class LineDirection:
    """One direction: bytes in; bytes and the faults that the line has to act out come back. No I/O, no clock.

    Faults sit at positions of the stream, however it is cut into pieces.
    """

    def __init__(self, faults: Faults, direction: str, text: bytes) -> None:
        self._random = Random(f"{faults.seed} {direction}")
        self._kinds = sorted(faults.kinds)
        self._rate = faults.rate if self._kinds else 0.0
        self._text = text
        self._recent = b""
        self._to_drop = 0
        self._until_fault = self._gap()
        self.counts: Counter[LineFault] = Counter()

    def feed(self, data: bytes) -> Iterator[bytes | LineFault]:
        """What comes out for ``data``; a fault that the caller must act out stands where it happens."""
        while data:
            if self._to_drop:
                dropped = min(self._to_drop, len(data))
                self._to_drop -= dropped
                data = data[dropped:]
                continue
            if self._until_fault is None or len(data) <= self._until_fault:
                if self._until_fault is not None:
                    self._until_fault -= len(data)
                yield self._passed(data)
                return
            before, data = data[: self._until_fault], data[self._until_fault :]
            self._until_fault = self._gap()
            if before:
                yield self._passed(before)
            fault = self._random.choice(self._kinds)
            self.counts[fault] += 1
            if fault is LineFault.FLIP:
                data = bytes([data[0] ^ 1 << self._random.randrange(8)]) + data[1:]
            elif fault is LineFault.DROP:
                self._to_drop = self._random.randint(1, 4)
            elif fault is LineFault.HOLE:
                self._to_drop = PACKET_BYTES
            elif fault is LineFault.DUPLICATE:
                yield self._recent[-self._random.randint(1, PACKET_BYTES) :]
            elif fault is LineFault.GARBAGE:
                yield self._random.randbytes(self._random.randint(1, PACKET_BYTES))
            elif fault is LineFault.TEXT:
                yield self._text
            else:
                yield fault

    def _passed(self, data: bytes) -> bytes:
        self._recent = (self._recent + data)[-PACKET_BYTES:]
        return data

    def _gap(self) -> int | None:
        """Bytes until the next fault: geometrically distributed, as independent faults at each byte are."""
        return int(self._random.expovariate(self._rate)) if self._rate else None


class FaultyTransport:
    """A transport that mistreats what goes through it.

    Args:
        inner: the real one; closed with this one.
        faults: what to do to the bytes.
        reset: restarts the board; needed for :attr:`LineFault.RESET`.
        baudrate: the pace of the line, 10 bits a byte, both ways at once; None: as fast as ``inner``.
    """

    def __init__(
        self,
        inner: Transport,
        faults: Faults | None = None,
        *,
        reset: Callable[[], None] | None = None,
        baudrate: int | None = None,
    ) -> None:
        faults = faults or Faults()
        if faults.rate and LineFault.RESET in faults.kinds and reset is None:
            raise ValueError("faults with resets need to know how to reset the board")
        self._inner = inner
        self._reset = reset
        bytes_per_s = None if baudrate is None else baudrate / 10
        self._line = Line(
            inner.line.bytes_per_s if bytes_per_s is None else bytes_per_s, inner.line.lossless and not faults.rate
        )
        self._to_board = _Wire(LineDirection(faults, "to board", _TO_BOARD_TEXT), bytes_per_s)
        self._to_host = _Wire(LineDirection(faults, "to host", _TO_HOST_TEXT), bytes_per_s)
        self._connected = True
        self._names = 1

    @property
    def line(self) -> Line:
        return self._line

    @property
    def name(self) -> str:
        """The inner name; with a number once the port has come back under another one."""
        return self._inner.name if self._names == 1 else f"{self._inner.name}#{self._names}"

    @property
    def counts(self) -> Counter[LineFault]:
        """How often each fault has happened."""
        return self._to_board.direction.counts + self._to_host.direction.counts

    @property
    def bytes_carried(self) -> tuple[int, int]:
        """Bytes that came out at the board and at the host."""
        return self._to_board.carried, self._to_host.carried

    def read(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        while not (arrived := self._step(deadline)):
            if time.monotonic() >= deadline:
                return b""
        return arrived

    def write(self, data: bytes) -> None:
        self._check_connected()
        self._to_board.put(data)
        self._deliver()
        while self._to_board.waiting > DRIVER_BUFFER_BYTES:
            self._to_host.put(self._inner.read(self._to_board.seconds_to_next()))
            self._deliver()

    def reopen(self) -> None:
        self._to_board.cut()
        self._to_host.cut()
        self._inner.reopen()
        self._connected = True

    def close(self) -> None:
        self._inner.close()

    def _step(self, deadline: float) -> bytes:
        """Moves what is due; waits for the next thing that may happen, at most until ``deadline``."""
        self._check_connected()
        self._deliver()
        if arrived := b"".join(self._due(self._to_host)):
            return arrived
        wait = min(deadline - time.monotonic(), self._to_board.seconds_to_next(), self._to_host.seconds_to_next())
        self._to_host.put(self._inner.read(max(0.0, wait)))
        return b""

    def _deliver(self) -> None:
        if due := b"".join(self._due(self._to_board)):
            self._inner.write(due)

    def _due(self, wire: _Wire) -> Iterator[bytes]:
        for piece in wire.due():
            if piece is LineFault.DISCONNECT:
                self._connected = False
                self._names += 1
                self._check_connected()
            elif piece is LineFault.RESET:
                assert self._reset is not None
                self._reset()
            elif isinstance(piece, bytes):
                yield piece

    def _check_connected(self) -> None:
        if not self._connected:
            raise LinkError(f"{self._inner.name}: the board is gone (a fault on purpose)")


class _Wire:
    """One direction in time: its faults, and when each of its bytes arrives."""

    def __init__(self, direction: LineDirection, bytes_per_s: float | None) -> None:
        self.direction = direction
        self.carried = 0
        self.waiting = 0
        self._bytes_per_s = bytes_per_s
        # About a millisecond's bytes travel together.
        self._slice = max(1, int(bytes_per_s / 1000)) if bytes_per_s else None
        self._free_at = 0.0
        self._throttled = 0
        self._queue: deque[tuple[float, bytes | LineFault]] = deque()

    def put(self, data: bytes) -> None:
        self._free_at = max(self._free_at, time.monotonic())
        for piece in self.direction.feed(data):
            if isinstance(piece, bytes):
                self.waiting += len(piece)
                for part in self._parts(piece):
                    self._queue.append((self._free_at, part))
            elif piece is LineFault.DELAY:
                self._free_at += DELAY_S
            elif piece is LineFault.STALL:
                self._free_at += STALL_S
            elif piece is LineFault.THROTTLE:
                self._throttled += THROTTLED_BYTES
            else:
                self._queue.append((self._free_at, piece))

    def _parts(self, piece: bytes) -> Iterator[bytes]:
        """Cuts ``piece`` into what arrives together, and lets the time pass that it takes."""
        while piece:
            slow = min(self._throttled, len(piece))
            size = slow or min(self._slice or len(piece), len(piece))
            self._throttled -= slow
            if slow:
                self._free_at += size / THROTTLED_BYTES_PER_S
            elif self._bytes_per_s:
                self._free_at += size / self._bytes_per_s
            yield piece[:size]
            piece = piece[size:]

    def due(self) -> Iterator[bytes | LineFault]:
        now = time.monotonic()
        while self._queue and self._queue[0][0] <= now:
            piece = self._queue.popleft()[1]
            if isinstance(piece, bytes):
                self.waiting -= len(piece)
                self.carried += len(piece)
            yield piece

    def seconds_to_next(self) -> float:
        """Until the next piece arrives; a long time when none is under way."""
        return max(0.0, self._queue[0][0] - time.monotonic()) if self._queue else 3600.0

    def cut(self) -> None:
        """Loses what is under way."""
        self._queue.clear()
        self.waiting = 0
        self._free_at = 0.0
        self._throttled = 0
