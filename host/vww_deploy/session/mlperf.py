"""The MLPerf Tiny visual wake words benchmark over a board's console (docs/mlperf.md): the host's side, by itself.

with open_transport(port, 115200) as transport:
    dut = Dut(transport)
    dut.identify()
    print(measure_performance(dut, load_samples(folder)).median.throughput)
"""

from __future__ import annotations

import csv
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from vww_deploy.boards.catalogue import load_boards
from vww_deploy.errors import DataError, LinkError
from vww_deploy.files import check_file, resolve_inside
from vww_deploy.link.schema import printable
from vww_deploy.link.transport import Transport
from vww_deploy.spread import Spread

# As the public runner has them: for a line of an answer, and for the lines around inferences.
ANSWER_TIMEOUT_S: Final = 5.0
INFER_TIMEOUT_S: Final = 30.0
# Every line of an answer may take that long, the whole of it this.
WHOLE_ANSWER_TIMEOUT_S: Final = 600.0

MODEL_ID: Final = "vww01"
LABELS_FILE: Final = "y_labels.csv"
CHUNK_BYTES: Final = 31
PERFORMANCE_WINDOWS: Final = 5
PERFORMANCE_INFERENCES: Final = 20
PERFORMANCE_WARMUP: Final = 5

# A benchmark's answers are short; more than this before "m-ready" is something else talking.
_MAX_ANSWER_BYTES: Final = 65536
_MAX_SAMPLE_BYTES: Final = 1 << 20
_MAX_LISTED: Final = 1_000_000  # lines of a list of samples

_LAP: Final = re.compile(r"m-lap-us-([0-9]{1,20})")
_RESULTS: Final = re.compile(r"m-results-\[([^]]*)\]")
_ROUNDED: Final = 0.02  # by which probabilities with three digits miss 1 at most

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Sample:
    """A picture of the benchmark and its class.

    Attributes:
        name: of the file.
        read: its uint8 values, height by width by channels. They are read when they are due, for a list may name more
            than memory holds. Raises DataError when that fails.
        truth: the class, from 0.
    """

    name: str
    read: Callable[[], bytes]
    truth: int


@dataclass(frozen=True)
class PerformanceWindow:
    """Inferences that were timed together, and the last one's result."""

    inferences: int
    elapsed_us: int
    results: tuple[float, ...]

    @property
    def throughput(self) -> float:
        """Inferences a second, by the board's clock."""
        return self.inferences * 1e6 / self.elapsed_us

    @property
    def latency_us(self) -> float:
        """Microseconds of one inference, by the board's clock."""
        return self.elapsed_us / self.inferences

    @property
    def instructions(self) -> int:
        """Of one inference on a device that :attr:`Dut.counts_instructions`, to some tens."""
        return 1000 * self.elapsed_us // self.inferences


@dataclass(frozen=True)
class Performance:
    """The performance mode's windows."""

    windows: tuple[PerformanceWindow, ...]

    @property
    def median(self) -> PerformanceWindow:
        """The window in the middle by its time; all are of as many inferences."""
        elapsed = Spread.of(window.elapsed_us for window in self.windows).median
        return next(window for window in self.windows if window.elapsed_us == elapsed)


