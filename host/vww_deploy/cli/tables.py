"""How results look in the terminal; ``run`` and ``runs show`` print the same."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common
from vww_deploy.files import shown

if TYPE_CHECKING:
    from vww_deploy.runs.boards import BoardComparison
    from vww_deploy.runs.compare import Comparison
    from vww_deploy.runs.result import StoredResult
    from vww_deploy.runs.store import RunHeader, Store

STATES: Final = {
    "running": "[yellow]unfinished[/]",
    "complete": "[green]complete[/]",
    "interrupted": "[yellow]interrupted[/]",
    "failed": "[red]failed[/]",
}

_NAME_WIDTH: Final = 30  # the whole line fits 80 columns
_EQUAL: Final = {True: "[green]equal[/]", False: "[bold red]DIFFERS[/]", None: "[dim]not compared[/]"}


def result_heading(header: RunHeader) -> str:
    """The line above :func:`result_line`'s, as rich markup."""
    unit = "instructions" if header.peer.clock == "instructions" else "latency ms"
    chance = escape(header.peer.outputs.chance)
    return f"[bold]{'picture':{_NAME_WIDTH}} {'prediction':11} {chance:>9}  {unit:>13}  reference[/]"


def result_line(header: RunHeader, result: StoredResult) -> str:
    """Picture, prediction, P(person), latency on the device, equal to the host reference or not; as rich markup."""
    made, truth, outputs, threshold = result.inference, result.truth, header.peer.outputs, header.peer.threshold
    name = "".join(c if c.isprintable() else "?" for c in shown(PurePath(result.path).name))
    if len(name) > _NAME_WIDTH and common.out.is_terminal:
        name = f"{name[: _NAME_WIDTH - 9]}…{name[-8:]}"
    label = int(made.p_person >= threshold)
    prediction = outputs.prediction(made.p_person, made.outputs, threshold)
    detail = outputs.detail(made.outputs, threshold)
    mark = "  " if truth is None or outputs.doubt else "[green] ✓[/]" if truth == label else "[red] ✗[/]"
    style = "bold green" if label else "default"
    latency = f"{made.ticks:,}" if made.latency_us is None else f"{made.latency_us / 1000:.2f}"
    return (
        f"{escape(f'{name:{_NAME_WIDTH}}')} [{style}]{escape(f'{prediction:9}')}[/]{mark} {made.p_person:9.3f}  "
        f"{latency:>13}  {_EQUAL[made.equal]}{escape(f'  {detail}' if detail else '')}"
    )


def print_summary(store: Store, run: int, estimate_for: str) -> None:
    """What a run amounts to, on stdout; instructions are estimated for the board ``estimate_for``."""
    from vww_deploy.runs import metrics
    from vww_deploy.session.latency import COUNTED, estimate
    from vww_deploy.spread import Spread

    summary = store.run(run)
    peer = summary.header.peer
    results = [one.inference for one in store.results(run)]
    counts = f"{summary.results} of {summary.pictures} pictures"
    if summary.skipped:
        counts += f", [yellow]{summary.skipped} skipped[/]"
    if summary.compared:
        style = "green" if summary.equal == summary.compared else "bold red"
        counts += f", [{style}]{summary.equal} of {summary.compared} equal to the host reference[/]"
    retries = sum(result.retries for result in results)
    common.out.print()
    common.out.print(f"{counts}, {retries} {'retry' if retries == 1 else 'retries'}", soft_wrap=True)
    if results:
        times = [result.latency_us for result in results if result.latency_us is not None]
        spread = Spread.of(times or [result.ticks for result in results])
        values = (spread.minimum, spread.median, spread.p95)
        low, median, p95 = (f"{value / 1000:.2f}" if times else f"{value:,}" for value in values)
        unit = "ms" if times else COUNTED
        common.out.print(f"latency on the device: min {low}, median {median}, p95 {p95} {unit}", soft_wrap=True)
        if not times and (made := estimate(spread.median, estimate_for)) is not None:
            common.out.print(str(made), soft_wrap=True)
    accuracy = metrics.accuracy(store.results(run), peer.threshold)
    if accuracy is not None and peer.outputs.doubt:
        common.out.print(f"no accuracy: {escape(peer.outputs.doubt)}", soft_wrap=True)
    elif accuracy is not None:
        labelled = f"{accuracy.total} labelled picture{'' if accuracy.total == 1 else 's'}"
        common.out.print(f"top-1: [bold]{accuracy.top1:.1%}[/] of {labelled}")
        common.out.print(_confusion_table(peer.outputs.pair, accuracy.confusion))
    common.out.print(
        f"run {run}: {STATES[summary.state]}, board {escape(peer.board)} with firmware "
        f"{escape(peer.firmware) or '-'}, model {escape(peer.model)}",
        soft_wrap=True,
    )
    if summary.note:
        common.out.print(f"[red]{escape(summary.note)}[/]", soft_wrap=True)
    common.out.print(f"stored in {escape(str(store.path))}", soft_wrap=True)


