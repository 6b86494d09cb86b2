"""A session: pictures go to a board, events come back. The one source for ``run`` and for ``monitor``; neither holds
logic of its own.

    with Store() as store, open_session(model, board="virtual") as session:
        pictures = gather(["photos/"])
        for event in session.stream(store.begin(session.header, pictures), dict(enumerate(pictures))):
            ...
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from vww_deploy.errors import DataError, ProtocolMismatch, StoreError, VwwError
from vww_deploy.graph.model import Model
from vww_deploy.link.device import Device, Inference, flash_hint
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.camera_format import FrameFormat, encode_frame, frame_to_pixels
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.metrics import person_probability
from vww_deploy.runs.store import Result, RunHeader, RunWriter, State
from vww_deploy.session import events
from vww_deploy.session.layers import measure_layers


@dataclass(frozen=True, eq=False)
class _Sent:
    frame: events.Frame
    reference: npt.NDArray[np.int8] | None


def check_model(device: Device, name: str, sha256: str) -> None:
    """Raise ProtocolMismatch if the device runs another model than this one."""
    if device.info.model_sha256 != sha256:
        raise ProtocolMismatch(
            f"the board runs another model (SHA-256 {device.info.model_sha256[:12]}...) than {name} ({sha256[:12]}...)",
            hint=flash_hint(device.info.board),
        )


def prepare(device: Device, model: Model) -> None:
    """Tell the device how the model's card wants camera frames turned into the model's input."""
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
        raw_camera: FrameFormat | None = None,
    ) -> None:
        check_model(device, model.name, model.sha256)
        if raw_camera is not None:
            prepare(device, model)
        self._raw_camera = raw_camera
        self.device: Final = device
        self.model: Final = model
        self._compare = compare
        self._firmware_sha256 = firmware_sha256

    @cached_property
    def _layers(self) -> tuple[tuple[str, int], ...]:
        return measure_layers(self.device, self.model)

    @property
    def header(self) -> RunHeader:
        """What the run store notes about this session."""
        info = self.device.info
        return RunHeader(
            board=info.board,
            port=self.device.port,
            model=self.model.name,
            model_sha256=self.model.sha256,
            model_path=str(self.model.path.resolve()),
            firmware_version=info.firmware_version,
            firmware_sha256=self._firmware_sha256,
            protocol=info.protocol_version,
            labels=self.model.card.labels,
            threshold=self.model.card.threshold,
            clock=info.clock,
            clock_hz=info.clock_hz,
            reference=self._compare,
            raw_camera="" if self._raw_camera is None else str(self._raw_camera),
            layers=self._layers,
        )

    def stream(self, writer: RunWriter, pictures: Mapping[int, Picture]) -> Iterator[events.Event]:
        """Send pictures (by position in the run); every result and skipped picture is recorded, then told.

        A frame's ``number`` is its picture's position.

        The run is marked complete at the end, interrupted when the caller stops early (Ctrl-C too), failed on an error.

        Raises:
            LinkError: the device cannot be reached any more.
            StoreError: the run store cannot be written, or the run to continue was one of another model.
        """
        if writer.header.model_sha256 != self.model.sha256:
            raise StoreError(
                f"run {writer.run} is of another model ({writer.header.model}, SHA-256 "
                f"{writer.header.model_sha256[:12]}...) than {self.model.name} ({self.model.sha256[:12]}...)",
                hint="Start a new run instead of continuing it.",
            )
        state: State = "failed"
        note = ""
        try:
            yield from self._stream(writer, pictures)
            state = "complete"
        except VwwError as error:
            note = error.message
            raise
        except (GeneratorExit, KeyboardInterrupt):
            state = "interrupted"
            raise
        finally:
            # A store that failed a moment ago fails here, too: the first error is the one to tell.
            with contextlib.suppress(StoreError) if state == "failed" else contextlib.nullcontext():
                writer.finish(state, note)

    def _stream(self, writer: RunWriter, pictures: Mapping[int, Picture]) -> Iterator[events.Event]:
        sent: deque[_Sent] = deque()
        told: deque[events.Event] = deque()
        self.device.on_console = events.listener(told)
        for inference in self._infer(self._inputs(writer, pictures, sent, told)):
            result = self._record(writer, sent[0], inference)
            while told:
                yield told.popleft()
            yield sent.popleft().frame
            yield result
        yield from told

    def _infer(self, inputs: Iterator[npt.NDArray[np.int8] | bytes]) -> Iterator[Inference]:
        if self._raw_camera is not None:
            return self.device.infer_frames(cast(Iterator[bytes], inputs), self._raw_camera)
        return self.device.infer_many(cast(Iterator[npt.NDArray[np.int8]], inputs))

    def _inputs(
        self,
        writer: RunWriter,
        pictures: Mapping[int, Picture],
        sent: deque[_Sent],
        told: deque[events.Event],
    ) -> Iterator[npt.NDArray[np.int8] | bytes]:
        """What the device is fed; the reference runs here, while the device is busy with the picture before."""
        card = self.model.card
        quantization = self.model.graph.input_activation.quantization
        for position, picture in pictures.items():
            try:
                data = preprocess.read_picture_file(Path(picture.path))
                image = preprocess.open_picture(data, picture.path)
                if self._raw_camera is not None:
                    raw = encode_frame(image, self._raw_camera)
                    pixels = frame_to_pixels(raw, self._raw_camera, card.input)
                else:
                    pixels = preprocess.to_pixels(image, card.input)
            except DataError as error:
                writer.skip(position, error.message)
                told.append(events.Skipped(picture.path, error.message))
                continue
            values = preprocess.quantise(pixels, card.input, quantization)
            reference = self.model.reference.run(values).reshape(-1) if self._compare else None
            sha256 = hashlib.sha256(data).hexdigest()
            frame = events.Frame(position, pixels, source=picture.path, sha256=sha256, truth=picture.truth)
            sent.append(_Sent(frame, reference))
            yield values if self._raw_camera is None else raw

    def _record(self, writer: RunWriter, sent: _Sent, inference: Inference) -> events.Result:
        card = self.model.card
        outputs = inference.output.reshape(-1)
        p_person = person_probability(outputs, self.model.graph.output_activation.quantization, card.labels)
        writer.record(
            Result(
                position=sent.frame.number,
                path=sent.frame.source,
                truth=sent.frame.truth,
                sha256=sent.frame.sha256,
                outputs=outputs,
                label=int(p_person >= card.threshold),
                p_person=p_person,
                latency_us=inference.latency_us,
                ticks=inference.ticks,
                retries=inference.retries,
                reference=sent.reference,
            )
        )
        return events.Result(
            number=sent.frame.number,
            p_person=p_person,
            latency_us=inference.latency_us,
            ticks=inference.ticks,
            retries=inference.retries,
            outputs=tuple(outputs.tolist()),
            reference=None if sent.reference is None else tuple(sent.reference.tolist()),
        )
