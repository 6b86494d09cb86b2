"""One board of a machine, and what a fleet has it do."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vww_deploy.boards import firmware, flash
from vww_deploy.boards.catalogue import get_board
from vww_deploy.boards.drivers import BoardDriver, attached, default_board, driver_for
from vww_deploy.boards.running import checked
from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.errors import BoardError, FleetError, ProtocolMismatch
from vww_deploy.files import write_whole
from vww_deploy.fleet.blobs import Blobs
from vww_deploy.fleet.shards import Item, Outcome, Shard, Work
from vww_deploy.graph.model import Model
from vww_deploy.graph.reader import read_model
from vww_deploy.link import portlock
from vww_deploy.link.device import Device
from vww_deploy.link.inference import Inference
from vww_deploy.link.transport import open_transport
from vww_deploy.pictures.camera_format import parse_format
from vww_deploy.pictures.card import ModelCard
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.store import StoredSkip
from vww_deploy.runs.stream import run_header
from vww_deploy.session import events
from vww_deploy.session.bench import bench
from vww_deploy.session.session import Session
from vww_deploy.session.verify import noise_inputs, verify

WHO: Final = "vww-deploy worker"


@dataclass(frozen=True)
class Offer:
    """A board that a machine has: its kind, a name of the catalogue, and its serial number, a virtual one's name."""

    kind: str
    serial: str


@dataclass
class LentBoard:
    """A board at work.

    Attributes:
        offer: which it is.
        blobs: the machine's models and pictures.
        failures: how often it has failed since it last did a shard.
        results: inferences since its worker started.
        failed: how often it has failed since then.
        error: why it failed last.
    """

    offer: Offer
    blobs: Blobs
    failures: int = 0
    results: int = 0
    failed: int = 0
    error: str = ""
    _models: dict[Work, _Loaded] = field(default_factory=dict)

    def do(self, shard: Shard) -> Outcome:
        """Have the board do a shard.

        Raises:
            VwwError: it was not done; a BoardError or LinkError if it was the board.
        """
        started = time.time()
        work = shard.work
        if work not in self._models:
            self._models = {work: _Loaded(work, self.blobs)}  # a board has one at a time
        loaded = self._models[work]
        with self._connected(loaded) as (device, image, flashed):
            raw = parse_format(work.raw_camera) if work.raw_camera else None
            session = Session(
                device,
                loaded.model,
                compare=work.compare,
                firmware_sha256=hashlib.sha256(image.read_bytes()).hexdigest() if image is not None else "",
                board_serial=self.offer.serial,
                raw_camera=raw,
            )
            done = Outcome(self.offer.serial, started, started, flashed)
            if shard.task == "verify":
                named = self._inputs(shard, device) or noise_inputs(device.info.input_shape)
                report: Any = tuple(verify(device, loaded.compiled, named))
                done = replace(done, report=report)
            elif shard.task == "infer":
                inputs = [values for _, values in self._inputs(shard, device)]
                made = []
                for inference in device.infer_many(inputs):
                    made.append(inference)
                    self.results += 1
                done = replace(done, report=(device.info, tuple(made)))
            elif shard.task == "bench":
                done = replace(done, report=bench(device, loaded.compiled, shard.repeats))
            elif not shard.items:
                done = replace(done, header=run_header(session))
            else:
                results, skipped = self._results(session, shard.items)
                done = replace(done, results=results, skipped=skipped)
        return replace(done, finished=time.time())

    def _inputs(self, shard: Shard, device: Device) -> list[tuple[str, npt.NDArray[np.int8]]]:
        """The items as int8 inputs of the model, with their names."""
        shape = device.info.input_shape
        return [
            (item.path, np.frombuffer(self.blobs.read(item.sha256), np.int8).reshape(shape)) for item in shard.items
        ]

    def _results(
        self, session: Session, items: tuple[Item, ...]
    ) -> tuple[tuple[StoredResult, ...], tuple[StoredSkip, ...]]:
        by_position = {item.position: item for item in items}
        pictures = {item.position: Picture(str(self.blobs.path(item.sha256)), item.truth) for item in items}
        results, skipped = [], []
        for event in session.stream(pictures):
            if isinstance(event, events.ShownPicture):
                shown = event
                if shown.sha256 != by_position[shown.number].sha256:
                    raise FleetError(f"{shown.source} is damaged", hint="remove that file on the worker's machine")
            elif isinstance(event, Inference):
                self.results += 1
                result = StoredResult.of(shown, event, self.offer.serial)
                results.append(replace(result, path=by_position[event.number].path))
            elif isinstance(event, events.Skipped) and event.number is not None:
                own = by_position[event.number]
                reason = event.reason.replace(pictures[event.number].path, own.path)
                skipped.append(StoredSkip(event.number, own.path, reason))
        return tuple(results), tuple(skipped)

    @contextlib.contextmanager
    def _connected(self, loaded: _Loaded) -> Iterator[tuple[Device, Path | None, bool]]:
        """The board's client, the image that was put on it if it is known, and whether that was done just now."""
        flashed = self.failures > 0 or self._noted() != loaded.work.firmware or not self._port()
        if flashed:
            self._flash(loaded)
        try:
            device = self._connect(loaded)
        except ProtocolMismatch:
            if flashed:
                raise
            self._flash(loaded)  # somebody else put another model there meanwhile
            flashed, device = True, self._connect(loaded)
        with device, portlock.holding(device.port, WHO):
            image = self._driver.firmware_image() if self._driver.emulated else None
            yield device, image, flashed

    def _connect(self, loaded: _Loaded) -> Device:
        transport = open_transport(self._port(), get_board(self.offer.kind).baudrate)
        # The board that restarts in the middle of a shard does it again: a result is of one power-up.
        return checked(Device.connect(transport, reconnect=False), loaded.model.graph)

    def _flash(self, loaded: _Loaded) -> None:
        driver = self._driver
        self._note("")
        if driver.emulated:
            driver.start(firmware.virtual_image(loaded.work.firmware, driver.board, lambda: loaded.compiled))
        else:
            flash.flash_through(driver, loaded.compiled, self._port() or None)
        self._note(loaded.work.firmware)

    @property
    def _driver(self) -> BoardDriver:
        return driver_for(get_board(self.offer.kind), self.offer.serial)

    def _port(self) -> str:
        """Where the board is now; empty while it is off, restarts or is gone."""
        return next((found.port for found in self._driver.attached()), "")

    @property
    def _note_file(self) -> Path:
        return self._driver.folder / "flashed"

    def _noted(self) -> str:
        """The firmware that a worker put on this board last."""
        with contextlib.suppress(OSError):
            return self._note_file.read_text()
        return ""

    def _note(self, what: str) -> None:
        write_whole(self._note_file, what.encode())


