"""``vww-deploy evaluate``: how good a model is on labelled pictures, on this computer or on a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common, data_options, fleet_options
from vww_deploy.cli.data_options import DataArgument, PicturesOption
from vww_deploy.cli.model_outputs import EvaluateOutput

if TYPE_CHECKING:
    from vww_deploy.graph.model import Model
    from vww_deploy.training.datasets import Dataset, LabelledPicture
    from vww_deploy.training.degradation import Degraded
    from vww_deploy.training.evaluate import Answer, Evaluation, Group, ThresholdChoice


def command(
    model: Annotated[str, typer.Argument(help="A .tflite file or the name of a shipped model.", metavar="MODEL")],
    data: DataArgument,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="train, val, test, or all.")] = "test",
    pictures: PicturesOption = None,
    labels: common.LabelsOption = None,
    person_label: common.PersonLabelOption = None,
    on_board: Annotated[
        str | None,
        typer.Option(
            "--board", "-b", metavar="BOARD", help="Run on this board instead of the reference on this computer."
        ),
    ] = None,
    port: common.PortOption = None,
    cluster: fleet_options.ClusterOption = None,
    boards: fleet_options.BoardsOption = None,
    shard: fleet_options.ShardOption = fleet_options.SHARD_DEFAULT,
    limit: Annotated[int, typer.Option("--limit", help="Only so many pictures, drawn at random; 0: all.", min=0)] = 0,
    false_alarms: Annotated[
        float | None,
        typer.Option("--false-alarm-rate", help="Say the threshold for this rate of false alarms, 0..1.", min=0, max=1),
    ] = None,
    save_threshold: Annotated[
        bool,
        typer.Option("--save-threshold", help="Write that threshold into the model's card: run and monitor use it."),
    ] = False,
    degrade: Annotated[
        bool,
        typer.Option("--degrade", help="Also measure in the dark, blurred, noisy, turned, ...; on this computer only."),
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write a report.", metavar="FILE")] = None,
    store: common.StoreOption = None,
    as_json: common.JsonOption = False,
) -> None:
    """Measure a model on labelled pictures: accuracy, curves, thresholds, by person size and brightness.

    Example: vww-deploy evaluate person_96_gray photos/ --split val --html report.html
    """
    from vww_deploy.errors import DataError
    from vww_deploy.graph.model import Model
    from vww_deploy.training import evaluate as evaluation
    from vww_deploy.training.report_html import write_report

    fleet_options.refuse_beside(cluster, boards, board=on_board, port=port)
    if save_threshold and false_alarms is None:
        raise DataError("no threshold to save", hint="Name the rate: --false-alarm-rate 0.05 --save-threshold")
    loaded = Model.load(model, labels=labels, person_label=person_label)
    if loaded.outputs.doubt:
        raise DataError(f"{loaded.name} cannot be judged", hint=loaded.outputs.doubt)
    dataset = data_options.read(data, pictures, loaded.outputs)
    chosen = _limited(dataset if split == "all" else dataset.split(split), limit)
    if cluster is not None:
        answers, skipped = _on_fleet(loaded, chosen, cluster, boards, shard, store)
    elif on_board is None:
        with common.progress() as bar:
            task = bar.add_task("evaluating", total=len(chosen.pictures))
            answers, skipped = evaluation.answer_all(
                loaded, chosen, evaluation.reference_probability(loaded), lambda: bar.advance(task)
            )
    else:
        answers, skipped = _on_board(loaded, chosen, on_board, port, store)
    for text in skipped[:3]:
        common.notice(text)
    ran_on = "the reference on this computer" if on_board is None else f"board {on_board}"
    ran_on = ran_on if cluster is None else f"the fleet {cluster}"
    result = evaluation.evaluate(loaded, chosen, answers, split=split, ran_on=ran_on, skipped=len(skipped))
    degraded = _degraded(loaded, chosen) if degrade else ()
    wanted = None
    if false_alarms is not None:
        person, truths = [one.person for one in answers], [one.picture.label for one in answers]
        wanted = evaluation.choose_threshold(person, truths, false_alarms)
    if html is not None:
        write_report(result, answers, html)
    if save_threshold and wanted is not None:
        _save(loaded, wanted)
    if as_json:
        common.print_json(EvaluateOutput(result, wanted, list(degraded)))
    else:
        _print(result, wanted)
        _print_degraded(degraded, result.classes)
        if html is not None:
            common.out.print(f"[green]✓[/] {escape(str(html))}")


def _degraded(model: Model, dataset: Dataset) -> tuple[Degraded, ...]:
    """The model's accuracy under every degradation, by the reference."""
    from vww_deploy.training.degradation import DEGRADATIONS, degraded_accuracy
    from vww_deploy.training.evaluate import reference_probability

    with common.progress() as bar:
        task = bar.add_task("degrading", total=(1 + len(DEGRADATIONS)) * len(dataset.pictures))
        return degraded_accuracy(model, dataset, reference_probability(model), lambda: bar.advance(task))


def _limited(dataset: Dataset, limit: int) -> Dataset:
    """At most so many pictures, the same ones every time."""
    import numpy as np

    from vww_deploy.training.datasets import Dataset

    if not limit or limit >= len(dataset.pictures):
        return dataset
    order = np.sort(np.random.default_rng(1).permutation(len(dataset.pictures))[:limit])
    return Dataset(dataset.origin, tuple(dataset.pictures[i] for i in order))


