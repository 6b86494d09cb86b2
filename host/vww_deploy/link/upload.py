"""A picture on its way to the board: which pieces go now, how long to wait, what is lost.

No I/O and no clock: times are given, in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from vww_deploy.link.channel import Timeouts

# Pieces of a picture whose answers need not have come before the next picture follows: few, for its answers come later
# still.
ANSWERS_AHEAD: Final = 2
# The picture goes in pieces of what the board takes; on a bad line they shrink to this, for small ones come through.
SMALLEST_PIECE_BYTES: Final = 64


class PieceSize:
    """Bytes of a picture in one message, from picture to picture; at first as many as the board takes."""

    def __init__(self) -> None:
        self._bytes = 0

    def bytes(self, most: int) -> int:
        """Now, of ``most`` that the board takes."""
        return min(self._bytes or most, most)

    def shrink(self, most: int) -> None:
        """After a loss: half of it."""
        self._bytes = max(self.bytes(most) // 2, SMALLEST_PIECE_BYTES)

    def grow(self, arrived: int) -> None:
        """After a piece of ``arrived`` bytes came through: an eighth more."""
        self._bytes = arrived + arrived // 8


class Next(Enum):
    """What to do after a wait."""

    GO_ON = auto()
    """More of the picture has arrived: send what :meth:`Upload.pieces` gives."""
    WAIT = auto()
    """Nothing new: wait on, until the same deadline."""
    KNOCK = auto()
    """Ask whether the board is still there. On a line that loses nothing a wait that grows long is no loss; once the
    question is answered, all that was sent before it has been read, and what has no answer was lost in a restart."""
    SEND_AGAIN = auto()
    """Something was lost: :meth:`Upload.pieces` begins again with the first byte that the board lacks."""


class Upload:
    """One picture's upload.

    The question for its inference follows the last piece at once, and on a line that loses nothing the next picture
    follows that: a wait for the last answers would leave the line idle. Should a piece have been lost after all, the
    board says that it lacks the picture.

    Args:
        data: the picture.
        piece: shared by all uploads to a board.
        most: bytes that the board takes in one piece.
        window: pieces that may be under way at once.
        lossless: the line loses nothing.
        timeouts: of the link.
        now: the time.
    """

    def __init__(
        self, data: bytes, piece: PieceSize, *, most: int, window: int, lossless: bool, timeouts: Timeouts, now: float
    ) -> None:
        self.asked = False
        """The inference was asked for; set by whoever does it."""
        self._data = data
        self._piece = piece
        self._most = most
        self._window = window
        self._lossless = lossless
        self._timeouts = timeouts
        self._sent = 0
        self._received = 0  # as the board says
        self._most_received = 0
        self._went_back_to = -1
        self._timed_out = 0  # waits, one after another
        self._last_progress = self._last_new = now

    @property
    def all_sent(self) -> bool:
        """Each piece was sent at least once."""
        return self._sent == len(self._data)

    @property
    def under_way(self) -> int:
        """Bytes that were sent and not acknowledged."""
        return self._sent - self._received

    def done(self, *, retried: bool) -> bool:
        """Nothing is left to wait for; ``retried``: something of this picture was lost before."""
        expect_loss = self._piece.bytes(self._most) < self._most or retried
        left = len(self._data) - self._received
        return not left or (self.asked and not expect_loss and left <= ANSWERS_AHEAD * self._piece.bytes(self._most))

    def stuck(self, now: float) -> bool:
        """The board answers, and takes nothing new."""
        return now - self._last_new > self._timeouts.upload_s

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """What goes now: offset and bytes of each piece."""
        piece = self._piece.bytes(self._most)
        while self._sent < len(self._data) and self.under_way < self._window * piece:
            at, self._sent = self._sent, min(self._sent + piece, len(self._data))
            yield at, self._data[at : self._sent]

    def deadline(self, carried_at: float, *, busy: bool) -> float:
        """Until when to wait for an answer.

        Args:
            carried_at: when the line has carried all that was sent.
            busy: the board infers.
        """
        first = self._timeouts.busy_s if busy else self._timeouts.answer_s
        patience = min(first * 2.0**self._timed_out, self._timeouts.longest_answer_s)
        return max(self._last_progress, carried_at) + patience

    def heard(self, received: int | None, *, silent: bool, knock_answered: bool, now: float) -> Next:
        """After a wait.

        Args:
            received: bytes of the picture that the board says it has; None if it said nothing.
            silent: the deadline has passed.
            knock_answered: the board answered a :attr:`Next.KNOCK`.
            now: the time.
        """
        if received is not None and received != self._received:
            self._accept(received, now)
            return Next.GO_ON
        # An answer without progress: the piece at `received` was lost, what came after it is of no use. Every later
        # piece of the window brings the same answer, so go back only once for each; after that only when nothing comes
        # for too long.
        lost = received is not None and self._went_back_to != self._received
        if self._lossless and not lost:
            lost = knock_answered
            if silent and not lost:
                self._last_progress = now
                return Next.KNOCK
        if not lost and not silent:
            return Next.WAIT
        self._timed_out += silent
        self._piece.shrink(self._most)
        self._went_back_to = self._sent = self._received
        self.asked = False
        self._last_progress = now
        return Next.SEND_AGAIN

    def _accept(self, received: int, now: float) -> None:
        if received > self._received:
            self._piece.grow(self._piece.bytes(self._most))
        self._received = min(received, len(self._data))
        if self._received > self._most_received:
            self._most_received, self._last_new = self._received, now
        self._sent = max(self._sent, self._received)
        self._timed_out = 0
        self._last_progress = now
