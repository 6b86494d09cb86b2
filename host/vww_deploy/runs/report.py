"""A run as one HTML file that needs nothing else: no network, no other files."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np

from vww_deploy.errors import StoreError
from vww_deploy.files import write_whole
from vww_deploy.runs.recording import to_png
from vww_deploy.runs.rundata import Entry, RunData
from vww_deploy.session.events import BoardInfo
from vww_deploy.session.latency import ESTIMATE_BOARD, estimate
from vww_deploy.spread import Spread
from vww_deploy.training import charts, metrics
from vww_deploy.training.charts import Axis, BarGroup

_GALLERY: Final = 12  # pictures of each kind
_WRONG: Final = 48
_CONSTANT: Final = 0.01  # of the largest latency: all closer together than that are one


@dataclass(frozen=True)
class _Shown:
    """A picture of the gallery, as the template needs it."""

    url: str
    name: str
    verdict: str
    detail: str
    p_person: float
    person: bool
    wrong: bool


def write_report(data: RunData, path: Path, estimate_for: str = ESTIMATE_BOARD) -> None:
    """Write the report of a run to ``path``; instructions are estimated for the board ``estimate_for``.

    Raises:
        StoreError: the file cannot be written.
    """
    html = render(data, estimate_for)
    try:
        write_whole(path, html.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}", hint="Name another with -o."
        ) from error


def render(data: RunData, estimate_for: str = ESTIMATE_BOARD) -> str:
    """The report as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    wrong = [e for e in data.labelled if data.person(e) != bool(e.truth)]
    by_certainty = sorted(_once(data.entries), key=lambda e: abs(e.p_person - data.board.threshold))
    wrong.sort(key=lambda e: -abs(e.p_person - data.board.threshold))
    return environment.get_template("report.html").render(
        data=data,
        style=charts.STYLE,
        facts=_facts(data),
        tiles=_tiles(data, estimate_for),
        charts=_charts(data),
        confusion=_confusion(data),
        galleries=[
            ("Most certain", "farthest from the threshold", _gallery(data, by_certainty[::-1][:_GALLERY])),
            ("Least certain", "nearest to the threshold", _gallery(data, by_certainty[:_GALLERY])),
            ("Wrong", "the most certain first", _gallery(data, _once(wrong)[:_WRONG])),
        ],
    )


def wilson(successes: int, total: int) -> tuple[float, float]:
    """The 95 % score interval (Wilson 1927) of a share, 0..1."""
    z = 1.959964
    share = successes / total
    centre = share + z * z / (2 * total)
    margin = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)


def _once(entries: Sequence[Entry]) -> list[Entry]:
    """Each picture once, its first result."""
    seen: dict[str, Entry] = {}
    for entry in entries:
        seen.setdefault(entry.sha256, entry)
    return list(seen.values())


def _facts(data: RunData) -> list[tuple[str, str]]:
    board = data.board
    facts = [
        ("board", f"{board.board} at {board.port}"),
        ("firmware", board.firmware + (f", SHA-256 {data.firmware_sha256[:16]}" if data.firmware_sha256 else "")),
        ("model", f"{board.model}, SHA-256 {board.model_sha256[:16]}"),
        ("threshold", f"{board.threshold:.2f}"),
        ("clock", f"{board.clock}, {board.clock_hz:,} a second"),
        ("started (UTC)", data.started[:19].replace("T", " ")),
        ("state", data.state),
    ]
    return [(name, value) for name, value in facts if value]


def _tiles(data: RunData, estimate_for: str) -> list[tuple[str, str, str]]:
    """Figure, name, and what more there is to say."""
    with_person = sum(map(data.person, data.entries))
    tiles = [
        (f"{len(data.entries):,}", "results", f"{with_person:,} {data.board.outputs.pair[1]}"),
        _latency_tile(data, estimate_for),
        (f"{sum(e.retries for e in data.entries):,}", "messages sent again", ""),
    ]
    if labelled := data.labelled:
        right = sum(data.person(e) == bool(e.truth) for e in labelled)
        low, high = wilson(right, len(labelled))
        detail = f"{right:,} of {len(labelled):,}; 95 % interval {low:.1%} to {high:.1%}"
        tiles.insert(1, (f"{right / len(labelled):.1%}", "accuracy", detail))
    if compared := [e.equal for e in data.entries if e.equal is not None]:
        tiles.append((f"{sum(compared):,}/{len(compared):,}", "equal to the reference", "bit for bit"))
    if data.skipped:
        tiles.append((f"{len(data.skipped):,}", "skipped", ""))
    return tiles


