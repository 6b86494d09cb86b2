"""What ``--json`` prints of boards: a dataclass for each command, from which docs/json.md is made.

Where a command's result is a dataclass already, that one is printed. ``docs/json_page.py`` names all by command.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vww_deploy.boards.doctor import Check
    from vww_deploy.boards.platformio import FirmwareImage
    from vww_deploy.fleet.client import Place
    from vww_deploy.link.info import DeviceInfo
    from vww_deploy.pictures.outputs import Cell
    from vww_deploy.session.camera_check import Finding
    from vww_deploy.session.latency import Estimate
    from vww_deploy.spread import Spread


@dataclass(frozen=True)
class LayerTicks:
    """A layer's latency on a board."""

    index: int
    """From 0, in the order of execution."""
    kind: str
    """The operator, as the file names it."""
    name: str
    """Of its output tensor."""
    macs: int
    ticks: Spread


@dataclass(frozen=True)
class BenchFigures:
    """Latency of repeated inferences."""

    clock: str
    """What a tick is: ``instructions``, ``cycles`` or ``micros``."""
    clock_hz: int
    runs: int
    macs: int
    total: Spread
    """Ticks of whole inferences."""
    latency_us: Spread | None
    layers: list[LayerTicks]
    """Measured in other inferences than ``total``: their sum is not the total."""


@dataclass(frozen=True)
class BenchOutput:
    """A board's latency."""

    model: str
    model_sha256: str
    bench: BenchFigures
    estimate: Estimate | None


@dataclass(frozen=True)
class FleetBench:
    """One board of a fleet."""

    board_serial: str
    bench: BenchFigures | None = None
    estimate: Estimate | None = None
    error: str = ""
    """Why there are no figures of it."""


@dataclass(frozen=True)
class FleetBenchOutput:
    """With ``--cluster``."""

    model: str
    model_sha256: str
    boards: list[FleetBench]


@dataclass(frozen=True)
class BoardRow:
    """A kind of board."""

    name: str
    title: str
    mcu: str
    core: str
    """Empty where it is not known."""
    driver: str
    """``usb`` or ``qemu``."""
    counts_instructions: bool
    """Its clock counts instructions and measures no time."""
    clock_hz: int
    flash_bytes: int
    """What the firmware leaves to a model."""
    ram_bytes: int
    """What the firmware leaves to a model."""
    figures: str
    """Where these two are from: ``linked`` or ``vendor``."""
    usb_ids: list[str]
    """``VID:PID``, hexadecimal."""
    bootloader_usb_ids: list[str]
    bootloader: str
    images: list[str]
    """The forms of a firmware that its tools take besides an ELF."""
    baudrate: int
    cameras: list[str]


@dataclass(frozen=True)
class AttachedRow:
    """A board that is there."""

    board: str
    port: str
    serial_number: str | None
    in_bootloader: bool


@dataclass(frozen=True)
class BoardsOutput:
    """The catalogue, and what is plugged in."""

    boards: list[BoardRow]
    attached: list[AttachedRow]


@dataclass(frozen=True)
class BoardsAddOutput:
    """With ``--add``."""

    board: BoardRow
    platformio_board: str
    """PlatformIO's name of it."""
    port: str
    usb_id: str
    """``VID:PID``, hexadecimal: of what it runs now."""
    entry: Path
    """The file with the entry that was written."""
    environment: Path
    """The file with its PlatformIO environment."""
    unknown: list[str]
    """What is assumed, or what nobody knows."""


@dataclass(frozen=True)
class CameraOutput:
    """Stills."""

    frame: str
    """Size and pixel format, as ``176x144:gray``."""
    files: list[Path]


@dataclass(frozen=True)
class CameraCheckOutput:
    """With ``--check``."""

    findings: list[Finding]


@dataclass(frozen=True)
class DoctorOutput:
    """What is installed."""

    checks: list[Check]


@dataclass(frozen=True)
class FleetInitOutput:
    """The files that were written."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class FleetStatusOutput:
    """The boards of a fleet."""

    address: str
    boards: list[Place]
    working: dict[str, int]
    """How many of each kind take pictures now."""


@dataclass(frozen=True)
class FlashOutput:
    """A board that runs the model."""

    board: str
    port: str
    model: str
    model_sha256: str
    image: FirmwareImage
    info: DeviceInfo


@dataclass(frozen=True)
class FlashBuildOutput:
    """With ``--build-only``."""

    board: str
    model: str
    model_sha256: str
    image: FirmwareImage
    file: Path


@dataclass(frozen=True)
class WindowRow:
    """Inferences that were timed together."""

    inferences: int
    latency_us: float | None
    """Of one inference."""
    instructions: int | None
    """Of one inference, where the board counts them."""
    results: list[float]


@dataclass(frozen=True)
class MlperfOutput:
    """MLPerf Tiny vww01."""

    device: str
    median_throughput: float | None
    """Inferences a second."""
    median_latency_us: float | None
    median_instructions: int | None
    estimate: Estimate | None
    windows: list[WindowRow]
    samples: int | None
    """Pictures of the accuracy mode."""
    top1_percent: float | None
    auc: float | None


@dataclass(frozen=True)
class ShownPictureEvent:
    """A picture; the prediction of the same number follows."""

    number: int
    source: str
    sha256: str
    """Of the picture file; empty for a camera's."""
    truth: int | None
    """1 person, 0 none, null if nobody has said."""
    shape: list[int]
    """Of what the model sees: height, width, channels."""
    raw_shape: list[int] | None
    """Of what the camera gave."""
    at: float


@dataclass(frozen=True)
class ResultEvent:
    """What the model said about a picture."""

    number: int
    p_person: float
    prediction: str
    """The label of the answer, by the monitor's threshold."""
    top: list[tuple[str, float]]
    """The likeliest classes, with their probabilities."""
    cells: list[Cell]
    """Those of a map that reach the threshold."""
    latency_us: int | None
    ticks: int
    retries: int
    outputs: list[int]
    reference: list[int] | None
    """Null if the reference did not run."""
    stages: list[tuple[str, int]]
    """Name and ticks of each stage."""
    estimate: Estimate | None
    at: float


@dataclass(frozen=True)
class DifferingLayer:
    """A layer that is not the reference's."""

    index: int
    kind: str
    name: str


@dataclass(frozen=True)
class VerifiedInput:
    """One input, layer by layer."""

    name: str
    layers: int
    differing: list[DifferingLayer]


@dataclass(frozen=True)
class VerifyOutput:
    """A board's layers beside the reference's."""

    model: str
    model_sha256: str
    clean: bool
    inputs: list[VerifiedInput]


@dataclass(frozen=True)
class FleetVerify:
    """One board of a fleet."""

    board_serial: str
    clean: bool
    inputs: list[VerifiedInput]
    error: str
    """Why it could not be verified; empty if it was."""


@dataclass(frozen=True)
class FleetVerifyOutput:
    """With ``--cluster``."""

    model: str
    model_sha256: str
    clean: bool
    boards: list[FleetVerify]
