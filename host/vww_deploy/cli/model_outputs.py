"""What ``--json`` prints of models, pictures and runs, as :mod:`~vww_deploy.cli.board_outputs` does of boards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vww_deploy.compiler.profile.engine import Cost, ProfiledLayer
    from vww_deploy.compiler.report import Fit, Report
    from vww_deploy.graph.architecture import Architecture
    from vww_deploy.runs.export import ListedRun
    from vww_deploy.search.costs import CandidateCost, Limits
    from vww_deploy.training.degradation import Degraded
    from vww_deploy.training.evaluate import Evaluation, ThresholdChoice
    from vww_deploy.training.inspection import Findings
    from vww_deploy.training.package import Packed


@dataclass(frozen=True)
class CompileOutput:
    """The library."""

    folder: Path
    files: list[str]
    """Relative to the folder."""
    model_sha256: str


@dataclass(frozen=True)
class CompileArduinoOutput:
    """With ``--arduino-library``."""

    file: Path
    model_sha256: str


@dataclass(frozen=True)
class SeparableExample:
    """A 3x3 convolution beside a separable one; the figures of the paper's seventh block."""

    kernel: int
    inputs: int
    outputs: int
    side: int
    standard_macs: int
    separable_macs: int
    ratio: float
    separable_macs_by_depth_multiplier: dict[str, int]


@dataclass(frozen=True)
class PrintedFigures:
    """The published table's figures of a network."""

    macs_m: float
    parameters_m: float
    imagenet_top1: float
    differs: list[str]
    """Where the network and the table disagree."""


@dataclass(frozen=True)
class NetworkRow:
    """What a MobileNet v1 costs."""

    depth_multiplier: float
    height: int
    width: int
    channels: int
    classes: int
    macs: int
    parameters: int
    trained_parameters: int
    int8_bytes: int
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    fits: dict[str, bool]
    """By board."""
    estimated_instructions: int
    estimated_latency_ms: dict[str, float | None]
    """By board; null where nothing can be estimated: the virtual board has no time."""
    printed: PrintedFigures | None = None
    """With ``--published`` only."""


@dataclass(frozen=True)
class CostsOutput:
    """Costs by depth multiplier and picture size."""

    separable: SeparableExample
    networks: list[NetworkRow]


@dataclass(frozen=True)
class DatasetCheckOutput:
    """What is wrong with a set of pictures."""

    findings: Findings
    clean: bool
    dropped: int
    """Pictures that the labelling rule leaves out."""
    left_out: list[str]
    """What else was left out: how many, and why."""
    held_out: int
    """Pictures of ``train`` that are taken for ``val``."""


@dataclass(frozen=True)
class EvaluateOutput:
    """A model on labelled pictures."""

    evaluation: Evaluation
    wanted: ThresholdChoice | None
    """With ``--false-alarm-rate`` only."""
    degraded: list[Degraded]
    """With ``--degrade`` only."""


@dataclass(frozen=True)
class BoardFit:
    """Whether a model fits a board."""

    fits: bool
    over: Fit


@dataclass(frozen=True)
class ModelInput:
    """The int8 input."""

    shape: list[int]
    """Height, width, channels."""
    dtype: str
    scale: float
    zero_point: int
    pixel_0: int
    """What pixel 0 becomes."""
    pixel_255: int
    """What pixel 255 becomes."""


@dataclass(frozen=True)
class ModelOutputs:
    """What the int8 outputs mean."""

    labels: list[str]
    person: int | None
    """The index of the class that counts as a person; null if nobody knows."""
    origin: str
    """Who named the labels."""
    channels: int
    rows: int
    columns: int
    scale: float
    zero_point: int
    probabilities: bool
    """Else they are logits."""
    chosen: bool
    """The only output is the number of a class."""
    kind: str
    """In words."""
    doubt: str
    """Why nobody knows which class is a person; empty if somebody does."""


@dataclass(frozen=True)
class InspectOutput:
    """A model in figures."""

    report: Report
    flash_bytes: int
    boards: dict[str, BoardFit]
    """By name."""
    card: dict[str, Any]
    """The model card, docs/models.md."""
    input: ModelInput
    outputs: ModelOutputs


@dataclass(frozen=True)
class ModelsOutput:
    """The shipped models."""

    models: list[dict[str, Any]]
    """``file`` and the model card, docs/models.md."""


@dataclass(frozen=True)
class ProfileOutput:
    """One inference on an emulated core."""

    model: str
    target: str
    macs: int
    instructions: int
    """Counted."""
    cycles: int | None
    """Modelled; null where nobody states the core's timings."""
    ram_bytes: int
    stack_bytes: int
    flash_bytes: int
    layers: tuple[ProfiledLayer, ...]
    functions: tuple[Cost, ...]


@dataclass(frozen=True)
class RunsListOutput:
    """The store."""

    runs: list[ListedRun]


@dataclass(frozen=True)
class CandidateRow:
    """A network that was considered."""

    key: str
    text: str
    architecture: Architecture
    cost: CandidateCost
    capacity_prior: float
    breaks: dict[str, float]
    """By limit: the factor by which it lies above."""


@dataclass(frozen=True)
class TrainedRow:
    """A network that was trained; ``top1`` and ``auc`` are the int8 model's on ``val``."""

    key: str
    architecture: Architecture
    role: str
    epochs: int
    float_top1: float
    float_auc: float
    top1: float
    auc: float
    ram_bytes: int
    flash_bytes: int
    cycles: int | None
    model: str
    """File in the folder of the search."""
    cpu_seconds: float


@dataclass(frozen=True)
class RankingRow:
    """What the trainings say about the ranking."""

    correlation: float | None
    compared: int
    failed: bool
    """It is not to be believed."""
    cut: list[str]
    """What was left out for lack of time."""


@dataclass(frozen=True)
class SearchOutput:
    """A search."""

    limits: Limits
    candidates: list[CandidateRow]
    mobilenet_v1: list[CandidateRow]
    """Scaled to the limits, in gray and in colour; what does not fit is left out."""
    trained: list[TrainedRow]
    ranking: RankingRow | None
    """Null in a dry run."""
    rejected: list[CandidateRow]


@dataclass(frozen=True)
class TrainOutput:
    """A training."""

    weights: Path | None
    """Null with ``--recipe``."""
    model: Packed | None
    """With ``--recipe`` only."""
    epochs: list[dict[str, float]]
    """``epoch``, ``loss``, ``val_accuracy``, ``val_person``, ``val_no_person``, ``seconds``."""