def _confusion_table(names: tuple[str, str], confusion: tuple[tuple[int, int], tuple[int, int]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("truth \\ predicted")
    for name in names:
        table.add_column(escape(name), justify="right")
    for truth, row in enumerate(confusion):
        cells = (f"[{'green' if truth == label else 'red'}]{value}[/]" for label, value in enumerate(row))
        table.add_row(escape(names[truth]), *cells)
    return table


def print_boards(found: BoardComparison, estimate_for: str) -> None:
    """Several boards with one model, on stdout; instructions are estimated for the board ``estimate_for``."""
    from vww_deploy.runs.report import board_rows, disagreement_text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("board", "serial number"):
        table.add_column(name, overflow="fold")
    for name in ("results", "median latency", "p95", "equal", "in common", "flips", "other outputs"):
        table.add_column(name, justify="right")
    for row in board_rows(found, estimate_for):
        table.add_row(*map(escape, row))
    common.out.print(table)
    common.out.print(
        f"{found.shared} pictures on several boards, which disagree on {len(found.disagreements)}", soft_wrap=True
    )
    for one in found.disagreements:
        name = PurePath(one.first[1].path).name
        common.out.print(f"  {escape(f'{name}: {disagreement_text(found, one)}')}", soft_wrap=True)


def print_comparison(before: str, after: str, found: Comparison, estimate_for: str) -> None:
    """What changed between two runs, on stdout; instructions are estimated for the board ``estimate_for``."""
    from vww_deploy.session.latency import latency_text

    out = common.out
    out.print(f"[bold]{escape(before)} → {escape(after)}[/]: {found.pictures} pictures in both", soft_wrap=True)
    if found.only_before or found.only_after:
        out.print(f"[dim]{found.only_before} only in the first, {found.only_after} only in the second[/]")
    for name, old, new in found.changed:
        out.print(f"  {name:15} {escape(old) or '-'} → {escape(new) or '-'}", soft_wrap=True)
    out.print()
    if (ratio := found.latency_ratio) is None:
        factor = "[dim]time and instructions cannot be compared[/]"
    else:
        factor = f"[{'green' if ratio < 1 else 'red' if ratio > 1 else 'dim'}]x {ratio:.3f}[/]"
    was = latency_text(found.median_before_ticks, found.median_before_us, estimate_for)
    now = latency_text(found.median_after_ticks, found.median_after_us, estimate_for)
    out.print(f"latency     {was} → {now} median, {factor}", soft_wrap=True)
    if (accuracy := found.accuracy) is not None:
        sure = "" if accuracy.low <= 0 <= accuracy.high else " [bold](the interval leaves out 0)[/]"
        out.print(
            f"accuracy    {accuracy.before:.1%} → {accuracy.after:.1%}, {100 * accuracy.difference:+.1f} points, 95 % "
            f"interval {100 * accuracy.low:+.1f} to {100 * accuracy.high:+.1f}{sure}, {accuracy.pictures} labelled",
            soft_wrap=True,
        )
    out.print(f"probability changed by {found.largest_change:.3f} at most")
    out.print(f"flipped     {len(found.flips)} predictions")
    for flip in found.flips:
        mark = "" if flip.truth is None else " [green]✓[/]" if bool(flip.truth) == flip.person else " [red]✗[/]"
        out.print(
            f"  {escape(PurePath(flip.name).name)}: {flip.p_before:.3f} → {flip.p_after:.3f}, "
            f"{escape(flip.before)} → {escape(flip.after)}{mark}",
            soft_wrap=True,
        )
