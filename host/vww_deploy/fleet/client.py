"""The client's side of a fleet: which boards there are, and shards that are done on them."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from distributed import Client, Future, wait
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker
from distributed.security import Security

from vww_deploy.boards.catalogue import get_board
from vww_deploy.errors import BoardError, FleetError
from vww_deploy.fleet.security import security_for
from vww_deploy.fleet.shards import Outcome, Shard
from vww_deploy.fleet.worker import do_shard, refuse_other, resource

CONNECT_TIMEOUT_S: Final = 5.0
BOARDS_TIMEOUT_S: Final = 3.0
"""How long a board that nobody offers yet is waited for when a run begins."""
LOST_TIMEOUT_S: Final = 60.0
"""How long a fleet that has lost all its boards in the middle of a run may take to have one again."""

_AT_HAND: Final = 2  # shards a board: the one that it does, and the next
_POLL_S: Final = 1.0
_PUT_BYTES: Final = 8 << 20  # in one message

_LOST: Final = (OSError, CommClosedError, KilledWorker)


@dataclass(frozen=True)
class Place:
    """A board of a fleet: its kind, its serial number, the worker that has it, and what it does."""

    kind: str
    serial: str
    worker: str
    host: str
    state: str = "free"
    """``free``, ``works`` or ``set aside``: as its worker said last, a few seconds ago at most."""
    results: int = 0
    """Inferences since its worker started."""
    failures: int = 0
    """Since its worker started."""
    error: str = ""
    """Why it failed last."""


class Fleet:
    """A connection to a fleet.

    Args:
        client: Dask's, connected.
        address: of the scheduler.
        notice: called with what happens to boards, for people.
    """

    def __init__(self, client: Client, address: str, notice: Callable[[str], None] = lambda text: None) -> None:
        self._client = client
        self.address: Final = address
        self._notice = notice

    def places(self) -> list[Place]:
        """The boards that are offered now, by worker; those set aside are still among them."""
        found = []
        for address, worker in self._ask("identity")["workers"].items():
            states = {serial: state for serial, *state in worker["metrics"].get("vww", ())}
            for kind, serial in worker.get("vww", {}).get("boards", ()):
                found.append(Place(kind, serial, address, worker["host"], *states.get(serial, ())))
        return found

    def count(self) -> dict[str, int]:
        """How many boards of each kind take shards now."""
        found: dict[str, int] = {}
        for worker in self._ask("identity")["workers"].values():
            for name, number in worker["resources"].items():
                if name.startswith(resource("")) and number >= 1:
                    kind = name.removeprefix(resource(""))
                    found[kind] = found.get(kind, 0) + int(number)
        return found

    def choose(self, wanted: str | None = None) -> tuple[str, int]:
        """The kind of board that a run takes, and how many at most.

        Args:
            wanted: ``all`` (and None) for all of the one kind that there is, a kind, or ``nano33ble=4``.

        Raises:
            BoardError: nobody offers them; said within five seconds.
        """
        kind, limit = parse_boards(wanted)
        deadline = time.monotonic() + BOARDS_TIMEOUT_S
        while True:
            there = self.count()
            kinds = [kind] if kind else sorted(there)
            if len(kinds) > 1:
                raise BoardError(
                    f"the fleet has boards of several kinds: {_listed(there)}",
                    hint=f"a run is of one kind: --boards {kinds[0]}",
                )
            if kinds and there.get(kinds[0], 0) >= (limit or 1):
                return kinds[0], limit or there[kinds[0]]
            if time.monotonic() > deadline:
                asked = f"{limit or 'a'} {kind}" if kind else "a board"
                raise BoardError(
                    f"the fleet at {self.address} does not offer {asked}: it has {_listed(there)}",
                    hint="vww-deploy worker ADDRESS, on the machine that the boards are plugged into, offers them",
                )
            time.sleep(0.1)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Give files, by SHA-256, to the scheduler, unless it has them."""
        missing = list(self._ask("vww_missing", hashes=list(files)))
        while missing:
            part: list[str] = []
            size = 0
            while missing and (not part or size + len(files[missing[-1]]) <= _PUT_BYTES):
                part.append(missing.pop())
                size += len(files[part[-1]])
            self._ask("vww_put", files={sha256: files[sha256] for sha256 in part})

    def outcomes(self, shards: Iterable[Shard], kind: str, limit: int) -> Iterator[tuple[Shard, Outcome]]:
        """Have shards done, on at most ``limit`` boards of a kind at a time; each with its outcome, as they come.

        A shard whose board fails is done again by another one; a shard that was on a worker that dies is, too.

        Raises:
            FleetError: no board is left, or the scheduler is gone.
            VwwError: what went wrong with a shard, where no board is at fault.
        """
        source, again = iter(shards), deque[tuple[Shard, int]]()
        going: dict[Future[Outcome], tuple[Shard, int]] = {}
        ahead = next(source, None)  # prepared while the boards are busy
        seen = time.monotonic()
        room = polled = 0.0
        try:
            while going or again or ahead is not None:
                if time.monotonic() - polled > _POLL_S:
                    polled = time.monotonic()
                    there = self.count().get(kind, 0)
                    # A board has its next shard at hand; where some boards are to stay free, the client holds it back.
                    room = _AT_HAND * there if limit >= there else limit
                    seen = polled if room else seen
                    if polled - seen > LOST_TIMEOUT_S:
                        raise FleetError(f"the fleet at {self.address} has no {kind} any more")
                while len(going) < room and (again or ahead is not None):
                    if again:
                        shard, attempt = again.popleft()
                    else:
                        assert ahead is not None
                        shard, attempt, ahead = ahead, 0, None
                    going[self._submit(shard, attempt)] = shard, attempt
                    if ahead is None:
                        ahead = next(source, None)
                if not going:
                    time.sleep(_POLL_S / 10)
                    continue
                with contextlib.suppress(TimeoutError), self._client.as_current():
                    wait(list(going), timeout=_POLL_S, return_when="FIRST_COMPLETED")
                for future in [future for future in going if future.done()]:
                    shard, attempt = going.pop(future)
                    outcome: Outcome = self._result(future)
                    if not outcome.error:
                        yield shard, outcome
                    elif outcome.at_fault and not shard.board:
                        self._tell(outcome)
                        again.append((shard, attempt + 1))
                    elif shard.board:
                        yield shard, outcome
                    else:
                        raise FleetError(outcome.error, hint=outcome.hint)
        finally:
            with contextlib.suppress(*_LOST):
                self._client.cancel(list(going))

    def map(self, function: Callable[[Any], Any], values: Sequence[Any]) -> Iterator[Any]:
        """A pure function of each value, on any of the machines; the results in the order of the values.

        What was on a worker that dies is done again.

        Raises:
            FleetError: no machine is left, or the scheduler is gone.
            Exception: what the function raises.
        """
        name = uuid.uuid4().hex
        futures = [
            self._client.submit(function, value, key=f"map-{name}-{number}", pure=False)
            for number, value in enumerate(values)
        ]
        try:
            for future in futures:
                seen = time.monotonic()
                while not future.done():
                    with contextlib.suppress(TimeoutError), self._client.as_current():
                        wait([future], timeout=_POLL_S)
                    seen = time.monotonic() if self._ask("identity")["workers"] else seen
                    if time.monotonic() - seen > LOST_TIMEOUT_S:
                        raise FleetError(f"the fleet at {self.address} has no machine any more")
                yield self._result(future)
        finally:
            with contextlib.suppress(*_LOST):
                self._client.cancel(futures)

    def _submit(self, shard: Shard, attempt: int) -> Future[Outcome]:
        workers = [place.worker for place in self.places() if place.serial == shard.board] if shard.board else None
        return self._client.submit(
            do_shard,
            shard,
            key=f"{shard.key}-{attempt}",
            resources={resource(shard.work.kind): 1},
            workers=workers,
            pure=False,
        )

    def _result(self, future: Future[Any]) -> Any:
        try:
            return future.result(timeout=LOST_TIMEOUT_S)
        except KilledWorker as error:
            raise FleetError(f"a task was given up: its workers died again and again ({error})") from error
        except (OSError, TimeoutError, CommClosedError) as error:
            raise self._gone(error) from error

    def _tell(self, outcome: Outcome) -> None:
        said = f"{outcome.board or 'a board'}: {outcome.error}"
        self._notice(f"{said}; it is set aside" if outcome.set_aside else f"{said}; its shard is done again")

    def _ask(self, what: str, **arguments: Any) -> Any:
        try:
            return self._client.sync(getattr(self._client.scheduler, what), **arguments)
        except (OSError, TimeoutError, CommClosedError) as error:
            raise self._gone(error) from error

    def _gone(self, error: BaseException) -> FleetError:
        return FleetError(
            f"the scheduler at {self.address} is gone: {error}", hint="start it, then go on with --resume"
        )


