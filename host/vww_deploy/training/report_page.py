"""The HTML page of a run's report and of an evaluation's: one design, and a file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
import numpy.typing as npt

from vww_deploy.training import charts, metrics
from vww_deploy.training.charts import Axis

Tile = tuple[str, str, str]
"""A figure, its name, and what more there is to say."""

Chart = tuple[str, str]
"""A title, and SVG or a sentence."""

TableOfPage = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, the headings and the rows."""


@dataclass(frozen=True)
class ShownResult:
    """A picture of a gallery.

    Attributes:
        url: a data URL; empty if the picture is gone.
        name: of its file.
        verdict: what the model says.
        detail: what more it says.
        p_person: 0..1.
        person: whether the verdict is a person.
        wrong: whether that is not what the label says.
    """

    url: str
    name: str
    verdict: str
    detail: str
    p_person: float
    person: bool
    wrong: bool


@dataclass(frozen=True)
class ReportPage:
    """What a report shows; all text is escaped, only SVG is taken as it is.

    Attributes:
        title: of the page.
        facts: name and value of what holds for all of it.
        tiles: the figures at its top.
        classes: what an answer without and one with a person are called.
        confusion: by truth and prediction; None without labels.
        charts: in their order.
        tables: likewise.
        galleries: title, what is in it, and pictures.
        skipped: what was left out, and why.
        footer: what the figures mean.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    tiles: Sequence[Tile]
    classes: tuple[str, str]
    confusion: tuple[tuple[int, int], tuple[int, int]] | None
    charts: Sequence[Chart]
    tables: Sequence[TableOfPage]
    galleries: Sequence[tuple[str, str, Sequence[ShownResult]]]
    skipped: Sequence[str]
    footer: str


def render(page: ReportPage) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html").render(page=page, style=charts.STYLE)


def accuracy_tile(name: str, right: int, total: int) -> Tile:
    """A share with its 95 % interval."""
    if not total:
        return "-", name, "no such picture"
    return f"{right / total:.1%}", name, f"{right:,} of {total:,}; 95 % interval {interval(right, total)}"


def interval(right: int, total: int) -> str:
    """The 95 % interval of a share in words."""
    low, high = metrics.wilson(right, total)
    return f"{low:.1%} to {high:.1%}"


def accuracy_charts(
    chances: Sequence[float], truths: npt.NDArray[np.int64], threshold: float, person: str
) -> list[Chart]:
    """Curves of labelled pictures of both classes; ``person`` is what an answer with a person is called."""
    roc = metrics.roc(chances, truths)
    precision = metrics.precision_recall(chances, truths)
    bins = metrics.calibration(chances, truths)

    def at_threshold(curve: metrics.Curve) -> tuple[float, float]:
        """The point of a curve where the threshold lies."""
        reached = np.flatnonzero(curve.thresholds >= threshold)
        place = int(reached[-1]) if len(reached) else 0
        return float(curve.x[place]), float(curve.y[place])

    return [
        (
            f"ROC curve, area {metrics.roc_auc(chances, truths):.3f}",
            charts.line(
                *("ROC curve", Axis("false alarms"), Axis(f"{person} found"), points(roc)),
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


def points(curve: metrics.Curve) -> list[tuple[float, float]]:
    """A curve as :func:`vww_deploy.training.charts.line` takes it."""
    return list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))