def _latency_tile(data: RunData, estimate_for: str) -> tuple[str, str, str]:
    times = [entry.latency_us for entry in data.entries if entry.latency_us is not None]
    if times:
        spread = Spread.of(times)
        return (
            _ms(spread.median),
            "median latency",
            f"p95 {_ms(spread.p95)}, {_ms(spread.minimum)} to {_ms(spread.maximum)}",
        )
    spread = Spread.of(entry.ticks for entry in data.entries)
    made = estimate(spread.median, estimate_for)
    every = (
        "the same for every picture"
        if spread.minimum == spread.maximum
        else f"{spread.minimum:,} to {spread.maximum:,}"
    )
    return f"{spread.median:,}", "instructions an inference", f"{every}; {made}" if made else every


def _confusion(data: RunData) -> tuple[tuple[int, int], tuple[int, int]] | None:
    labelled = data.labelled
    if not labelled:
        return None
    return metrics.confusion([e.p_person for e in labelled], [e.truth or 0 for e in labelled], data.board.threshold)


def _gallery(data: RunData, entries: Sequence[Entry]) -> list[_Shown]:
    shown = []
    for entry in entries:
        pixels = data.drawn(entry)
        url = "" if pixels is None else "data:image/png;base64," + base64.b64encode(to_png(pixels)).decode()
        person = data.person(entry)
        shown.append(
            _Shown(
                url=url,
                name=entry.name.rsplit("/", 1)[-1] or f"frame {entry.number}",
                verdict=data.prediction(entry),
                detail=data.detail(entry),
                p_person=entry.p_person,
                person=person,
                wrong=entry.truth is not None and bool(entry.truth) != person,
            )
        )
    return shown


def _charts(data: RunData) -> list[tuple[str, str]]:
    """Title, and SVG or a sentence, of each chart."""
    counted = data.entries[0].latency_us is None
    latencies = [e.ticks / 1e6 if e.latency_us is None else e.latency_us / 1000 for e in data.entries]
    unit = f"million {data.board.clock}" if counted else "ms"
    low, high = min(latencies), max(latencies)
    if high - low < _CONSTANT * high:  # a histogram of nothing but one bar says less than a sentence
        spread = f"Every inference took {high:,.6g} {unit}"
        spread += "." if high == low else f", but for {100 * (high - low) / high:.2g} %."
    else:
        spread = charts.histogram("latency", Axis(unit, low, high), [BarGroup("results", latencies, "time")], bins=40)
    numbers = [entry.number for entry in data.entries]
    timeline = charts.line(
        "latency over the run",
        Axis("result", min(numbers), max(numbers)),
        Axis(unit, 0, 1.15 * high),
        list(zip(numbers, latencies, strict=True)),
    )
    chances = [entry.p_person for entry in data.entries]
    labelled, chance = data.labelled, data.board.outputs.chance
    groups = [BarGroup("all", chances, "time")]
    if labelled:
        groups = [
            BarGroup(data.board.outputs.pair[truth], [e.p_person for e in labelled if e.truth == truth], style)
            for truth, style in ((0, "no"), (1, "yes"))
        ]
    drawn = [
        ("Latency: distribution", spread),
        ("Latency: timeline", timeline),
        (
            f"{chance}, and the threshold",
            charts.histogram(chance, Axis(chance), groups, threshold=data.board.threshold),
        ),
    ]
    truths = [entry.truth for entry in labelled]
    if 0 in truths and 1 in truths:
        drawn += _curves([e.p_person for e in labelled], np.array(truths, int), data.board)
    if data.layers:
        drawn.append(("Latency by layer", charts.bars("latency by layer", data.board.clock, data.layers)))
    return drawn


def _curves(chances: list[float], truths: Any, board: BoardInfo) -> list[tuple[str, str]]:
    roc = metrics.roc(chances, truths)
    precision = metrics.precision_recall(chances, truths)
    bins = metrics.calibration(chances, truths)

    def at_threshold(curve: metrics.Curve) -> tuple[float, float]:
        """The point of a curve where the run's threshold lies."""
        reached = np.flatnonzero(curve.thresholds >= board.threshold)
        place = int(reached[-1]) if len(reached) else 0
        return float(curve.x[place]), float(curve.y[place])

    def points(curve: metrics.Curve) -> list[tuple[float, float]]:
        return list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))

    return [
        (
            f"ROC curve, area {metrics.roc_auc(chances, truths):.3f}",
            charts.line(
                *("ROC curve", Axis("false alarms"), Axis(f"{board.outputs.pair[1]} found"), points(roc)),
                style="yes",
                diagonal=True,
                mark=at_threshold(roc),
            ),
        ),
        (
            f"Precision over recall, average precision {metrics.average_precision(chances, truths):.3f}",
            charts.line(
                *("precision over recall", Axis("recall"), Axis("precision"), points(precision)),
                style="yes",
                mark=at_threshold(precision),
            ),
        ),
        (
            f"Calibration, expected error {metrics.calibration_error(bins):.3f}",
            charts.line(
                *("calibration", Axis("predicted"), Axis("observed"), [(b.predicted, b.observed) for b in bins]),
                dots=True,
                diagonal=True,
            ),
        ),
    ]


def _ms(us: int) -> str:
    return f"{us / 1000:.2f} ms"
