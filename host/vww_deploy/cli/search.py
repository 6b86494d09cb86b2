"""``vww-deploy search``: which architectures a board can run, and which of them learn most."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from vww_deploy.cli import common, fleet_options, model_outputs
from vww_deploy.cli.data_options import PicturesOption

if TYPE_CHECKING:
    from vww_deploy.search.costs import Limits
    from vww_deploy.search.finals import Verdict
    from vww_deploy.search.study import Candidate, Learned, SearchStudy

_TABLE_TRIALS: Final = 1500
_PLANNED: Final = 100
_COUNTED: Final = 12
"""Without data; with it, as many as are ranked."""
_SHOWN: Final = 10


def command(
    data: Annotated[
        Path | None, typer.Argument(help="A folder, a labels CSV, COCO JSON or a Wake Vision CSV.", metavar="DATA")
    ] = None,
    *,
    board: Annotated[
        str, typer.Option("--board", "-b", metavar="BOARD", help="The board of the catalogue that is to run it.")
    ],
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
    budget: Annotated[str, typer.Option("--budget", help="CPU time for all that learns.", metavar="4h")] = "4h",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only which architectures fit: no data, no training.")
    ] = False,
    pictures: PicturesOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            help="Plan and count on the machines of a fleet: its address. Trainings stay on this computer.",
            metavar="ADDRESS",
        ),
    ] = None,
    as_json: common.JsonOption = False,
) -> None:
    """Find the network that learns most within a board's limits.

    A genetic algorithm proposes networks, a table of measured costs sieves them, the memory planner says their exact
    RAM and flash, and the emulator counts the best. A wide network is trained whose slices they are, which ranks them;
    the best are trained beside MobileNet v1 and made int8. With --dry-run all ends before the training.

    Example: vww-deploy search photos/ --board nano33ble --latency 150ms --ram 64K
    """
    from vww_deploy.boards.catalogue import get_board
    from vww_deploy.errors import DataError
    from vww_deploy.search.costs import limits_of, parse_time
    from vww_deploy.search.report import write_csv, write_page
    from vww_deploy.search.study import SearchStudy, mobilenets_within

    if html is not None and html.suffix != ".html":
        raise typer.BadParameter("the page is a web page: name it something.html", param_hint="--html")
    if data is None and not dry_run:
        raise typer.BadParameter("give the pictures to learn from, or --dry-run", param_hint="DATA")
    limits = limits_of(get_board(board), latency=latency, ram=ram, flash=flash)
    seconds = parse_time(budget, "--budget")
    dataset = None
    if data is not None and not dry_run:
        from vww_deploy.cli.data_options import read
        from vww_deploy.training.mobilenet import require_tensorflow

        require_tensorflow()
        dataset = read(data, pictures)
        for split in ("train", "val"):
            dataset.split(split)
    search = SearchStudy(study, limits, seed=seed, resume=resume)
    if dataset is not None:
        from vww_deploy.search.finals import RANKED
        from vww_deploy.training.package import describe_data

        search.use_data(describe_data(dataset))
    with contextlib.ExitStack() as stack:
        elsewhere = None
        if cluster is not None:
            fleet = stack.enter_context(fleet_options.joined(cluster))
            from vww_deploy.fleet.measure import on_machines

            elsewhere = functools.partial(on_machines, fleet)
        bar = stack.enter_context(common.progress())
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        search.run_table(_TABLE_TRIALS, show)
        search.run_plan(_PLANNED, show, elsewhere=elsewhere)
        search.run_counted(_COUNTED if dataset is None else RANKED, show, elsewhere=elsewhere)
        baselines = mobilenets_within(limits, show)
    found = search.best(_SHOWN)
    verdict = None
    if dataset is not None and found:
        from vww_deploy.search.finals import Budget, learn

        folder = study.with_name(f"{study.stem}_networks")
        with common.err.status("Reading") as status:
            verdict = learn(
                search,
                baselines,
                dataset,
                folder,
                Budget(seconds, search.cpu_seconds),
                seed=seed,
                progress=common.steps_to(status),
            )
    if html is not None:
        write_page(html, search, baselines)
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
            model_outputs.SearchOutput(
                limits=limits,
                candidates=[_plain(one) for one in found],
                mobilenet_v1=[_plain(one) for one in baselines],
                trained=[_plain_trained(one) for one in search.learned("trained")],
                ranking=_plain_verdict(verdict),
                rejected=[_plain(one) for one in search.candidates("plan") if one.broken],
            )
        )
        return
    _print(limits, found, baselines)
    if verdict is not None:
        _print_trained(limits, search, verdict, folder)
    common.notice(f"every candidate is kept in {study}; go on with --resume")


def _plain(one: Candidate) -> model_outputs.CandidateRow:
    from vww_deploy.search.space import describe

    return model_outputs.CandidateRow(
        key=one.architecture.key,
        text=describe(one.architecture),
        architecture=one.architecture,
        cost=one.cost,
        capacity_prior=round(one.prior, 3),
        breaks=one.broken,
    )


def _print(limits: Limits, found: list[Candidate], baselines: list[Candidate]) -> None:
    from vww_deploy.search.space import describe

    common.out.print(
        f"{escape(limits.board)}: at most {limits.milliseconds(limits.cycles):.0f} ms ({limits.cycles / 1e6:.2f} M "
        f"cycles, modelled without wait states), {limits.ram_bytes:,} B of RAM, {limits.flash_bytes:,} B of flash",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("key", "capacity", "M cycles", "ms", "RAM B", "flash B", "how"):
        table.add_column(name, justify="left" if name in ("key", "how") else "right", no_wrap=True)
    rows = [(one.architecture.key, one) for one in found] + [("MobileNet v1", one) for one in baselines]
    rows.sort(key=lambda row: -row[1].prior)
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


def _print_trained(limits: Limits, search: SearchStudy, verdict: Verdict, folder: Path) -> None:
    from vww_deploy.search.finals import BASELINE

    trained = sorted(search.learned("trained"), key=lambda one: -one.figures["top1"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("network", "as", "top-1", "ROC area", "M cycles", "RAM B"):
        table.add_column(name, justify="left" if name in ("network", "as") else "right", no_wrap=True)
    for one in trained:
        figures = one.figures
        table.add_row(
            one.architecture.key,
            figures["role"],
            f"{figures['top1']:.1%}",
            f"{figures['auc']:.3f}",
            f"{(figures['cycles'] or one.cost.cycles) / 1e6:.2f}",
            common.count(figures["ram_bytes"]),
        )
    common.out.print("trained alike, int8 on val:")
    common.out.print(table)
    for text in verdict.cut:
        common.notice(f"the budget is used up; left out: {escape(text)}. Go on with --resume and a larger --budget.")
    if verdict.correlation is None:
        common.notice("too few networks were both ranked and trained to say how good the ranking is")
    else:
        common.out.print(
            f"rank correlation of the ranking with {verdict.compared} networks trained: {verdict.correlation:.2f}"
        )
        if verdict.proxy_failed:
            common.notice("the ranking failed: go by what the trained networks reached, not by who is a finalist")
    if trained and trained[0].figures["role"] == BASELINE:
        common.notice("no network that was trained is better than MobileNet v1 within the same limits")
    common.out.print(f"models, cards and recipes are in {escape(str(folder))}", soft_wrap=True)


def _plain_trained(one: Learned) -> model_outputs.TrainedRow:
    return model_outputs.TrainedRow(key=one.architecture.key, architecture=one.architecture, **one.figures)


def _plain_verdict(verdict: Verdict | None) -> model_outputs.RankingRow | None:
    if verdict is None:
        return None
    return model_outputs.RankingRow(verdict.correlation, verdict.compared, verdict.proxy_failed, list(verdict.cut))
