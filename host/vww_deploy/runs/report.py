"""A run as one HTML file that needs nothing else: no network, no other files."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from vww_deploy.errors import StoreError
from vww_deploy.files import write_whole
from vww_deploy.runs.boards import BoardComparison, Disagreement, compare_boards
from vww_deploy.runs.recording import to_png
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.rundata import RunData
from vww_deploy.session.latency import ESTIMATE_BOARD, clock_text, estimate, latency_text
from vww_deploy.spread import Spread
from vww_deploy.training import charts, metrics, report_page
from vww_deploy.training.charts import Axis, BarGroup
from vww_deploy.training.report_page import (
    Chart,
    ReportPage,
    ShownResult,
    TableOfPage,
    Tile,
    accuracy_charts,
    accuracy_tile,
)

_GALLERY: Final = 12  # pictures of each kind
_WRONG: Final = 48
BOARD_COLUMNS: Final = (
    *("board", "serial number", "results", "median latency", "95th percentile", "equal to the reference"),
    *("pictures of the first board's", "flips", "other outputs"),
)
_CONSTANT: Final = 0.01  # of the largest latency: all closer together than that are one


def write_report(data: RunData, path: Path, estimate_for: str = ESTIMATE_BOARD) -> None:
    """Write the report of a run to ``path``; instructions are estimated for the board ``estimate_for``.

    Raises:
        StoreError: the file cannot be written.
    """
    _write(render(data, estimate_for), path)


def write_boards_report(
    runs: Sequence[RunData], found: BoardComparison, path: Path, estimate_for: str = ESTIMATE_BOARD
) -> None:
    """Write the report of several boards with one model, as :func:`compare_boards` found them in ``runs``.

    Raises:
        StoreError: the file cannot be written.
    """
    _write(render_boards(runs, found, estimate_for), path)


def _write(html: str, path: Path) -> None:
    try:
        write_whole(path, html.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}", hint="Name another with -o."
        ) from error


def render(data: RunData, estimate_for: str = ESTIMATE_BOARD) -> str:
    """The report as HTML."""
    wrong = [e for e in data.labelled if data.person(e) != bool(e.truth)]
    by_certainty = sorted(_once(data.entries), key=lambda e: abs(e.inference.p_person - data.board.threshold))
    wrong.sort(key=lambda e: -abs(e.inference.p_person - data.board.threshold))
    outputs = data.board.outputs
    return report_page.render(
        ReportPage(
            title=data.title.replace("run ", "Run ", 1),
            facts=_facts(data),
            tiles=_tiles(data, estimate_for),
            classes=outputs.pair,
            confusion=_confusion(data),
            charts=_charts(data),
            tables=_by_board(data, estimate_for),
            galleries=[
                ("Most certain", "farthest from the threshold", _gallery(data, by_certainty[::-1][:_GALLERY])),
                ("Least certain", "nearest to the threshold", _gallery(data, by_certainty[:_GALLERY])),
                ("Wrong", "the most certain first", _gallery(data, _once(wrong)[:_WRONG])),
            ],
            skipped=[reason for _, reason in data.skipped],
            footer=f"{outputs.chance} is the model's own probability of {outputs.pair[1]}; latency is that of the "
            "inference alone, by the board's clock.",
        )
    )


def render_boards(runs: Sequence[RunData], found: BoardComparison, estimate_for: str = ESTIMATE_BOARD) -> str:
    """The report of several boards as HTML."""
    outputs = runs[0].board.outputs
    boards, flips = len(found.boards), len(found.disagreements)
    return report_page.render(
        ReportPage(
            title=f"{found.model} on {boards} board{'' if boards == 1 else 's'}",
            facts=[
                ("model", f"{found.model}, SHA-256 {found.model_sha256[:16]}"),
                ("runs", ", ".join(run.title for run in runs)),
                ("threshold", ", ".join(sorted({f"{run.board.threshold:.2f}" for run in runs}))),
            ],
            tiles=[
                (f"{sum(board.results for board in found.boards):,}", "results", ""),
                (f"{found.shared:,}", "pictures on several boards", ""),
                (f"{flips:,}", "pictures on which they disagree", ""),
            ],
            classes=outputs.pair,
            confusion=None,
            charts=_latency_of_boards(found),
            tables=[_board_table(found, estimate_for)],
            galleries=[("Boards disagree", "in the order of the first run", _disagreements(found))],
            skipped=[f"{run.title}: {reason}" for run in runs for _, reason in run.skipped],
            footer=f"Flips and other outputs are against the first board, over the pictures that both did. "
            f"{outputs.chance} is the model's own probability of {outputs.pair[1]}.",
        )
    )


def board_rows(found: BoardComparison, estimate_for: str = ESTIMATE_BOARD) -> list[tuple[str, ...]]:
    """A row of text for each board, under :data:`BOARD_COLUMNS`."""
    rows: list[tuple[str, ...]] = []
    for number, one in enumerate(found.boards):
        median, p95 = (
            latency_text(ticks, None if one.latency_us is None else us, estimate_for)
            for ticks, us in zip(
                (one.ticks.median, one.ticks.p95),
                (one.latency_us.median, one.latency_us.p95) if one.latency_us else (0, 0),
                strict=True,
            )
        )
        against = ("", "", "") if number == 0 else (f"{one.common:,}", f"{one.flips:,}", f"{one.outputs:,}")
        equal = f"{one.equal:,}/{one.compared:,}" if one.compared else "-"
        rows.append((one.board, one.serial, f"{one.results:,}", median, p95, equal, *against))
    return rows


def _by_board(data: RunData, estimate_for: str) -> list[TableOfPage]:
    found = compare_boards([data])
    return [_board_table(found, estimate_for)] if len(found.boards) > 1 else []


def _board_table(found: BoardComparison, estimate_for: str) -> TableOfPage:
    return "By board", BOARD_COLUMNS, board_rows(found, estimate_for)


def _latency_of_boards(found: BoardComparison) -> list[Chart]:
    """Median latency as bars, where all boards measure the same thing."""
    names = [f"{one.board} {one.serial}" for one in found.boards]
    times = [one.latency_us for one in found.boards]
    if all(time is not None for time in times):
        rows = [(name, time.median) for name, time in zip(names, times, strict=True) if time is not None]
        return [("Latency by board", charts.bars("median latency", "microseconds", rows))]
    if not any(times) and len({one.clock for one in found.boards}) == 1:
        ticks = [(name, one.ticks.median) for name, one in zip(names, found.boards, strict=True)]
        return [("Latency by board", charts.bars("median latency", found.boards[0].clock, ticks))]
    return []


def _disagreements(found: BoardComparison) -> list[ShownResult]:
    shown = []
    for one in found.disagreements[:_WRONG]:
        data, entry = one.first
        (picture,) = _gallery(data, [entry])
        shown.append(replace(picture, detail=disagreement_text(found, one)))
    return shown


def disagreement_text(found: BoardComparison, one: Disagreement) -> str:
    """What each board says of a picture."""
    said = [
        f"{board.board} {board.serial}: {answer[0].prediction(answer[1])} {answer[1].inference.p_person:.3f}"
        for board, answer in zip(found.boards, one.answers, strict=True)
        if answer is not None
    ]
    return "; ".join(said)


def _once(entries: Sequence[StoredResult]) -> list[StoredResult]:
    """Each picture once, its first result."""
    seen: dict[str, StoredResult] = {}
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
        ("clock", clock_text(board.clock, board.clock_hz)),
        ("started (UTC)", data.started[:19].replace("T", " ")),
        ("state", data.state),
    ]
    return [(name, value) for name, value in facts if value]


def _tiles(data: RunData, estimate_for: str) -> list[Tile]:
    with_person = sum(map(data.person, data.entries))
    tiles = [
        (f"{len(data.entries):,}", "results", f"{with_person:,} {data.board.outputs.pair[1]}"),
        _latency_tile(data, estimate_for),
        (f"{sum(e.inference.retries for e in data.entries):,}", "messages sent again", ""),
    ]
    if labelled := data.labelled:
        right = sum(data.person(e) == bool(e.truth) for e in labelled)
        tiles.insert(1, accuracy_tile("accuracy", right, len(labelled)))
    if compared := [e.inference.equal for e in data.entries if e.inference.equal is not None]:
        tiles.append((f"{sum(compared):,}/{len(compared):,}", "equal to the reference", "bit for bit"))
    if data.skipped:
        tiles.append((f"{len(data.skipped):,}", "skipped", ""))
    return tiles


def _latency_tile(data: RunData, estimate_for: str) -> Tile:
    times = [entry.inference.latency_us for entry in data.entries if entry.inference.latency_us is not None]
    if times:
        spread = Spread.of(times)
        return (
            _ms(spread.median),
            "median latency",
            f"p95 {_ms(spread.p95)}, {_ms(spread.minimum)} to {_ms(spread.maximum)}",
        )
    spread = Spread.of(entry.inference.ticks for entry in data.entries)
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
    chances = [e.inference.p_person for e in labelled]
    return metrics.confusion(chances, [e.truth or 0 for e in labelled], data.board.threshold)


def _gallery(data: RunData, entries: Sequence[StoredResult]) -> list[ShownResult]:
    shown = []
    for entry in entries:
        pixels = data.drawn(entry)
        url = "" if pixels is None else "data:image/png;base64," + base64.b64encode(to_png(pixels)).decode()
        person = data.person(entry)
        shown.append(
            ShownResult(
                url=url,
                name=entry.path.rsplit("/", 1)[-1] or f"picture {entry.inference.number}",
                verdict=data.prediction(entry),
                detail=data.detail(entry),
                p_person=entry.inference.p_person,
                person=person,
                wrong=entry.truth is not None and bool(entry.truth) != person,
            )
        )
    return shown


def _charts(data: RunData) -> list[Chart]:
    made = [entry.inference for entry in data.entries]
    counted = made[0].latency_us is None
    latencies = [one.ticks / 1e6 if one.latency_us is None else one.latency_us / 1000 for one in made]
    unit = f"million {data.board.clock}" if counted else "ms"
    low, high = min(latencies), max(latencies)
    if high - low < _CONSTANT * high:  # a histogram of nothing but one bar says less than a sentence
        spread = f"Every inference took {high:,.6g} {unit}"
        spread += "." if high == low else f", but for {100 * (high - low) / high:.2g} %."
    else:
        spread = charts.histogram("latency", Axis(unit, low, high), [BarGroup("results", latencies, "time")], bins=40)
    numbers = [entry.inference.number for entry in data.entries]
    timeline = charts.line(
        "latency over the run",
        Axis("result", min(numbers), max(numbers)),
        Axis(unit, 0, 1.15 * high),
        list(zip(numbers, latencies, strict=True)),
    )
    chances = [entry.inference.p_person for entry in data.entries]
    labelled, chance = data.labelled, data.board.outputs.chance
    groups = [BarGroup("all", chances, "time")]
    if labelled:
        groups = [
            BarGroup(
                data.board.outputs.pair[truth], [e.inference.p_person for e in labelled if e.truth == truth], style
            )
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
        chances = [e.inference.p_person for e in labelled]
        drawn += accuracy_charts(chances, np.array(truths, int), data.board.threshold, data.board.outputs.pair[1])
    if data.layers:
        drawn.append(("Latency by layer", charts.bars("latency by layer", data.board.clock, data.layers)))
    return drawn


def _ms(us: int) -> str:
    return f"{us / 1000:.2f} ms"
