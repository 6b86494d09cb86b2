"""``vww-deploy runs``: what the run store holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common, tables
from vww_deploy.cli.model_outputs import RunsListOutput
from vww_deploy.errors import StoreError

if TYPE_CHECKING:
    from vww_deploy.runs.store import Store

app = typer.Typer(help="What was run before: list, show, export, report, compare, delete.")

_ALL_COLUMNS = 76  # of the terminal; in a narrower one `runs list` leaves out what `runs show` has, too

RunArgument = Annotated[int | None, typer.Argument(help="Number of the run; default: the last one.", metavar="RUN")]


@app.command("list")
def list_runs(store: common.StoreOption = None, as_json: common.JsonOption = False) -> None:
    """List all runs, the newest last.

    Example: vww-deploy runs list
    """
    from vww_deploy.runs.export import listed
    from vww_deploy.runs.store import Store

    with Store(store, create=False) as opened:
        summaries = opened.runs()
        if as_json:
            common.print_json(RunsListOutput([listed(summary) for summary in summaries]))
            return
        if not summaries:
            common.err.print(f"{opened.path} holds no runs yet. Record one with: vww-deploy run PICTURES")
            return
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        table.add_column("run", justify="right", no_wrap=True)
        table.add_column("started (UTC)", no_wrap=True)
        table.add_column("board", no_wrap=True)
        table.add_column("model", overflow="ellipsis")  # the one that gives way when the terminal is narrow
        counts = ("results", "skipped", "equal")[: None if common.out.width >= _ALL_COLUMNS else 1]
        for name in counts:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("state", no_wrap=True)
        for summary in summaries:
            table.add_row(
                str(summary.id),
                summary.started[:16].replace("T", " "),
                escape(summary.header.peer.board),
                escape(summary.header.peer.model),
                *(
                    f"{summary.results}/{summary.pictures}",
                    str(summary.skipped),
                    f"{summary.equal}/{summary.compared}" if summary.compared else "-",
                )[: len(counts)],
                tables.STATES[summary.state],
            )
        common.out.print(table)


@app.command("show")
def show(
    run: RunArgument = None,
    store: common.StoreOption = None,
    estimate_for: common.AsOption = common.AS_DEFAULT,
    as_json: common.JsonOption = False,
) -> None:
    """Show a run: each picture's prediction, and what they amount to.

    Example: vww-deploy runs show 3
    """
    from vww_deploy.runs.export import exported
    from vww_deploy.runs.store import Store

    with Store(store, create=False) as opened:
        number = _number(opened, run)
        if as_json:
            common.print_json(exported(opened, number, estimate_for))
            return
        summary = opened.run(number)
        common.out.print(tables.result_heading(summary.header), soft_wrap=True)
        for result in opened.results(number):
            common.out.print(tables.result_line(summary.header, result), soft_wrap=True)
        for skipped in opened.skipped(number):
            common.out.print(f"[yellow]skipped[/] {escape(skipped.reason)}", soft_wrap=True)
        tables.print_summary(opened, number, estimate_for)


@app.command("export")
def export_run(
    run: RunArgument = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="CSV if it ends in .csv, else JSON; default: runRUN.csv.",
            metavar="FILE",
            dir_okay=False,
        ),
    ] = None,
    store: common.StoreOption = None,
) -> None:
    """Write a run to a CSV or JSON file, which must not exist.

    Example: vww-deploy runs export 3 -o run3.csv
    """
    from vww_deploy.runs.export import export
    from vww_deploy.runs.store import Store

    with Store(store, create=False) as opened:
        number = _number(opened, run)
        path = output or Path(f"run{number}.csv")
        if path.exists():
            raise StoreError(f"{path} exists already", hint="It may be another run's: name another file with -o.")
        export(opened, number, path)
    common.err.print(f"Run {number} is in {escape(str(path))}", soft_wrap=True)


@app.command("delete")
def delete(
    run: Annotated[int, typer.Argument(help="Number of the run.", metavar="RUN")], store: common.StoreOption = None
) -> None:
    """Remove a run from the store.

    Example: vww-deploy runs delete 3
    """
    from vww_deploy.runs.store import Store

    with Store(store, create=False) as opened:
        opened.delete(run)
    common.err.print(f"Run {run} is gone.")


@app.command("report")
def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Number of the run, or a recording; several of one model compare their boards.", metavar="RUN..."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The HTML file.", metavar="FILE", dir_okay=False)
    ] = None,
    store: common.StoreOption = None,
    estimate_for: common.AsOption = common.AS_DEFAULT,
) -> None:
    """Write a run or a recording, or the boards of several, as one self-contained HTML page.

    Example: vww-deploy runs report 3 -o run3.html
    """
    from vww_deploy.runs.boards import compare_boards
    from vww_deploy.runs.report import write_boards_report, write_report
    from vww_deploy.runs.rundata import load_run
    from vww_deploy.runs.store import Store

    if not runs:
        with Store(store, create=False) as opened:
            runs = [str(_number(opened, None))]
    loaded = [load_run(run, store) for run in runs]
    found = compare_boards(loaded)
    if len(loaded) == 1:
        path = output or Path(f"run{runs[0]}.html" if runs[0].isdecimal() else f"{Path(runs[0]).stem}.html")
        write_report(loaded[0], path, estimate_for)
    else:
        path = output or Path("boards.html")
        write_boards_report(loaded, found, path, estimate_for)
    if len(loaded) > 1 or len(found.boards) > 1:
        tables.print_boards(found, estimate_for)
    common.err.print(f"The report is in {escape(str(path))}", soft_wrap=True)


@app.command("compare")
def compare_runs(
    before: Annotated[str, typer.Argument(help="Number of a run, or a recording.", metavar="A")],
    after: Annotated[str, typer.Argument(help="Number of a run, or a recording.", metavar="B")],
    store: common.StoreOption = None,
    estimate_for: common.AsOption = common.AS_DEFAULT,
    as_json: common.JsonOption = False,
) -> None:
    """Show what changed from run A to run B: flipped predictions, latency, accuracy.

    Example: vww-deploy runs compare 3 4
    """
    from vww_deploy.runs.compare import compare
    from vww_deploy.runs.export import exported_comparison
    from vww_deploy.runs.rundata import load_run

    first, second = load_run(before, store), load_run(after, store)
    found = compare(first, second)
    if as_json:
        common.print_json(exported_comparison(found, estimate_for))
        return
    tables.print_comparison(first.title, second.title, found, estimate_for)


def _number(store: Store, run: int | None) -> int:
    if run is not None:
        return run
    last = store.last()
    if last is None:
        raise StoreError(f"{store.path} holds no runs yet", hint="Record one with: vww-deploy run PICTURES")
    return last.id