def connect(address: str, notice: Callable[[str], None] = lambda text: None) -> AbstractContextManager[Fleet]:
    """A connection to the fleet whose scheduler is at ``address``.

    Raises:
        FleetError: the address is not safe, nothing answers, or it is of another version.
    """
    return joined(address, security_for(address), notice)


@contextlib.contextmanager
def joined(
    address: str, trusted: Security, notice: Callable[[str], None], timeout_s: float = CONNECT_TIMEOUT_S
) -> Iterator[Fleet]:
    """As :func:`connect`, with a key that the caller has; the scheduler may take ``timeout_s`` to answer."""
    try:
        client = Client(address, security=trusted, timeout=timeout_s, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise FleetError(
            f"no fleet answers at {address}: {error}", hint="start it there with: vww-deploy fleet scheduler"
        ) from error
    with client:
        try:
            theirs = client.sync(client.scheduler.vww_version)  # type: ignore[union-attr]  # it is connected
        except Exception:  # what another scheduler makes of the question
            theirs = None
        refuse_other(address, theirs)
        yield Fleet(client, address, notice)


def parse_boards(wanted: str | None) -> tuple[str | None, int | None]:
    """``all``, ``nano33ble`` or ``nano33ble=4`` as the kind and the number, None for any.

    Raises:
        BoardError: it is nothing of that, or there is no such board.
    """
    if wanted in (None, "all"):
        return None, None
    assert wanted is not None
    kind, equals, number = wanted.partition("=")
    if equals and not (number.isascii() and number.isdigit() and int(number[:6]) > 0 and len(number) < 6):
        raise BoardError(f"--boards {wanted}: {number!r} is no number of boards", hint="--boards nano33ble=4")
    return get_board(kind).name, int(number) if equals else None


def _listed(there: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(there.items())) or "no boards"
