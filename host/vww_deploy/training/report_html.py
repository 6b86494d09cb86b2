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
from vww_deploy.training import charts, metrics
from vww_deploy.training.charts import Axis
from vww_deploy.training.evaluate import Answer, Evaluation, Group, worst_mistakes


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
        write_whole(path, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def _page(
    evaluation: Evaluation, person: metrics.Floats, labels: npt.NDArray[np.int64], answers: Sequence[Answer]
) -> str:
    one = evaluation
    no, yes = one.classes
    roc, recall = metrics.roc(person, labels), metrics.precision_recall(person, labels)
    f1 = metrics.f1_curve(person, labels)
    figures = [
        ("top-1", f"{one.top1:.2%}"),
        (f"{yes} found", f"{one.person:.2%}"),
        (f"{no} told so", f"{one.no_person:.2%}"),
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
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{escape(one.model)} on {escape(one.split)}</title><style>{charts.STYLE}</style><main>",
            f"<h1>{escape(one.model)} on {escape(Path(one.dataset).name)}, split {escape(one.split)}</h1>",
            f"<p>{one.pictures} pictures, {one.skipped} unreadable; ran on {escape(one.ran_on)}; threshold "
            f"{one.threshold:g}; SHA-256 of the model {escape(one.model_sha256)}.</p>",
            _table([], figures),
            f"<h2>Confusion</h2><table><tr><th></th><th>told {escape(no)}</th><th>told {escape(yes)}</th></tr>",
            f"<tr><td>{escape(no)}</td><td class=right>{right_no}</td><td class=wrong>{alarms}</td></tr>",
            f"<tr><td>{escape(yes)}</td><td class=wrong>{misses}</td><td class=right>{hits}</td></tr></table>",
            "<h2>Curves</h2><section class=charts>",
            _plot("ROC", "false alarms", f"{yes} found", _points(roc), diagonal=True),
            _plot("Precision over recall", "recall", "precision", _points(recall)),
            _plot("F1 by threshold", "threshold", "F1", _points(f1)),
            _plot("Calibration", "predicted", "observed", told, diagonal=True, dots=True),
            "</section><h2>Threshold for a wanted false-alarm rate</h2>",
            _table(
                ["wanted at most", "threshold", "false alarms", f"{yes} found"],
                [
                    (f"{t.wanted:.0%}", f"{t.threshold:.3f}", f"{t.false_alarm_rate:.2%}", f"{t.hit_rate:.2%}")
                    for t in one.thresholds
                ],
            ),
            _groups("By size of the largest person", one.by_person_size),
            _groups("By brightness", one.by_brightness),
            _groups("By source", one.by_source),
            "<h2>The worst mistakes</h2><section class=gallery>",
            *(_mistake(answer, one) for answer in worst_mistakes(answers, one.threshold)),
            "</section></main></html>\n",
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
    drawn = charts.line(title, Axis(x_name), Axis(y_name), points, dots=dots, diagonal=diagonal)
    return f"<div><h3>{escape(title)}</h3>{drawn}</div>"


def _points(curve: metrics.Curve) -> list[tuple[float, float]]:
    return list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))


def _mistake(answer: Answer, evaluation: Evaluation) -> str:
    image = preprocess.open_picture(preprocess.read_picture_file(answer.picture.path), str(answer.picture.path))
    small = Image.fromarray(preprocess.to_pixels(image, InputSpec(112, 112, 3)))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=80)
    data = base64.b64encode(content.getvalue()).decode()
    truth, chance = evaluation.classes[answer.picture.label], f"P({evaluation.classes[1]})"
    name = escape(answer.picture.path.name)
    return (
        f'<figure title="{name}"><img alt="{name}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption><b>{escape(truth)}; {escape(chance)} {answer.person:.2f}</b>{name}</figcaption></figure>"
    )
