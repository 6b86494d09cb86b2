"""A run over the boards of a fleet, into the run store: the client alone writes it, a transaction a shard."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

from vww_deploy.boards.catalogue import get_board
from vww_deploy.boards.firmware import firmware_of
from vww_deploy.boards.flash import check_fits
from vww_deploy.compiler import compile_model
from vww_deploy.errors import DataError
from vww_deploy.fleet.client import Fleet
from vww_deploy.fleet.shards import DEFAULT_SIZE, Item, Outcome, Shard, Work, split
from vww_deploy.graph.model import Model
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.store import RunHeader, RunWriter, Store, StoredSkip
from vww_deploy.runs.stream import check_same_model, finishing


def work_of(model: Model, kind: str, *, compare: bool = True, raw_camera: str = "") -> Work:
    """What all shards of a run of ``model`` on boards of that kind have in common.

    Raises:
        ModelError: the model cannot be compiled; DoesNotFit: by how many bytes.
    """
    compiled, board = compile_model(model.graph), get_board(kind)
    check_fits(compiled, board)
    return Work(
        kind=kind,
        firmware=firmware_of(compiled, board),
        model_name=model.name,
        model_sha256=model.sha256,
        card=json.dumps(model.card.to_json()),
        outputs=model.outputs,
        compare=compare,
        raw_camera=raw_camera,
    )


class FleetRun:
    """A run: new, or the rest of one.

    Args:
        fleet: connected.
        model: the boards are flashed with it where they do not run it.
        work: of the model, see :func:`work_of`.
        boards: how many at most.
        store: where each shard is, whole, before its outcome is yielded.
        size: pictures of a shard.
    """

    def __init__(
        self, fleet: Fleet, model: Model, work: Work, boards: int, store: Store, size: int = DEFAULT_SIZE
    ) -> None:
        self._fleet: Final = fleet
        self._model: Final = model
        self._work: Final = work
        self._boards: Final = boards
        self._store: Final = store
        self._size: Final = size
        self._unread: list[StoredSkip] = []
        self.writer: RunWriter | None = None
        """Of the run; None until a board has said what it is."""

    def start(self, pictures: Sequence[Picture]) -> Iterator[Outcome]:
        """Send pictures as a new run; see :meth:`_stream`."""
        return self._stream(pictures, dict(enumerate(pictures)))

    def resume(self, run: int) -> Iterator[Outcome]:
        """Send the pictures of a run that have no result yet.

        Raises:
            StoreError: it is a run of another model.
        """
        check_same_model(run, self._store.run(run).header, self._model)
        self.writer, left = self._store.resume(run)
        return self._stream([], left)

    def _stream(self, planned: Sequence[Picture], pictures: Mapping[int, Picture]) -> Iterator[Outcome]:
        """Yields what became of each shard, in the order of their ends; it is in the store by then.

        The run is marked complete at the end, interrupted when the caller stops early (Ctrl-C too), failed on an error.
        """
        waiting: list[Outcome] = []
        with finishing(lambda: self.writer):
            self._fleet.put({self._model.sha256: self._model.path.read_bytes()})
            first = [Shard(self._work)] if self.writer is None else []
            shards = chain(first, self._shards(pictures))
            for _, outcome in self._fleet.outcomes(shards, self._work.kind, self._boards):
                if outcome.header is not None:
                    self.writer = self._store.begin(self._header(outcome.header), planned)
                else:
                    waiting.append(outcome)
                while self.writer is not None and waiting:
                    yield self._record(self.writer, waiting.pop(0))
            if self.writer is not None:
                self.writer.record_shard([], self._unread)

    def _record(self, writer: RunWriter, outcome: Outcome) -> Outcome:
        unread, self._unread = self._unread, []
        outcome = replace(outcome, skipped=(*outcome.skipped, *unread))
        writer.record_shard(outcome.results, outcome.skipped)
        return outcome

    def _header(self, measured: RunHeader) -> RunHeader:
        model = self._model
        peer = replace(measured.peer, port=self._fleet.address, model=model.name)
        return replace(measured, peer=peer, model_path=str(model.path.resolve()))

    def _shards(self, pictures: Mapping[int, Picture]) -> Iterator[Shard]:
        """The pictures in shards; those of a shard are with the scheduler when it is yielded."""
        files: dict[str, bytes] = {}

        def items() -> Iterator[Item]:
            for position, picture in pictures.items():
                try:
                    data = preprocess.read_picture_file(Path(picture.path))
                except DataError as error:
                    self._unread.append(StoredSkip(position, picture.path, error.message))
                    continue
                sha256 = hashlib.sha256(data).hexdigest()
                files[sha256] = data
                yield Item(position, sha256, picture.path, picture.truth)

        for shard in split(self._work, items(), self._size):
            self._fleet.put(files)
            files.clear()
            yield shard
