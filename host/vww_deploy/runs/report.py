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

from vww_deploy.errors import StoreError, ToolMissing
from vww_deploy.files import write_whole
from vww_deploy.resources import install_extra
from vww_deploy.runs.recording import to_png
from vww_deploy.runs.rundata import Entry, RunData
from vww_deploy.session.latency import ESTIMATE_BOARD, estimate
from vww_deploy.spread import Spread
from vww_deploy.training import metrics

_GALLERY: Final = 12  # pictures of each kind
_WRONG: Final = 48
_MANY: Final = 5000  # points that are better drawn by WebGL
_COLOURS: Final = {"yes": "#0f9d63", "no": "#7c5ce0", "time": "#1581c4", "line": "#c9d1dc", "mark": "#d98e04"}


@dataclass(frozen=True)
class _Shown:
    """A picture of the gallery, as the template needs it."""

    url: str
    name: str
    verdict: str
    p_person: float
    person: bool
    wrong: bool


def write_report(data: RunData, path: Path, estimate_for: str = ESTIMATE_BOARD) -> None:
    """Write the report of a run to ``path``; instructions are estimated for the board ``estimate_for``.

    Raises:
        ToolMissing: plotly is not installed.
        StoreError: the file cannot be written.
    """
    html = render(data, estimate_for)
    try:
        write_whole(path, html.encode())
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}", hint="Name another with -o."
        ) from error


