"""What changed between two runs over the same pictures: models, firmware or boards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vww_deploy.errors import DataError
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.rundata import RunData
from vww_deploy.session.latency import clock_text
from vww_deploy.spread import Spread


@dataclass(frozen=True)
class Flip:
    """A picture whose prediction changed, in each run's words; ``person`` is the second run's."""

    name: str
    truth: int | None
    p_before: float
    p_after: float
    person: bool
    before: str
    after: str


@dataclass(frozen=True)
class AccuracyChange:
    """Accuracy over the labelled pictures of both runs.

    Attributes:
        pictures: labelled ones.
        before: share predicted right, 0..1.
        after: the same in the second run.
        difference: ``after - before``.
        low: lower end of the 95 % interval of the difference, by Bonett and Price (2012) for paired shares.
        high: its upper end.
    """

    pictures: int
    before: float
    after: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two runs, picture by picture; a picture is the same if its file's SHA-256 is.

    Attributes:
        pictures: in both runs.
        only_before: pictures of the first run alone.
        only_after: pictures of the second run alone.
        changed: what differs in the runs themselves: name, before, after.
        flips: the predictions that changed.
        largest_change: of P(person), over all pictures.
        median_before_us: latency; None where the board counts instructions instead of measuring time.
        median_after_us: latency, likewise.
        median_before_ticks: latency in the unit of the first run's clock.
        median_after_ticks: latency in the unit of the second run's clock.
        latency_ratio: of the medians, after / before; None where one board measures time and the other instructions.
        accuracy: None if no picture has a label.
    """

    pictures: int
    only_before: int
    only_after: int
    changed: tuple[tuple[str, str, str], ...]
    flips: tuple[Flip, ...]
    largest_change: float
    median_before_us: int | None
    median_after_us: int | None
    median_before_ticks: int
    median_after_ticks: int
    latency_ratio: float | None
    accuracy: AccuracyChange | None


def compare(before: RunData, after: RunData) -> Comparison:
    """Compare two runs.

    Raises:
        DataError: they have no picture in common.
    """
    first, second = _by_picture(before), _by_picture(after)
    pairs = [(first[sha256], second[sha256]) for sha256 in first if sha256 in second]
    if not pairs:
        raise DataError(
            f"{before.title} and {after.title} have no picture in common",
            hint="Pictures are the same if their files are. Stream the same ones in both runs.",
        )
    microseconds = _median_us([a for a, _ in pairs]), _median_us([b for _, b in pairs])
    ticks = Spread.of(a.inference.ticks for a, _ in pairs).median, Spread.of(b.inference.ticks for _, b in pairs).median
    return Comparison(
        pictures=len(pairs),
        only_before=len(first) - len(pairs),
        only_after=len(second) - len(pairs),
        changed=_changed(before, after),
        flips=tuple(
            Flip(
                a.path,
                a.truth if a.truth is not None else b.truth,
                a.inference.p_person,
                b.inference.p_person,
                after.person(b),
                before.prediction(a),
                after.prediction(b),
            )
            for a, b in pairs
            if before.person(a) != after.person(b)
        ),
        largest_change=max(abs(b.inference.p_person - a.inference.p_person) for a, b in pairs),
        median_before_us=microseconds[0],
        median_after_us=microseconds[1],
        median_before_ticks=ticks[0],
        median_after_ticks=ticks[1],
        latency_ratio=_ratio(*microseconds) or (_ratio(*ticks) if microseconds == (None, None) else None),
        accuracy=_accuracy(before, after, pairs),
    )


def paired_interval(only_before: int, only_after: int, total: int) -> tuple[float, float]:
    """The 95 % interval of the difference of two paired shares (Bonett and Price 2012).

    Args:
        only_before: pairs that only the first got right.
        only_after: pairs that only the second got right.
        total: all pairs.
    """
    lost, won = (only_before + 1) / (total + 2), (only_after + 1) / (total + 2)
    margin = 1.959964 * math.sqrt((lost + won - (won - lost) ** 2) / (total + 2))
    return max(-1.0, won - lost - margin), min(1.0, won - lost + margin)


def _median_us(entries: Sequence[StoredResult]) -> int | None:
    """None where the board measured no time."""
    times = [entry.inference.latency_us for entry in entries if entry.inference.latency_us is not None]
    return Spread.of(times).median if times else None


def _ratio(before: int | None, after: int | None) -> float | None:
    return None if before is None or after is None else after / max(1, before)


def _by_picture(data: RunData) -> dict[str, StoredResult]:
    entries: dict[str, StoredResult] = {}
    for entry in data.entries:
        entries.setdefault(entry.sha256, entry)
    return entries


def _changed(before: RunData, after: RunData) -> tuple[tuple[str, str, str], ...]:
    a, b = before.board, after.board
    rows = (
        ("board", a.board, b.board),
        ("firmware", a.firmware, b.firmware),
        ("firmware image", before.firmware_sha256[:12], after.firmware_sha256[:12]),
        ("model", f"{a.model} ({a.model_sha256[:12]})", f"{b.model} ({b.model_sha256[:12]})"),
        ("threshold", f"{a.threshold:g}", f"{b.threshold:g}"),
        ("clock", clock_text(a.clock, a.clock_hz), clock_text(b.clock, b.clock_hz)),
    )
    return tuple(row for row in rows if row[1] != row[2])


def _accuracy(before: RunData, after: RunData, pairs: list[tuple[StoredResult, StoredResult]]) -> AccuracyChange | None:
    right = []
    if before.board.outputs.doubt or after.board.outputs.doubt:
        return None
    for a, b in pairs:
        truth = a.truth if a.truth is not None else b.truth
        if truth is not None:
            right.append((before.person(a) == bool(truth), after.person(b) == bool(truth)))
    if not right:
        return None
    low, high = paired_interval(sum(a and not b for a, b in right), sum(b and not a for a, b in right), len(right))
    was, now = (sum(a for a, _ in right) / len(right), sum(b for _, b in right) / len(right))
    return AccuracyChange(len(right), was, now, now - was, low, high)