@dataclass(frozen=True)
class MlperfAccuracy:
    """The accuracy mode's results: the outputs by sample, and the truth.

    A single output is the probability of class 1. Outputs that are no probabilities are logits.
    """

    outputs: tuple[tuple[float, ...], ...]
    truths: tuple[int, ...]

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Of each class, ``[samples, classes]``."""
        values = np.asarray(self.outputs, np.float64)
        if values.shape[1] == 1:
            second = values if values.min() >= 0 and values.max() <= 1 else 1 / (1 + np.exp(-values))
            return np.concatenate([1 - second, second], axis=1)
        if values.min() >= 0 and np.allclose(values.sum(axis=1), 1, atol=_ROUNDED):
            return values
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        normalised: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return normalised

    @property
    def top1_percent(self) -> float:
        """Samples whose largest probability is that of their class; a tie goes to the first, as argmax has it."""
        return float(100 * np.mean(self.probabilities.argmax(axis=1) == np.asarray(self.truths)))

    @property
    def auc(self) -> float | None:
        """Area under the ROC curve of class 1; None when one of the two is missing, or there are more classes."""
        probabilities = self.probabilities
        return area_under_curve(probabilities[:, 1].tolist(), self.truths) if probabilities.shape[1] == 2 else None


class Dut:
    """A device under test that speaks the benchmark's protocol, ours or any other."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._buffer = b""
        self.counts_instructions = False
        """Known once it said its name: its microsecond is a thousand instructions, as the virtual board's."""

    def command(self, text: str, timeout_s: float = ANSWER_TIMEOUT_S) -> list[str]:
        """The lines that answer ``text``, without the closing ``m-ready``; the timeout is for each line.

        Raises:
            LinkError: no answer, or one without end.
        """
        self._transport.write(text.encode("ascii") + b"%")
        lines: list[str] = []
        size = 0
        end = time.monotonic() + WHOLE_ANSWER_TIMEOUT_S
        while True:
            line = self._line(time.monotonic() + timeout_s, text)
            size += len(line) + 1
            if size > _MAX_ANSWER_BYTES or time.monotonic() > end:
                raise self._error(f"an answer without end to {text[:20]!r}")
            if "m-ready" in line:
                return lines
            if line:
                lines.append(line)

    def identify(self) -> str:
        """The device's name; LinkError when its benchmark is another one."""
        lines = self.command("name")
        if any(line.startswith("e-[") for line in lines):
            # Bytes of somebody else's, cut short by a reset, stood in the device's line before ours.
            lines = self.command("name")
        name = self._find(r"m-name-dut-\[([^]]+)]", lines)
        model = self._find(r"m-model-\[([^]]+)]", self.command("profile"))
        if model != MODEL_ID:
            raise self._error(f"the device runs the benchmark {model[:40]!r}, not {MODEL_ID!r}")
        counting = [board.name for board in load_boards() if board.counts_instructions]
        self.counts_instructions = name.removeprefix("vww-deploy ") in counting
        return name

    def load(self, data: bytes) -> None:
        """Brings a picture to the device, uint8 values."""
        self._check(self.command(f"db load {len(data)}"))
        lines: list[str] = []
        for at in range(0, len(data), CHUNK_BYTES):
            lines = self.command(f"db {data[at : at + CHUNK_BYTES].hex()}")
            self._check(lines)
        if "m-load-done" not in lines:
            raise self._error("the device has not taken the whole picture")

    def infer(self, inferences: int, warmup: int) -> PerformanceWindow:
        """Runs the model ``warmup`` times, then ``inferences`` times by the clock."""
        lines = self.command(f"infer {inferences} {warmup}", INFER_TIMEOUT_S)
        self._check(lines)
        laps = [int(match[1]) for line in lines if (match := _LAP.fullmatch(line))]
        if len(laps) < 2 or laps[-1] <= laps[0]:
            raise self._error(f"no times in the answer to infer: {_begun(lines)}")
        try:
            results = tuple(float(part) for part in self._find(_RESULTS, lines).split(",") if part)
        except ValueError as error:
            raise self._error(f"results that are no numbers: {_begun(lines)}") from error
        return PerformanceWindow(inferences, laps[-1] - laps[0], results)

    def _line(self, deadline: float, command: str) -> str:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or len(self._buffer) > _MAX_ANSWER_BYTES:
                raise self._error(f"no answer to {command[:20]!r}")
            self._buffer += self._transport.read(left)
        line, self._buffer = self._buffer.split(b"\n", 1)
        return printable(line)

    def _find(self, pattern: str | re.Pattern[str], lines: Sequence[str]) -> str:
        for line in lines:
            if match := re.fullmatch(pattern, line):
                return match[1]
        raise self._error(f"an answer that is not the benchmark's: {_begun(lines)}")

    def _check(self, lines: Sequence[str]) -> None:
        for line in lines:
            if line.startswith(("e-[", "Supplied buffer", "Input db")):
                raise self._error(f"the device says {line[:80]!r}")

    def _error(self, what: str) -> LinkError:
        return LinkError(
            f"{self._transport.name}: {what}",
            hint="Is it a model for the benchmark's pictures that runs there? vww-deploy flash MODEL --board BOARD",
        )


def _begun(lines: Sequence[str]) -> list[str]:
    """As much of an answer as fits into a message."""
    return [line[:40] for line in lines[:4]]


