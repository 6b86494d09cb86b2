"""``vww-deploy dataset``: look at, check and build sets of labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common, data_options
from vww_deploy.cli.data_options import DataArgument, PicturesOption
from vww_deploy.cli.model_outputs import DatasetCheckOutput

app = typer.Typer(help="Check, show and build sets of labelled pictures.")


@app.command("check")
def check_command(data: DataArgument, pictures: PicturesOption = None, as_json: common.JsonOption = False) -> None:
    """Look at every picture: unreadable files, duplicates across splits, class balance.

    Example: vww-deploy dataset check photos/
    """
    from vww_deploy.training.inspection import check, in_order

    dataset = data_options.read(data, pictures)
    with common.progress() as bar:
        task = bar.add_task("looking", total=len(dataset.pictures))
        findings = check(dataset, lambda: bar.advance(task))
    if as_json:
        common.print_json(
            DatasetCheckOutput(findings, findings.clean, dataset.dropped, list(dataset.left_out), dataset.held_out)
        )
    else:
        table = Table("split", "no person", "person", box=None, pad_edge=False)
        for split, without, with_person in in_order(findings.counts):
            table.add_row(split, common.count(without), common.count(with_person))
        common.out.print(table)
        if dataset.dropped:
            common.out.print(f"left out by the labelling rule: {common.count(dataset.dropped)}")
        if dataset.held_out:
            common.out.print(f"no split val: {common.count(dataset.held_out)} pictures of train are taken for it")
        colour = "red" if findings.missing else "green"
        common.out.print(f"[{colour}]missing: {common.count(findings.missing)}[/]")
        for title, found in (
            ("unreadable", findings.unreadable),
            ("splits with one class only", findings.one_label_splits),
            ("the same picture in two splits", [f"{a} and {b}" for a, b in findings.duplicates]),
            ("the same picture with two labels", [f"{a} and {b}" for a, b in findings.conflicts]),
        ):
            colour = "red" if found else "green"
            common.out.print(f"[{colour}]{title}: {len(found)}[/]")
            for one in found[:5]:
                common.out.print(f"  {escape(one)}", soft_wrap=True)
        if findings.one_label_sources:
            names = ", ".join(findings.one_label_sources)
            common.notice(f"sources with one label only give it away; training trusts a teacher more there: {names}")
    if not findings.clean:
        raise typer.Exit(1)


@app.command("show")
def show_command(
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The PNG to write.", metavar="FILE")] = Path(
        "contact-sheet.png"
    ),
    pictures: PicturesOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Draws other pictures.")] = 1,
) -> None:
    """Draw a contact sheet of random pictures, persons above.

    Example: vww-deploy dataset show photos/ -o sheet.png
    """
    from vww_deploy.training.inspection import write_contact_sheet

    write_contact_sheet(data_options.read(data, pictures), output, seed=seed)
    common.out.print(f"[green]✓[/] {escape(str(output))}")


@app.command("manifest")
def manifest_command(
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The JSON to write.", metavar="FILE")] = Path(
        "manifest.json"
    ),
    pictures: PicturesOption = None,
) -> None:
    """Write every picture's path, label, split and SHA-256.

    Example: vww-deploy dataset manifest photos/ -o manifest.json
    """
    from vww_deploy.training.inspection import write_manifest

    dataset = data_options.read(data, pictures)
    with common.progress() as bar:
        task = bar.add_task("hashing", total=len(dataset.pictures))
        unread = write_manifest(dataset, output, lambda: bar.advance(task))
    if unread:
        common.notice(f"{len(unread)} files cannot be read and are without a SHA-256, the first: {unread[0]}")
    common.out.print(f"[green]✓[/] {escape(str(output))}: {common.count(len(dataset.pictures))} pictures")


@app.command("build")
def build_command(
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.", metavar="DIR")],
    pictures: PicturesOption = None,
    side: Annotated[int, typer.Option("--side", help="Side of the pictures in pixels.", min=8)] = 128,
) -> None:
    """Write a set anew as small pictures with a labels CSV, for example from COCO.

    Example: vww-deploy dataset build instances_val2017.json --pictures val2017/ -o people/
    """
    from vww_deploy.training.inspection import build

    dataset = data_options.read(data, pictures)
    with common.progress() as bar:
        task = bar.add_task("building", total=len(dataset.pictures))
        built = build(dataset, output, side=side, tick=lambda: bar.advance(task))
    if built.dropped:
        common.notice(f"{built.dropped} unreadable pictures were left out")
    if dataset.dropped:
        common.notice(f"{dataset.dropped} pictures were left out by the labelling rule")
    if dataset.missing:
        common.notice(f"{dataset.missing} pictures are not in {pictures}")
    common.out.print(f"[green]✓[/] {escape(str(output))}: {common.count(len(built.pictures))} pictures")
