"""``vww-deploy search``: which architectures a board can run, and which of them can learn most."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common

if TYPE_CHECKING:
    from vww_deploy.search.costs import Limits
    from vww_deploy.search.study import Candidate

_TABLE_TRIALS: Final = 1500
_PLANNED: Final = 60
_COUNTED: Final = 12
_SHOWN: Final = 10


def command(
    board: Annotated[str, typer.Option("--board", "-b", help="The board of the catalogue that is to run it.")],
    latency: Annotated[
        str | None, typer.Option("--latency", help="The longest inference; default: a second.", metavar="150ms")
    ] = None,
    ram: Annotated[
        str | None, typer.Option("--ram", help="Default: what the board leaves to a model.", metavar="64K")
    ] = None,
    flash: Annotated[
        str | None, typer.Option("--flash", help="Default: what the board leaves to a model.", metavar="200K")
    ] = None,
    study: Annotated[
        Path, typer.Option("--study", help="Keeps every candidate.", metavar="FILE", dir_okay=False)
    ] = Path("search.journal"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="A page with the Pareto front.", metavar="FILE.html")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="All candidates as a table.", metavar="FILE.csv", dir_okay=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    as_json: common.JsonOption = False,
) -> None:
    """Find the architectures that fit a board: by cost, without data and without training.

    A genetic algorithm proposes networks, a table of measured costs sieves them, the memory planner says their exact
    RAM and flash, and the emulator counts the best. They are ordered by a prior of capacity (arithmetic, weights and
    colour), which is no accuracy: train the first few to know.

    Example: vww-deploy search --board nano33ble --latency 150ms --ram 64K
    """
    from vww_deploy.boards.catalogue import get_board
    from vww_deploy.errors import DataError
    from vww_deploy.search.costs import limits_of
    from vww_deploy.search.report import write_csv, write_page
    from vww_deploy.search.study import SearchStudy, mobilenet_within

    if html is not None and html.suffix != ".html":
        raise typer.BadParameter("the page is a web page: name it something.html", param_hint="--html")
    limits = limits_of(get_board(board), latency=latency, ram=ram, flash=flash)
    search = SearchStudy(study, limits, seed=seed, resume=resume)
    with common.progress() as bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        search.run_table(_TABLE_TRIALS, show)
        search.run_plan(_PLANNED, show)
        search.run_counted(_COUNTED, show)
        baseline = mobilenet_within(limits, show)
    found = search.best(_SHOWN)
    if html is not None:
        write_page(html, search, baseline)
        common.notice(f"wrote {html}")
    if csv is not None:
        write_csv(csv, search)
        common.notice(f"wrote {csv}")
    if not found:
        nearest = search.nearest()
        missed = ""
        if nearest is not None:
            over = ", ".join(f"{name} by {factor - 1:.0%}" for name, factor in nearest.broken.items())
            missed = f"; the nearest breaks {over}"
        raise DataError(f"no candidate keeps the limits{missed}", hint="Allow more time, RAM or flash.")
    if as_json:
        common.print_json(
            {
                "limits": limits.to_json(),
                "candidates": [_plain(one) for one in found],
                "mobilenet_v1": _plain(baseline) if baseline else None,
                "rejected": [_plain(one) for one in search.candidates("plan") if one.broken],
            }
        )
        return
    _print(limits, found, baseline)
    common.notice(f"every candidate is kept in {study}; go on with --resume")


def _plain(candidate: Candidate) -> dict[str, Any]:
    from vww_deploy.search.space import describe

    one = candidate
    return {
        "key": one.architecture.key,
        "text": describe(one.architecture),
        "architecture": one.architecture.to_json(),
        "cost": one.cost.to_json(),
        "capacity_prior": round(one.prior, 3),
        "breaks": one.broken,
    }


def _print(limits: Limits, found: list[Candidate], baseline: Candidate | None) -> None:
    from vww_deploy.search.space import describe

    common.out.print(
        f"{escape(limits.board)}: at most {limits.milliseconds(limits.cycles):.0f} ms ({limits.cycles / 1e6:.2f} M "
        f"cycles, modelled without wait states), {limits.ram_bytes:,} B of RAM, {limits.flash_bytes:,} B of flash",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("key", "capacity", "M cycles", "ms", "RAM B", "flash B", "how"):
        table.add_column(name, justify="left" if name in ("key", "how") else "right", no_wrap=True)
    rows = [(one.architecture.key, one) for one in found] + ([("MobileNet v1", baseline)] if baseline else [])
    for name, one in rows:
        cost = one.cost
        table.add_row(
            name,
            f"{one.prior:.2f}",
            f"{cost.cycles / 1e6:.2f}",
            f"{limits.milliseconds(cost.cycles):.0f}",
            common.count(cost.ram_bytes or 0),
            common.count(cost.flash_bytes),
            cost.exactness,
        )
    common.out.print(table)
    for name, one in rows:
        common.out.print(f"{name}: {describe(one.architecture)}", soft_wrap=True)
