"""The boards of one machine: who is free, who has failed, who is set aside. Nothing in here knows of Dask."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from vww_deploy.errors import BoardError, LinkError, VwwError
from vww_deploy.fleet.blobs import Blobs
from vww_deploy.fleet.board import WHO, LentBoard, Offer
from vww_deploy.fleet.shards import Outcome, Shard
from vww_deploy.link import portlock

MOST_FAILURES: Final = 3
"""In a row, after which a board is set aside."""

# A killed worker's lock is released at once; the next worker may be there before that.
LEASE_TIMEOUT_S: Final = 10.0


class Machine:
    """This machine's boards, for as many threads as there are boards.

    Args:
        offers: the boards; each is locked for as long as this lives.
        blobs: the machine's models and pictures.
        fetch: brings the bytes of a hash from elsewhere.
        changed: called with the kind, and how many boards of it are left, when one is set aside.

    Raises:
        LinkError: another program offers one of the boards.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        blobs: Blobs,
        fetch: Callable[[str], bytes],
        changed: Callable[[str, int], None] = lambda kind, left: None,
    ) -> None:
        self._blobs = blobs
        self._fetch = fetch
        self._changed = changed
        self._fetching = threading.Lock()
        self._freed = threading.Condition()
        self._boards = [LentBoard(offer, blobs) for offer in offers]
        self._free = list(self._boards)
        self._all: Final = tuple(self._boards)
        self._locks = contextlib.ExitStack()
        for offer in offers:
            self._locks.enter_context(portlock.offering(offer.serial, WHO, LEASE_TIMEOUT_S))

    def close(self) -> None:
        """Let go of the boards."""
        self._locks.close()

    def do(self, shard: Shard) -> Outcome:
        """Have a free board do a shard; what goes wrong is in the outcome."""
        started = time.time()
        try:
            self._bring({shard.work.model_sha256, *(item.sha256 for item in shard.items)})
        except (VwwError, OSError) as error:
            return _failed("", started, error)
        board = self._take(shard)
        if board is None:
            gone = BoardError(f"{shard.board or shard.work.kind}: the board is set aside", hint=_ASIDE)
            return _failed(shard.board, started, gone, at_fault=True, set_aside=True)
        try:
            outcome = board.do(shard)
            board.failures = 0
            return outcome
        except (BoardError, LinkError) as error:
            board.failures += 1
            board.failed += 1
            board.error = error.message
            aside = board.failures >= MOST_FAILURES
            if aside:
                self._set_aside(board)
            return _failed(board.offer.serial, started, error, at_fault=True, set_aside=aside)
        except (VwwError, OSError) as error:
            return _failed(board.offer.serial, started, error)
        finally:
            with self._freed:
                if board in self._boards:
                    self._free.append(board)
                self._freed.notify_all()

    def state(self) -> list[list[Any]]:
        """Of each board its serial number, ``free``, ``works`` or ``set aside``, and what it did, in plain types.

        That is inferences, failures, and why it failed last.
        """
        with self._freed:
            return [
                [
                    board.offer.serial,
                    "set aside" if board not in self._boards else "free" if board in self._free else "works",
                    board.results,
                    board.failed,
                    board.error,
                ]
                for board in self._all
            ]

    def _bring(self, hashes: Iterable[str]) -> None:
        with self._fetching:  # what two shards have in common travels once
            for sha256 in self._blobs.missing(hashes):
                self._blobs.put(sha256, self._fetch(sha256))

    def _take(self, shard: Shard) -> LentBoard | None:
        """A free board, the one that is asked for, or any of the kind; waits for it. None if there is none any more."""

        def fits(board: LentBoard) -> bool:
            return board.offer.kind == shard.work.kind and shard.board in ("", board.offer.serial)

        with self._freed:
            while True:
                if not any(map(fits, self._boards)):
                    return None
                if (free := next(filter(fits, self._free), None)) is not None:
                    self._free.remove(free)
                    return free
                self._freed.wait()

    def _set_aside(self, board: LentBoard) -> None:
        with self._freed:
            self._boards.remove(board)
            left = sum(one.offer.kind == board.offer.kind for one in self._boards)
            self._freed.notify_all()
        self._changed(board.offer.kind, left)


_ASIDE: Final = "look at it, then start its worker again"


def _failed(
    board: str, started: float, error: VwwError | OSError, *, at_fault: bool = False, set_aside: bool = False
) -> Outcome:
    message, hint = (error.message, error.hint) if isinstance(error, VwwError) else (str(error), "")
    return Outcome(board, started, time.time(), error=message, hint=hint, at_fault=at_fault, set_aside=set_aside)
