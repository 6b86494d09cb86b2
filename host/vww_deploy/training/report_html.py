"""An evaluation as one HTML file that needs nothing else: curves as SVG, pictures inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
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
from vww_deploy.training.report_page import (
    ReportPage,
    ShownResult,
    TableOfPage,
    accuracy_charts,
    accuracy_tile,
    interval,
    points,
    render,
)


def write_report(evaluation: Evaluation, answers: Sequence[Answer], path: Path) -> None:
    """Write the report.

    Raises:
        DataError: the file cannot be written.
    """
    person = np.array([one.person for one in answers])
    labels = np.array([one.picture.label for one in answers])
    page = render(_page(evaluation, person, labels, answers))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from error


def _page(
    evaluation: Evaluation, person: metrics.Floats, labels: npt.NDArray[np.int64], answers: Sequence[Answer]
) -> ReportPage:
    one = evaluation
    no, yes = one.classes
    (right_no, alarms), (misses, hits) = one.confusion
    f1 = charts.line("F1 by threshold", Axis("threshold"), Axis("F1"), points(metrics.f1_curve(person, labels)))
    wanted = [
        (f"{t.wanted:.0%}", f"{t.threshold:.3f}", f"{t.false_alarm_rate:.2%}", f"{t.hit_rate:.2%}")
        for t in one.thresholds
    ]
    return ReportPage(
        title=f"{one.model} on {Path(one.dataset).name}, split {one.split}",
        facts=[
            ("pictures", f"{one.pictures:,}"),
            ("unreadable", f"{one.skipped:,}"),
            ("ran on", one.ran_on),
            ("threshold", f"{one.threshold:g}"),
            ("model", f"{one.model}, SHA-256 {one.model_sha256[:16]}"),
        ],
        tiles=[
            accuracy_tile("top-1", right_no + hits, one.pictures),
            accuracy_tile(f"{yes} found", hits, hits + misses),
            accuracy_tile(f"{no} recognised", right_no, right_no + alarms),
            (f"{one.f1:.3f}", "F1", f"best {one.best_f1:.3f} at threshold {one.best_f1_threshold:.3f}"),
        ],
        classes=one.classes,
        confusion=one.confusion,
        charts=[*accuracy_charts(person.tolist(), labels, one.threshold, yes), ("F1 by threshold", f1)],
        tables=[
            (
                "Threshold for a wanted false-alarm rate",
                ("wanted at most", "threshold", "false alarms", f"{yes} found"),
                wanted,
            ),
            _groups("By size of the largest person", one.by_person_size),
            _groups("By brightness", one.by_brightness),
            _groups("By source", one.by_source),
        ],
        galleries=[
            (
                "Wrong",
                "the most certain first",
                [_shown(answer, one) for answer in worst_mistakes(answers, one.threshold)],
            )
        ],
        skipped=(),
        footer=f"Percentages are of the pictures with a label; P({yes}) is the model's own probability of {yes}.",
    )


def _groups(title: str, groups: Sequence[Group]) -> TableOfPage:
    rows = [
        (one.name, f"{one.pictures:,}", f"{one.top1:.1%}", interval(round(one.top1 * one.pictures), one.pictures))
        for one in groups
    ]
    return title, ("", "pictures", "top-1", "95 % interval"), rows


def _shown(answer: Answer, evaluation: Evaluation) -> ShownResult:
    image = preprocess.open_picture(preprocess.read_picture_file(answer.picture.path), str(answer.picture.path))
    small = Image.fromarray(preprocess.to_pixels(image, InputSpec(112, 112, 3)))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=80)
    person = answer.person >= evaluation.threshold
    return ShownResult(
        url="data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode(),
        name=answer.picture.path.name,
        verdict=evaluation.classes[person],
        detail="",
        p_person=answer.person,
        person=person,
        wrong=person != bool(answer.picture.label),
    )