def load_samples(folder: Path, limit: int | None = None, *, signed: bool = False) -> list[Sample]:
    """The benchmark's data: ``y_labels.csv`` (file, number of classes, class) and the files beside it.

    Args:
        limit: only so many, as many of each class as far as there are: the first ones in the list's order.
        signed: the files hold int8 values, the uint8 ones less 128.

    Raises:
        DataError: a file is missing, empty, too large, no file or outside ``folder``; or the CSV is no such list.
    """
    table = folder / LABELS_FILE
    try:
        check_file(table)
        with table.open(newline="") as file:
            rows = list(islice(filter(None, csv.reader(file)), _MAX_LISTED))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{table} cannot be read: {error}", hint="The folder holds .bin files and y_labels.csv."
        ) from error
    if not rows:
        raise DataError(f"{table} lists no files")
    return [_sample(folder, table, row, signed) for row in (rows if limit is None else _of_each(rows, limit))]


def _of_each(rows: Sequence[list[str]], limit: int) -> list[list[str]]:
    """The first of each class in equal numbers, more of some where others have too few; in the list's order."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row[2] if len(row) > 2 else "", []).append(place)
    in_turn = (place for turn in zip_longest(*(places[kind] for kind in sorted(places))) for place in turn)
    return [rows[place] for place in sorted(islice((one for one in in_turn if one is not None), limit))]


def measure_performance(dut: Dut, samples: Sequence[Sample], progress: Progress = lambda done: None) -> Performance:
    """The performance mode: five windows of 20 inferences after 5 to warm up, on the first five samples."""
    if len(samples) < PERFORMANCE_WINDOWS:
        raise DataError(f"the performance mode takes {PERFORMANCE_WINDOWS} samples, there are {len(samples)}")
    windows = []
    for done, sample in enumerate(samples[:PERFORMANCE_WINDOWS], 1):
        dut.load(sample.read())
        windows.append(dut.infer(PERFORMANCE_INFERENCES, PERFORMANCE_WARMUP))
        progress(done)
    return Performance(tuple(windows))


def measure_accuracy(dut: Dut, samples: Sequence[Sample], progress: Progress = lambda done: None) -> MlperfAccuracy:
    """The accuracy mode: one inference a sample.

    Raises:
        DataError: a sample's class is none of the model's.
        LinkError: the device sends no results, or others each time.
    """
    outputs: list[tuple[float, ...]] = []
    for done, sample in enumerate(samples, 1):
        dut.load(sample.read())
        results = dut.infer(1, 0).results
        if not results:
            raise LinkError(
                "the device sends no results", hint="Its model has more outputs than the benchmark's answer holds (16)."
            )
        if not all(map(math.isfinite, results)) or len(results) != len((outputs or [results])[0]):
            raise LinkError(f"{sample.name}: {results} are no results of one model")
        if sample.truth >= max(2, len(results)):
            raise DataError(f"{sample.name} is of class {sample.truth}, but the model has {max(2, len(results))}")
        outputs.append(results)
        progress(done)
    return MlperfAccuracy(tuple(outputs), tuple(sample.truth for sample in samples))


def area_under_curve(scores: Sequence[float], truths: Sequence[int]) -> float | None:
    """How likely a random sample of class 1 scores above one of class 0, ties half; None when a class is missing."""
    values = np.asarray(scores, dtype=np.float64)
    positive = np.asarray(truths) == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return None
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _sample(folder: Path, table: Path, row: list[str], signed: bool) -> Sample:
    try:
        name, classes, truth = row[0], int(row[1]), int(row[2])
    except (IndexError, ValueError) as error:
        raise DataError(f"{table}: {','.join(row)!r} is not: file, number of classes, class") from error
    if not 0 <= truth < classes:
        raise DataError(f"{table}: class {truth} of {name}; the classes are 0 to {classes - 1}")
    try:
        path = resolve_inside(folder, name)
    except ValueError as error:
        raise DataError(f"{table}: {name!r} is no path: {error}") from error
    if not path.is_relative_to(folder.resolve()):
        raise DataError(f"{table}: {name} is outside of the folder")
    try:
        check_file(path)
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if not 0 < size <= _MAX_SAMPLE_BYTES:
        raise DataError(f"{path}: {size} bytes are no sample")
    return Sample(name, partial(_read, path, signed), truth)


def _read(path: Path, signed: bool) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SAMPLE_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return (np.frombuffer(data, np.uint8) ^ 0x80).tobytes() if signed else data