def render(data: RunData, estimate_for: str = ESTIMATE_BOARD) -> str:
    """The report as HTML.

    Raises:
        ToolMissing: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ToolMissing("reports need plotly, which is not installed", hint=install_extra("report")) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    wrong = [e for e in data.labelled if data.person(e) != bool(e.truth)]
    by_certainty = sorted(_once(data.entries), key=lambda e: abs(e.p_person - data.board.threshold))
    wrong.sort(key=lambda e: -abs(e.p_person - data.board.threshold))
    return environment.get_template("report.html").render(
        data=data,
        plotly=get_plotlyjs(),
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
        (f"{len(data.entries):,}", "results", f"{with_person:,} with a person"),
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
        pixels = entry.preview()
        url = "" if pixels is None else "data:image/png;base64," + base64.b64encode(to_png(pixels)).decode()
        person = data.person(entry)
        shown.append(
            _Shown(
                url=url,
                name=entry.name.rsplit("/", 1)[-1] or f"frame {entry.number}",
                verdict=data.prediction(entry),
                p_person=entry.p_person,
                person=person,
                wrong=entry.truth is not None and bool(entry.truth) != person,
            )
        )
    return shown


def _charts(data: RunData) -> list[tuple[str, str]]:
    """Title and HTML of each chart."""
    import plotly.graph_objects as go

    scatter = go.Scattergl if len(data.entries) > _MANY else go.Scatter
    latencies = [entry.ticks / 1e6 if entry.latency_us is None else entry.latency_us / 1000 for entry in data.entries]
    unit = f"million {data.board.clock}" if data.entries[0].latency_us is None else "ms"
    chances = [entry.p_person for entry in data.entries]
    charts: list[tuple[str, Any]] = [
        (
            "Latency: distribution",
            _figure([go.Histogram(x=latencies, nbinsx=40, marker_color=_COLOURS["time"])], unit, "results"),
        ),
        (
            "Latency: timeline",
            _figure(
                [
                    scatter(
                        x=[entry.number for entry in data.entries],
                        y=latencies,
                        mode="lines+markers",
                        marker={"size": 4},
                        line={"width": 1, "color": _COLOURS["time"]},
                    )
                ],
                "result",
                unit,
            ),
        ),
    ]
    labelled = data.labelled
    groups: list[tuple[str, list[float], str]] = [("all", chances, _COLOURS["time"])]
    if labelled:
        groups = [
            (_plain(data.board.outputs.pair[truth]), [e.p_person for e in labelled if e.truth == truth], colour)
            for truth, colour in ((0, _COLOURS["no"]), (1, _COLOURS["yes"]))
        ]
    histogram = _figure(
        [
            go.Histogram(
                x=values, name=name, xbins={"start": 0, "end": 1.0001, "size": 0.05}, marker_color=colour, opacity=0.75
            )
            for name, values, colour in groups
        ],
        "P(person)",
        "results",
    )
    histogram.add_vline(x=data.board.threshold, line_color=_COLOURS["mark"], line_width=2)
    histogram.update_xaxes(range=[0, 1])
    histogram.update_layout(barmode="overlay", showlegend=bool(labelled))
    charts.append(("P(person), and the threshold", histogram))
    truths = [e.truth for e in labelled]
    if 0 in truths and 1 in truths:
        charts += _curves([e.p_person for e in labelled], np.array(truths, int), data.board.threshold)
    if data.layers:
        names = [_plain(name) for name, _ in data.layers][::-1]
        counts = [ticks for _, ticks in data.layers][::-1]
        figure = _figure(
            [go.Bar(x=counts, y=names, orientation="h", marker_color=_COLOURS["time"])], data.board.clock, ""
        )
        figure.update_layout(height=max(320, 18 * len(names) + 70), margin={"l": 150})
        charts.append(("Latency by layer", figure))
    return [(title, _html(figure)) for title, figure in charts]


def _curves(chances: list[float], truths: Any, threshold: float) -> list[tuple[str, Any]]:
    import plotly.graph_objects as go

    roc = metrics.roc(chances, truths)
    precision = metrics.precision_recall(chances, truths)
    line = {"color": _COLOURS["yes"], "width": 2}
    bins = metrics.calibration(chances, truths)

    def at_threshold(curve: metrics.Curve) -> Any:
        """The point of a curve where the run's threshold lies."""
        reached = np.flatnonzero(curve.thresholds >= threshold)
        place = int(reached[-1]) if len(reached) else 0
        return go.Scatter(
            x=[curve.x[place]], y=[curve.y[place]], mode="markers", marker={"size": 10, "color": _COLOURS["mark"]}
        )

    def unit(traces: list[Any], x: str, y: str) -> Any:
        """A figure of shares."""
        figure = _figure(traces, x, y)
        figure.update_xaxes(range=[-0.02, 1.02])
        figure.update_yaxes(range=[-0.02, 1.02])
        return figure

    diagonal = go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": _COLOURS["line"], "dash": "dot"})
    return [
        (
            f"ROC curve, area {metrics.roc_auc(chances, truths):.3f}",
            unit(
                [diagonal, go.Scatter(x=roc.x, y=roc.y, mode="lines", line=line), at_threshold(roc)],
                "false alarms",
                "persons found",
            ),
        ),
        (
            f"Precision over recall, average precision {metrics.average_precision(chances, truths):.3f}",
            unit(
                [go.Scatter(x=precision.x, y=precision.y, mode="lines", line=line), at_threshold(precision)],
                "recall",
                "precision",
            ),
        ),
        (
            f"Calibration, expected error {metrics.calibration_error(bins):.3f}",
            unit(
                [
                    diagonal,
                    go.Scatter(
                        x=[b.predicted for b in bins],
                        y=[b.observed for b in bins],
                        mode="lines+markers",
                        marker={"size": [6 + 2 * math.log2(b.pictures) for b in bins]},
                        line=line,
                    ),
                ],
                "predicted",
                "observed",
            ),
        ),
    ]


def _figure(traces: Sequence[Any], x: str, y: str) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure(list(traces))
    figure.update_layout(
        template="plotly_white",
        height=320,
        margin={"l": 55, "r": 15, "t": 10, "b": 45},
        xaxis_title=x,
        yaxis_title=y,
        showlegend=False,
        font={"family": "system-ui, sans-serif", "size": 12},
        legend={"orientation": "h", "y": 1.12},
    )
    return figure


def _html(figure: Any) -> str:
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True})
    )


def _plain(text: str) -> str:
    """Text for plotly, which reads some tags in it: they are shown as they are."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _ms(us: int) -> str:
    return f"{us / 1000:.2f} ms"
