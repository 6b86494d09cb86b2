"""An evaluation as one HTML file that needs nothing else: curves as SVG, pictures inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from vww_deploy.errors import DataError
from vww_deploy.files import write_whole
from vww_deploy.pictures import preprocess
from vww_deploy.pictures.card import InputSpec
from vww_deploy.training import metrics
from vww_deploy.training.evaluate import Answer, Evaluation, Group, worst_mistakes

_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;margin:.5rem 0}
td,th{padding:.25rem .8rem;text-align:right;border-bottom:1px solid #dde2e8}
td:first-child,th:first-child{text-align:left}.row{display:flex;flex-wrap:wrap;gap:1.5rem}
figure{margin:0}figcaption{font-size:.85rem;color:#52606d}.grid{display:flex;flex-wrap:wrap;gap:.6rem}
.grid figure{width:112px}.grid img{width:112px;height:112px;image-rendering:auto}
.right{background:#e3f4e8}.wrong{background:#fbe6e3}
"""


def write_report(evaluation: Evaluation, answers: Sequence[Answer], path: Path) -> None:
    """Write the report.

    Raises:
        DataError: the file cannot be written.
    """
    person = np.array([one.person for one in answers])
    labels = np.array([one.picture.label for one in answers])
    page = _page(evaluation, person, labels, answers)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page.encode())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def _page(
    evaluation: Evaluation, person: metrics.Floats, labels: npt.NDArray[np.int64], answers: Sequence[Answer]
) -> str:
    one = evaluation
    roc, recall = metrics.roc(person, labels), metrics.precision_recall(person, labels)
    f1 = metrics.f1_curve(person, labels)
    figures = [
        ("top-1", f"{one.top1:.2%}"),
        ("persons found", f"{one.person:.2%}"),
        ("no person told so", f"{one.no_person:.2%}"),
        ("ROC AUC", f"{one.roc_auc:.4f}"),
        ("average precision", f"{one.average_precision:.4f}"),
        ("F1", f"{one.f1:.4f}"),
        ("best F1", f"{one.best_f1:.4f} at threshold {one.best_f1_threshold:.3f}"),
        ("calibration error", f"{one.calibration_error:.4f}"),
    ]
    (right_no, alarms), (misses, hits) = one.confusion
    told = [(b.predicted, b.observed) for b in one.calibration]
    return "".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
            f"<title>{escape(one.model)} on {escape(one.split)}</title><style>{_STYLE}</style>",
            f"<h1>{escape(one.model)} on {escape(Path(one.dataset).name)}, split {escape(one.split)}</h1>",
            f"<p>{one.pictures} pictures, {one.skipped} unreadable; ran on {escape(one.ran_on)}; threshold "
            f"{one.threshold:g}; SHA-256 of the model {escape(one.model_sha256)}.</p>",
            _table([], figures),
            "<h2>Confusion</h2><table><tr><th></th><th>told no person</th><th>told person</th></tr>",
            f"<tr><td>no person</td><td class=right>{right_no}</td><td class=wrong>{alarms}</td></tr>",
            f"<tr><td>person</td><td class=wrong>{misses}</td><td class=right>{hits}</td></tr></table>",
            "<h2>Curves</h2><div class=row>",
            _plot("ROC", "false alarms", "hits", list(zip(roc.x, roc.y, strict=True)), diagonal=True),
            _plot("Precision and recall", "recall", "precision", list(zip(recall.x, recall.y, strict=True))),
            _plot("F1 by threshold", "threshold", "F1", list(zip(f1.x, f1.y, strict=True))),
            _plot("Calibration", "predicted", "observed", told, diagonal=True, dots=True),
            "</div><h2>Threshold for a wanted false-alarm rate</h2>",
            _table(
                ["wanted at most", "threshold", "false alarms", "persons found"],
                [
                    (f"{t.wanted:.0%}", f"{t.threshold:.3f}", f"{t.false_alarm_rate:.2%}", f"{t.hit_rate:.2%}")
                    for t in one.thresholds
                ],
            ),
            _groups("By size of the largest person", one.by_person_size),
            _groups("By brightness", one.by_brightness),
            _groups("By source", one.by_source),
            "<h2>The worst mistakes</h2><div class=grid>",
            *(_mistake(answer) for answer in worst_mistakes(answers, one.threshold)),
            "</div></html>\n",
        ]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{top}</tr>' if head else ''}{body}</table>"


def _groups(title: str, groups: Sequence[Group]) -> str:
    if not groups:
        return ""
    rows = [(group.name, str(group.pictures), f"{group.top1:.2%}") for group in groups]
    return f"<h2>{title}</h2>" + _table(["", "pictures", "top-1"], rows)


def _plot(
    title: str,
    x_name: str,
    y_name: str,
    points: Sequence[tuple[float, float]],
    *,
    diagonal: bool = False,
    dots: bool = False,
) -> str:
    """A small line chart over 0..1 by 0..1."""
    side, edge = 240, 34

    def at(x: float, y: float) -> str:
        return f"{edge + min(1.0, x) * side:.1f},{8 + (1 - y) * side:.1f}"

    thin = points[:: max(1, len(points) // 400)]
    line = " ".join(at(x, y) for x, y in [*thin, points[-1]])
    marks = "".join(
        f"<circle cx='{at(x, y).split(',')[0]}' cy='{at(x, y).split(',')[1]}' r='3' fill='#1763a6'/>" for x, y in points
    )
    ticks = "".join(
        f"<text x='{edge + t * side}' y='{side + 24}' font-size='11' text-anchor='middle'>{t:g}</text>"
        f"<text x='{edge - 5}' y='{12 + (1 - t) * side}' font-size='11' text-anchor='end'>{t:g}</text>"
        for t in (0, 0.5, 1)
    )
    ends = [at(0, 0), at(1, 1)]
    guide = (
        f"<polyline points='{ends[0]} {ends[1]}' stroke='#b8c1cc' stroke-dasharray='4' fill='none'/>"
        if diagonal
        else ""
    )
    return (
        f"<figure><svg role=img aria-label='{escape(title)}' width='{side + edge + 14}' height='{side + 34}'>"
        f"<rect x='{edge}' y='8' width='{side}' height='{side}' fill='none' stroke='#b8c1cc'/>{guide}{ticks}"
        f"<polyline points='{line}' fill='none' stroke='#1763a6' stroke-width='2'/>{marks if dots else ''}</svg>"
        f"<figcaption>{escape(title)}: {escape(x_name)} (across), {escape(y_name)} (up)</figcaption></figure>"
    )


def _mistake(answer: Answer) -> str:
    image = preprocess.open_picture(preprocess.read_picture_file(answer.picture.path), str(answer.picture.path))
    small = Image.fromarray(preprocess.to_pixels(image, InputSpec(112, 112, 3)))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=80)
    data = base64.b64encode(content.getvalue()).decode()
    truth = "person" if answer.picture.label else "no person"
    return (
        f"<figure><img alt='{escape(answer.picture.path.name)}' src='data:image/jpeg;base64,{data}'>"
        f"<figcaption>{truth}; P(person) {answer.person:.2f}</figcaption></figure>"
    )
