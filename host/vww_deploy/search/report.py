"""What a search leaves for people: a page with the Pareto front, and a table of all candidates."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from vww_deploy.errors import DataError, ToolMissing
from vww_deploy.files import write_whole
from vww_deploy.plot_page import plot_page
from vww_deploy.resources import install_extra
from vww_deploy.search.costs import table_cost
from vww_deploy.search.space import describe, mobilenets
from vww_deploy.search.study import LEARNING_STAGES, STAGES, Candidate, SearchStudy

_ROLES: Final = {"finalist": "#00897b", "control": "#4c8bf5", "MobileNet v1": "#e65100"}
_COLOURS: Final = {"table": "#cccccc", "plan": "#9ecae1", "counted": "#54278f"}


def write_csv(path: Path, search: SearchStudy) -> None:
    """All candidates, one a row and stage, with the limits that they break.

    Raises:
        DataError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        [
            *("key", "stage", "description", "macs", "parameters", "cycles", "ram_bytes", "flash_bytes"),
            *("capacity_prior", "breaks", "architecture", "val_roc_auc", "val_top1", "role"),
        ]
    )
    for stage in STAGES:
        for one in search.candidates(stage):
            cost = one.cost
            writer.writerow(
                [
                    *(one.architecture.key, stage, describe(one.architecture), cost.macs, cost.parameters, cost.cycles),
                    *("" if cost.ram_bytes is None else cost.ram_bytes, cost.flash_bytes, f"{one.prior:.3f}"),
                    *(" ".join(one.broken), json.dumps(one.architecture.to_json()), "", "", ""),
                ]
            )
    for stage in LEARNING_STAGES:
        for learned in search.learned(stage):
            cost, figures = learned.cost, learned.figures
            name = stage if stage == "trained" else f"tuned {figures['rung'] + 1}"
            writer.writerow(
                [
                    *(learned.architecture.key, name, describe(learned.architecture), cost.macs, cost.parameters),
                    *(
                        cost.cycles,
                        cost.ram_bytes,
                        cost.flash_bytes,
                        "",
                        "",
                        json.dumps(learned.architecture.to_json()),
                    ),
                    *(f"{learned.score:.4f}", figures.get("top1", ""), figures.get("role", "")),
                ]
            )
    _write(path, text.getvalue())