def _on_board(
    model: Model, dataset: Dataset, board: str, port: str | None, store: Path | None
) -> tuple[list[Answer], list[str]]:
    """The board's answers, recorded as a run; the pictures go over the same session that ``run`` uses."""
    from vww_deploy.link.inference import Inference
    from vww_deploy.pictures.gather import Picture
    from vww_deploy.runs.store import Store
    from vww_deploy.runs.stream import run_header, stream_run
    from vww_deploy.session import events
    from vww_deploy.session.connect import open_session

    pictures = [Picture(str(one.path), one.label) for one in dataset.pictures]
    answers: list[Answer] = []
    skipped: list[str] = []
    with (
        Store(store) as opened,
        open_session(model, board=board, port=port, compare=False) as session,
        common.progress() as bar,
    ):
        task = bar.add_task(f"on {board}", total=len(pictures))
        writer = opened.begin(run_header(session), pictures)
        for event in stream_run(session, writer, dict(enumerate(pictures))):
            if isinstance(event, Inference):
                answers.append(_answer(dataset.pictures[event.number], event.p_person))
                bar.advance(task)
            elif isinstance(event, events.Skipped):
                skipped.append(event.reason)
                bar.advance(task)
    return answers, skipped


def _on_fleet(
    model: Model, dataset: Dataset, cluster: str, boards: str | None, shard: int, store: Path | None
) -> tuple[list[Answer], list[str]]:
    """The same over the boards of a fleet."""
    from vww_deploy.fleet.run import FleetRun, work_of
    from vww_deploy.pictures.gather import Picture
    from vww_deploy.runs.store import Store

    pictures = [Picture(str(one.path), one.label) for one in dataset.pictures]
    with Store(store) as opened, fleet_options.joined(cluster) as fleet:
        kind, number = fleet.choose(boards)
        run = FleetRun(fleet, model, work_of(model, kind, compare=False), number, opened, shard)
        fleet_options.follow(run, run.start(pictures), len(pictures), quiet=True)
        assert run.writer is not None
        stored = opened.results(run.writer.run)
        answers = [_answer(dataset.pictures[one.inference.number], one.inference.p_person) for one in stored]
        return answers, [one.reason for one in opened.skipped(run.writer.run)]


def _answer(picture: LabelledPicture, p_person: float) -> Answer:
    """A board's answer beside what the evaluation asks of the picture itself."""
    from vww_deploy.pictures import preprocess
    from vww_deploy.training.evaluate import Answer, brightness_of

    image = preprocess.open_picture(preprocess.read_picture_file(picture.path), str(picture.path))
    return Answer(picture, p_person, brightness_of(image))


def _save(model: Model, wanted: ThresholdChoice) -> None:
    """The threshold into the card."""
    import dataclasses

    from vww_deploy.errors import DataError

    card = dataclasses.replace(model.card, threshold=min(1.0, wanted.threshold))
    path = model.path.with_suffix(".json")
    try:
        card.save(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}", hint="Copy the model first.") from error
    common.notice(f"{path} now says threshold {card.threshold:.4f}")


def _print(result: Evaluation, wanted: ThresholdChoice | None) -> None:
    from vww_deploy.training.report_page import interval

    common.out.print(
        f"[bold]{escape(result.model)}[/], {result.pictures} pictures of {escape(result.split)}, on {result.ran_on}",
        soft_wrap=True,
    )
    (right_no, alarms), (misses, hits) = result.confusion
    without, positive = map(escape, result.classes)
    between = interval(right_no + hits, result.pictures)
    for name, text in (
        ("top-1", f"{result.top1:.2%} (95 % interval {between}; threshold {result.threshold:g})"),
        (positive, f"{result.person:.2%}: {hits} found, {misses} missed"),
        (without, f"{result.no_person:.2%}: {right_no} recognised, {alarms} false alarms"),
        ("ROC AUC", f"{result.roc_auc:.4f}"),
        ("avg precision", f"{result.average_precision:.4f}"),
        ("F1", f"{result.f1:.4f}; best {result.best_f1:.4f} at threshold {result.best_f1_threshold:.3f}"),
        ("calibration", f"off by {result.calibration_error:.4f} on average"),
    ):
        common.out.print(f"{name:<14} {text}")
    _groups("person size", result.by_person_size)
    _groups("brightness", result.by_brightness)
    table = Table("false alarms at most", "threshold", "false alarms", f"{positive} found", box=None, pad_edge=False)
    for choice in (*result.thresholds, *([wanted] if wanted else [])):
        table.add_row(
            f"{choice.wanted:.1%}",
            f"{choice.threshold:.4f}",
            f"{choice.false_alarm_rate:.2%}",
            f"{choice.hit_rate:.2%}",
        )
    common.out.print(table)


def _print_degraded(figures: tuple[Degraded, ...], classes: tuple[str, str]) -> None:
    if not figures:
        return
    from vww_deploy.training.degradation import mean_loss

    table = Table("degraded", "top-1", "lost", escape(classes[1]), escape(classes[0]), box=None, pad_edge=False)
    for one in figures:
        lost = f"{100 * (figures[0].top1 - one.top1):.1f}"
        table.add_row(one.name, f"{one.top1:.2%}", lost, f"{one.person:.2%}", f"{one.no_person:.2%}")
    common.out.print(table)
    common.out.print(f"lost on average: {100 * mean_loss(figures):.1f} points")


def _groups(title: str, groups: tuple[Group, ...]) -> None:
    if groups:
        table = Table(title, "pictures", "top-1", box=None, pad_edge=False)
        for group in groups:
            table.add_row(escape(group.name), str(group.pictures), f"{group.top1:.2%}")
        common.out.print(table)
