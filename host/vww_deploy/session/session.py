"""A session: pictures go to a board, events come back.

with open_session(model, board="virtual") as session:
    for event in session.stream(dict(enumerate(gather(["photos/"])))):
        ...
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from vww_deploy.boards.running import check_model
from vww_deploy.errors import DataError
from vww_deploy.graph.model import Model
from vww_deploy.link.device import Device
from vww_deploy.link.inference import Inference
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.camera_format import CameraFormat, encode_picture, picture_to_pixels
from vww_deploy.pictures.gather import Picture
from vww_deploy.session import events
from vww_deploy.session.layers import measure_layers


@dataclass(frozen=True, eq=False)
class _Sent:
    shown: events.ShownPicture
    reference: tuple[int, ...] | None


def interpreted(inference: Inference, model: Model, number: int, reference: tuple[int, ...] | None = None) -> Inference:
    """What a device gave as a session tells it.

    Args:
        inference: from the device.
        model: that ran.
        number: of the picture within the session.
        reference: the host reference's outputs; None if it did not run.
    """
    p_person = model.outputs.p_person(np.array(inference.outputs, np.int8))
    return replace(inference, number=number, p_person=p_person, reference=reference)


def peer_of(device: Device, model: Model) -> events.Peer:
    """Who is at the other end: what the device says of itself, and what is known of its model."""
    info = device.info
    return events.Peer(
        board=info.board,
        port=device.port,
        firmware=info.firmware_version,
        model=model.name,
        model_sha256=info.model_sha256,
        outputs=model.outputs,
        threshold=model.card.threshold,
        clock=info.clock,
        clock_hz=info.clock_hz,
        height=info.height,
        width=info.width,
        channels=info.channels,
    )


def prepare(device: Device, model: Model) -> None:
    """Tell the device how the model's card wants camera pictures turned into the model's input."""
    spec = model.card.input
    table = preprocess.quantisation_table(spec, model.graph.input_activation.quantization)
    device.prepare(table, crop=spec.resize == "crop")


class Session:
    """A connected device with the model that it runs.

    Args:
        device: connected; stays open when the session ends.
        model: the one that the device was flashed with.
        compare: run the host reference beside the device.
        firmware_sha256: of the firmware's image, for the record, where it is known.
        board_serial: the board's serial number, for the record, where it has one.
        raw_camera: send pictures as a camera of this format would, for the device to preprocess; None to send the
            model's input.

    Raises:
        ProtocolMismatch: the device runs another model.
    """

    def __init__(
        self,
        device: Device,
        model: Model,
        *,
        compare: bool = True,
        firmware_sha256: str = "",
        board_serial: str = "",
        raw_camera: CameraFormat | None = None,
    ) -> None:
        check_model(device, model.graph)
        if raw_camera is not None:
            prepare(device, model)
        self.raw_camera: Final = raw_camera
        self.device: Final = device
        self.model: Final = model
        self.compare: Final = compare
        self.firmware_sha256: Final = firmware_sha256
        self.board_serial: Final = board_serial

    @cached_property
    def layers(self) -> tuple[tuple[str, int], ...]:
        """Name and ticks of each layer, measured when first asked for: see :func:`measure_layers`."""
        return measure_layers(self.device, self.model)

    def stream(self, pictures: Mapping[int, Picture]) -> Iterator[events.Event]:
        """Send pictures to the board; yield a picture and a result for each, and whatever else happens.

        Nothing is stored: :func:`vww_deploy.runs.stream.stream` does that.

        Args:
            pictures: by position, which is the ``number`` of the picture and of the result.

        Raises:
            LinkError: the device cannot be reached any more.
        """
        sent: deque[_Sent] = deque()
        waiting: deque[events.Event] = deque()
        with self.device.hearing(events.listener(waiting)):
            for inference in self._infer(self._inputs(pictures, sent, waiting)):
                while waiting:
                    yield waiting.popleft()
                current = sent.popleft()
                yield current.shown
                yield interpreted(inference, self.model, current.shown.number, current.reference)
            yield from waiting

    def _infer(self, inputs: Iterator[npt.NDArray[np.int8] | bytes]) -> Iterator[Inference]:
        if self.raw_camera is not None:
            return self.device.infer_raw(cast(Iterator[bytes], inputs), self.raw_camera)
        return self.device.infer_many(cast(Iterator[npt.NDArray[np.int8]], inputs))

    def _inputs(
        self,
        pictures: Mapping[int, Picture],
        sent: deque[_Sent],
        waiting: deque[events.Event],
    ) -> Iterator[npt.NDArray[np.int8] | bytes]:
        """What the device is fed; the reference runs here, while the device is busy with the picture before."""
        card = self.model.card
        quantization = self.model.graph.input_activation.quantization
        for position, picture in pictures.items():
            try:
                data = preprocess.read_picture_file(Path(picture.path))
                image = preprocess.open_picture(data, picture.path)
                if self.raw_camera is not None:
                    raw = encode_picture(image, self.raw_camera)
                    pixels = picture_to_pixels(raw, self.raw_camera, card.input)
                else:
                    pixels = preprocess.to_pixels(image, card.input)
            except DataError as error:
                waiting.append(events.Skipped(picture.path, error.message, position))
                continue
            values = preprocess.quantise(pixels, card.input, quantization)
            reference = tuple(self.model.reference.run(values).reshape(-1).tolist()) if self.compare else None
            sha256 = hashlib.sha256(data).hexdigest()
            shown = events.ShownPicture(position, pixels, source=picture.path, sha256=sha256, truth=picture.truth)
            sent.append(_Sent(shown, reference))
            yield values if self.raw_camera is None else raw