def write_page(path: Path, search: SearchStudy, baselines: list[Candidate]) -> None:
    """A page without any internet: capacity against cycles and RAM, the limits, and MobileNet v1's line.

    Raises:
        DataError: the file cannot be written.
        ToolMissing: plotly is not installed.
    """
    try:
        from plotly.graph_objects import Scatter
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise ToolMissing("plotly is not installed", hint=install_extra("report")) from error
    limits = search.limits
    trained = search.learned("trained")
    rows = 2 if trained else 1
    figure = make_subplots(rows=rows, cols=2, shared_yaxes="rows", horizontal_spacing=0.04, vertical_spacing=0.12)
    for stage in STAGES:
        found = search.candidates(stage)
        figure.add_trace(_points(Scatter, found, stage, [one.cost.cycles / 1e6 for one in found]), row=1, col=1)
        planned = [one for one in found if one.cost.ram_bytes is not None]
        if planned:
            kilobytes = [(one.cost.ram_bytes or 0) / 1024 for one in planned]
            points = _points(Scatter, planned, stage, kilobytes, legend=False)
            figure.add_trace(points, row=1, col=2)
    costs = [(one, table_cost(one)) for one in mobilenets()]
    line = sorted((Candidate(one, cost, {}) for one, cost in costs), key=lambda one: one.cost.cycles)
    front = _front(line)
    figure.add_trace(
        Scatter(
            x=[one.cost.cycles / 1e6 for one in front],
            y=[one.prior for one in front],
            text=[describe(one.architecture) for one in front],
            mode="lines",
            name="MobileNet v1, by table",
            line={"color": "#e65100", "dash": "dot"},
        ),
        row=1,
        col=1,
    )
    if baselines:
        costs_of_baselines = (
            [one.cost.cycles / 1e6 for one in baselines],
            [(one.cost.ram_bytes or 0) / 1024 for one in baselines],
        )
        for column, x in enumerate(costs_of_baselines, start=1):
            figure.add_trace(
                Scatter(
                    x=x,
                    y=[one.prior for one in baselines],
                    text=[describe(one.architecture) for one in baselines],
                    mode="markers",
                    name="MobileNet v1 within the limits",
                    marker={"color": "#e65100", "size": 12, "symbol": "star"},
                    showlegend=column == 1,
                ),
                row=1,
                col=column,
            )
    for role in dict.fromkeys(one.figures["role"] for one in trained):
        own = [one for one in trained if one.figures["role"] == role]
        costs_of = (
            [(one.figures["cycles"] or one.cost.cycles) / 1e6 for one in own],
            [one.figures["ram_bytes"] / 1024 for one in own],
        )
        for column, x in enumerate(costs_of, start=1):
            figure.add_trace(
                Scatter(
                    x=x,
                    y=[100 * one.figures["top1"] for one in own],
                    text=[f"{one.architecture.key}<br>{describe(one.architecture)}" for one in own],
                    mode="markers",
                    name=f"trained: {role}",
                    marker={"color": _ROLES.get(role, "#7b1fa2"), "size": 11},
                    showlegend=column == 1,
                ),
                row=2,
                col=column,
            )
    if trained:
        figure.add_vline(x=limits.cycles / 1e6, line_dash="dash", line_color="#c62828", row=2, col=1)
        figure.add_vline(x=limits.ram_bytes / 1024, line_dash="dash", line_color="#c62828", row=2, col=2)
        figure.update_xaxes(title="million cycles, modelled", range=[0, 2 * limits.cycles / 1e6], row=2, col=1)
        figure.update_xaxes(title="RAM, KiB", rangemode="tozero", row=2, col=2)
        figure.update_yaxes(title="top-1 on val, int8, %", row=2, col=1)
    figure.add_vline(x=limits.cycles / 1e6, line_dash="dash", line_color="#c62828", row=1, col=1)
    figure.add_vline(x=limits.ram_bytes / 1024, line_dash="dash", line_color="#c62828", row=1, col=2)
    figure.update_xaxes(title="million cycles, modelled", range=[0, 2 * limits.cycles / 1e6], row=1, col=1)
    figure.update_xaxes(title="RAM, KiB", rangemode="tozero", row=1, col=2)
    figure.update_yaxes(title="capacity (a prior, no accuracy)", row=1, col=1)
    title = f"Architectures for {limits.board}"
    figure.update_layout(
        title=f"{title}: dashed red lines are the limits",
        template="plotly_white",
        height=500 * rows,
        legend={"orientation": "h", "y": -0.12},
    )
    _write(path, plot_page(figure, title))


def _points(scatter: Any, found: list[Candidate], stage: str, x: list[float], *, legend: bool = True) -> Any:
    texts = []
    for one in found:
        breaks = f"<br>breaks {', '.join(one.broken)}" if one.broken else ""
        texts.append(f"{one.architecture.key}<br>{describe(one.architecture)}{breaks}")
    return scatter(
        x=x,
        y=[one.prior for one in found],
        text=texts,
        mode="markers",
        name=f"{stage} ({len(found)})",
        showlegend=legend,
        marker={
            "color": _COLOURS[stage],
            "size": 6 if stage == "table" else 9,
            "symbol": ["x" if one.broken else "circle" for one in found],
        },
    )


def _front(ordered: Iterable[Candidate]) -> list[Candidate]:
    """Those that nobody of less cost surpasses."""
    front: list[Candidate] = []
    for one in ordered:
        if not front or one.prior > front[-1].prior:
            front.append(one)
    return front


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}", hint="Give another file.") from error
