"""``vww-deploy train``: MobileNet v1 on a set of labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common
from vww_deploy.cli.data_options import DataArgument, PicturesOption
from vww_deploy.cli.model_outputs import TrainOutput
from vww_deploy.cli.packed import show

_SMALLEST = 8  # pixels; below, a picture has no room for what training does to it


def _gray_or_rgb(channels: int) -> int:
    if channels not in (1, 3):
        raise typer.BadParameter(f"{channels} is neither 1 (gray) nor 3 (RGB).")
    return channels


def _none_or_large_enough(size: int) -> int:
    if 0 < size < _SMALLEST:
        raise typer.BadParameter(f"{size} is below {_SMALLEST}; 0 is for none.")
    return size


DepthOption = Annotated[float, typer.Option("--depth-multiplier", help="Width of the network.")]
SizeOption = Annotated[int, typer.Option("--size", help="Side of the model's picture in pixels.", min=_SMALLEST)]
ChannelsOption = Annotated[int, typer.Option("--channels", help="1 gray, 3 RGB.", callback=_gray_or_rgb)]


def command(
    data: DataArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for weights, logs and checkpoints.", metavar="DIR")
    ] = Path("training"),
    pictures: PicturesOption = None,
    recipe_name: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="Make a shipped model anew by its name, or a network of a search by its recipe's file, to int8; the "
            "options below are then its own.",
            metavar="NAME|FILE.json",
        ),
    ] = None,
    teachers: Annotated[
        list[Path] | None,
        typer.Option(
            "--teacher",
            help="A .tflite or Keras model with float edges to learn from; the answers of several are averaged.",
            metavar="MODEL",
        ),
    ] = None,
    depth_multiplier: DepthOption = 0.25,
    size: SizeOption = 96,
    channels: ChannelsOption = 1,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 60,
    batch: Annotated[int, typer.Option("--batch", help="Pictures a step.", min=1)] = 32,
    learning_rate: Annotated[float, typer.Option("--learning-rate", min=0)] = 4e-3,
    early_size: Annotated[
        int,
        typer.Option(
            "--early-size",
            help="Smaller pictures for the first epochs; 0: none.",
            min=0,
            callback=_none_or_large_enough,
        ),
    ] = 0,
    early_part: Annotated[
        float, typer.Option("--early-part", help="Part of the epochs that see them.", min=0, max=1)
    ] = 0.5,
    views: Annotated[int, typer.Option("--views", help="Random views of each picture to keep.", min=1)] = 10,
    views_folder: Annotated[
        Path | None, typer.Option("--views-folder", metavar="DIR", help="Where views are kept; default: OUTPUT/views.")
    ] = None,
    initial: Annotated[
        Path | None,
        typer.Option(
            "--initial",
            metavar="FILE",
            help="Weights to begin from: a file, or imagenet for those that Keras downloads.",
        ),
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option(
            "--more",
            help="One more set to train on and the part of it that an epoch shows, as DATA=0.3; may be repeated.",
            metavar="DATA=PART",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Fine-tune this shipped model on a few hundred pictures of your own, to int8.",
            metavar="NAME",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1)] = 1,
    threads: Annotated[int, typer.Option("--threads", help="CPU threads; 0: as many as there are.", min=0)] = 0,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="A minute: few pictures, two epochs, in OUTPUT/smoke.")
    ] = False,
    as_json: common.JsonOption = False,
) -> None:
    """Train MobileNet v1, with a teacher if there is one. Run it again to go on where it was stopped.

    Example: vww-deploy train photos/ -o training --teacher teacher.tflite --epochs 60

    With pictures of your own: vww-deploy train my_photos/ --from person_96_gray
    """
    from vww_deploy.training.mobilenet import require_tensorflow
    from vww_deploy.training.run import Job, run

    tf = require_tensorflow()
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    from vww_deploy.training.recipe import Recipe

    if base is not None:
        _fine_tune(base, data, output, pictures, seed, as_json)
        return
    further = tuple(_with_part(one) for one in more or ())
    recipe = Recipe(
        depth_multiplier=depth_multiplier,
        size=size,
        channels=channels,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        early_size=early_size,
        early_part=early_part,
        views=views,
        seed=seed,
    )
    job = Job(data, output, recipe, pictures, tuple(teachers or ()), views_folder, initial, further)
    rows: list[dict[str, float]] = []

    def on_epoch(row: dict[str, float]) -> None:
        rows.append(row)
        common.err.print(_line(row), soft_wrap=True)

    if recipe_name is not None:
        from vww_deploy.training.recipes import make_found, make_shipped

        with common.err.status("Reading") as status:
            progress = common.steps_to(status)
            if recipe_name.endswith(".json"):
                packed = make_found(
                    Path(recipe_name), job, smoke=smoke, on_epoch=on_epoch, notice=common.notice, progress=progress
                )
            else:
                packed = make_shipped(
                    recipe_name,
                    data,
                    output,
                    pictures=pictures,
                    teachers=job.teachers,
                    more=further,
                    initial=initial,
                    seed=seed,
                    smoke=smoke,
                    on_epoch=on_epoch,
                    notice=common.notice,
                    progress=progress,
                )
        if as_json:
            common.print_json(TrainOutput(weights=None, model=packed, epochs=rows))
        else:
            show(packed)
        return
    with common.err.status("Reading") as status:
        weights = run(
            job,
            smoke=smoke,
            on_epoch=on_epoch,
            notice=common.notice,
            progress=common.steps_to(status),
        )
    last: dict[str, Any] = rows[-1] if rows else {}
    if as_json:
        common.print_json(TrainOutput(weights=weights, model=None, epochs=rows))
    else:
        figure = f", top-1 on val {last['val_accuracy']:.2%}" if last else ": nothing left to do"
        common.out.print(f"[green]✓[/] {escape(str(weights))}{figure}")
        common.out.print(f"Make it int8 with: vww-deploy quantize {escape(str(weights.parent))} {escape(str(data))}")


def _with_part(text: str) -> tuple[Path, float]:
    """``DATA=PART`` as a path and a number; the part is 1 where none is named."""
    from vww_deploy.errors import DataError

    name, equals, part = text.rpartition("=")
    if not equals:
        return Path(text), 1.0
    try:
        share = float(part)
    except ValueError:
        share = 0.0
    if not 0.0 < share <= 1.0:
        raise DataError(f"--more {text}: {part!r} is no part of a set", hint="For example --more more_photos/=0.3")
    return Path(name), share


def _fine_tune(base: str, data: Path, output: Path, pictures: Path | None, seed: int, as_json: bool) -> None:
    """A shipped model, fine-tuned on the user's own pictures, and what that gained."""
    from vww_deploy.training.transfer import fine_tune_shipped

    with common.err.status("Reading") as status:
        tuned = fine_tune_shipped(
            base,
            data,
            output,
            pictures=pictures,
            seed=seed,
            notice=common.notice,
            progress=common.steps_to(status),
        )
    if as_json:
        common.print_json(tuned)
        return
    table = Table("", "top-1", "person", "no person", box=None, pad_edge=False)
    for name, one in ((base, tuned.before), ("fine-tuned", tuned.after)):
        table.add_row(escape(name), f"{one.top1:.1%}", f"{one.person:.1%}", f"{one.no_person:.1%}")
    common.out.print(table)
    common.out.print(
        f"on the {tuned.before.pictures} pictures held back, the last fifth of each class; "
        f"{tuned.learned} were learned from in {tuned.epochs} epochs",
        soft_wrap=True,
    )
    if tuned.path is None:
        common.notice(f"that is no better than {base}: nothing was written")
        raise typer.Exit(1)
    common.out.print(f"[green]✓[/] {escape(str(tuned.path))}")
    common.out.print(f"Put it on a board with: vww-deploy flash {escape(str(tuned.path))}")


def _line(row: dict[str, float]) -> str:
    return (
        f"epoch {row['epoch']:g}  loss {row['loss']:.4f}  val {row['val_accuracy']:.2%} "
        f"(person {row['val_person']:.2%}, no person {row['val_no_person']:.2%})  {row['seconds']:.0f} s"
    )