class _Loaded:
    """A shard's model on this machine."""

    def __init__(self, work: Work, blobs: Blobs) -> None:
        self.work: Final = work
        graph = read_model(blobs.read(work.model_sha256), name=work.model_name)
        card = ModelCard.from_json(json.loads(work.card))
        self.model: Final = Model(Path(f"{work.model_name}.tflite"), graph, card, work.outputs)

    @cached_property
    def compiled(self) -> Compiled:
        """The model compiled; its firmware must be the one that the client has named.

        Raises:
            FleetError: this machine would build something else.
        """
        compiled = compile_model(self.model.graph)
        if firmware.firmware_of(compiled, get_board(self.work.kind)) != self.work.firmware:
            raise FleetError(
                "this machine's firmware sources are not the client's", hint="install the same vww-deploy on both"
            )
        return compiled


def virtual_offers(name: str, number: int) -> list[Offer]:
    """Virtual boards of the worker called ``name``."""
    return [Offer(default_board().name, f"fleet-{name}-{index}") for index in range(number)]


def attached_offers(kind: str | None = None) -> list[Offer]:
    """The real boards that are attached, those of one kind or all.

    Raises:
        BoardError: two have the same serial number, or one has none: they could not be distinguished.
    """
    found = [one for one in attached() if not driver_for(one.board).emulated and kind in (None, one.board.name)]
    offers = [Offer(one.board.name, one.serial_number or "") for one in found]
    for offer, one in zip(offers, found, strict=True):
        if not offer.serial or offers.count(offer) > 1:
            raise BoardError(
                f"the {offer.kind} on {one.port} has no serial number of its own",
                hint="a fleet distinguishes boards by it: leave this one out",
            )
    return offers


def remove(name: str) -> None:
    """Power a fleet's virtual board off and remove what it leaves behind."""
    driver_for(default_board(), name).power_off()


def sweep() -> None:
    """Remove virtual boards whose worker was killed: those that nobody offers."""
    for folder in driver_for(default_board()).folder.parent.glob("fleet-*"):
        if not portlock.offered_by(folder.name):
            remove(folder.name)
