"""A fleet under test: pytest's ``--vww-cluster`` has a test's inputs inferred by many boards (docs/hil.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Final, NoReturn, Self

import numpy as np
import numpy.typing as npt

from vww_deploy.boards.catalogue import Board, get_board
from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.compiler.report import Report
from vww_deploy.errors import DataError, FleetError
from vww_deploy.fleet.client import Fleet
from vww_deploy.fleet.run import work_of
from vww_deploy.fleet.shards import DEFAULT_SIZE, Item, Outcome, Shard, split
from vww_deploy.graph.model import Model
from vww_deploy.link.inference import Inference
from vww_deploy.link.info import DeviceInfo
from vww_deploy.session.verify import InputCheck

Int8Array = npt.NDArray[np.int8]


class FleetBoards:
    """The boards of one kind of a fleet, in place of the one board that a test has else.

    Args:
        fleet: connected.
        model: each board is flashed with it where it does not run it.
        boards: as :meth:`Fleet.choose` has it.
        console: to which the fleet adds what becomes of boards that fail.

    Raises:
        BoardError: nobody offers such boards.
        VwwError: the model cannot be compiled or does not fit, or no board can be flashed with it.
    """

    def __init__(self, fleet: Fleet, model: Model, boards: str | None, console: list[str]) -> None:
        self._fleet: Final = fleet
        self.model: Final = model
        self.compiled: Final[Compiled] = compile_model(model.graph)
        self.console: Final = console
        self.emulator_log: Final[list[str]] = []
        """Nothing: it is on the machines of the boards."""
        self._kind, self.number = fleet.choose(boards)
        self._work: Final = work_of(model, self._kind)
        self._call: Final = count(1)
        fleet.put({model.sha256: model.path.read_bytes()})
        ((_, outcome),) = self._outcomes([Shard(self._work, task="infer")])
        self.info: Final[DeviceInfo] = outcome.report[0]

    @property
    def board(self) -> Board:
        """Their entry in the catalogue."""
        return get_board(self._kind)

    @property
    def report(self) -> Report:
        """RAM, flash and layers of the compiled model."""
        return self.compiled.report()

    def restart(self) -> None:
        """Nothing: a fleet's boards are not reset before each test, and each shard connects anew."""

    def connect(self) -> FleetDevice:
        """What stands for the board's client."""
        return FleetDevice(self)

    def infer_many(self, images: Sequence[Int8Array]) -> Iterator[tuple[str, Inference]]:
        """The inputs in shards over the boards; serial number and result, in order.

        Raises:
            DataError: an input is not of the model's shape or type.
            FleetError: no board is left.
        """
        for image in images:
            if image.dtype != np.int8 or image.shape != self.info.input_shape:
                raise DataError(
                    f"the boards' model takes int8 {list(self.info.input_shape)}, not {image.dtype} {list(image.shape)}"
                )
        files = [image.tobytes() for image in images]
        hashes = [hashlib.sha256(file).hexdigest() for file in files]
        self._fleet.put(dict(zip(hashes, files, strict=True)))
        call = next(self._call)  # two calls with the same inputs are two inferences
        items = [Item(number, sha256, f"call {call}") for number, sha256 in enumerate(hashes)]
        size = min(DEFAULT_SIZE, -(-len(items) // self.number))
        done: dict[int, tuple[str, Inference]] = {}
        given = 0
        for shard, outcome in self._outcomes(split(self._work, items, size, task="infer")):
            for item, inference in zip(shard.items, outcome.report[1], strict=True):
                done[item.position] = outcome.board, replace(inference, number=item.position)
            while given in done:
                yield done.pop(given)
                given += 1

    def check_layers(self, board: str, name: str, image: Int8Array) -> InputCheck:
        """Every layer of an input on the board of that serial number, against the host reference."""
        file = image.tobytes()
        sha256 = hashlib.sha256(file).hexdigest()
        self._fleet.put({sha256: file})
        shard = Shard(self._work, (Item(0, sha256, name),), task="verify", board=board)
        ((_, outcome),) = self._outcomes([shard])
        if outcome.error:
            raise FleetError(f"{board}: {outcome.error}", hint=outcome.hint)
        (check,) = outcome.report
        assert isinstance(check, InputCheck)
        return check

    def _outcomes(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, Outcome]]:
        return self._fleet.outcomes(shards, self._kind, self.number)


class FleetDevice:
    """What a test has for a board's client: it infers, and has a record of every inference."""

    def __init__(self, boards: FleetBoards) -> None:
        self._boards: Final = boards
        self.inferences: Final[list[Inference]] = []
        self.boards: Final[set[str]] = set()
        """Serial numbers of those that worked."""
        self._where: Final[dict[bytes, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"the boards of a fleet infer and infer_many, they have no {name}: run this test without --vww-cluster"
        )

    @property
    def info(self) -> DeviceInfo:
        """What one of the boards said of itself."""
        return self._boards.info

    @property
    def retries(self) -> int:
        """Messages that had to be sent again."""
        return sum(inference.retries for inference in self.inferences)

    def infer(self, image: Int8Array) -> Inference:
        """One input (int8 ``[height, width, channels]``) on any of the boards."""
        (inference,) = self.infer_many([image])
        return inference

    def infer_many(self, images: Iterable[Int8Array]) -> Iterator[Inference]:
        """Inputs on all of the boards; the results in the order of the inputs.

        Raises:
            DataError: an input is not of the model's shape or type.
            FleetError: no board is left.
        """
        given = list(images)
        for image, (board, inference) in zip(given, self._boards.infer_many(given), strict=True):
            self.inferences.append(inference)
            self.boards.add(board)
            self._where[image.tobytes()] = board
            yield inference

    def check_layers(self, name: str, image: Int8Array) -> InputCheck:
        """Every layer of an input that was inferred, on the board that did it."""
        return self._boards.check_layers(self._where[image.tobytes()], name, image)
